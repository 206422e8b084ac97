"""Getting a Julia: the official one with Flux where its servers answer, else Debian's 1.5.3 in a private prefix."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from bridge.errors import JuliaUnavailable
from bridge.julia import official, prefix
from bridge.julia.debian import Progress

__all__ = ["Installed", "Which", "install"]

Which = Literal["auto", "official", "prefix"]


@dataclass(frozen=True)
class Installed:
    """What was installed: which Julia, why that one, where, its version, its engine, and whether this run made it."""

    which: str
    why: str
    where: str
    version: str
    engine: str
    new: bool

    def to_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        return asdict(self)


def install(which: Which = "auto", progress: Progress = lambda step, fraction: None, *, timeout: float = 4.0) -> Installed:
    """Install a Julia for diagram-bridge, or find the one that was installed before.

    With "auto" the servers of Julia are tried for `timeout` seconds, and juliacall has to be installed for the official
    one. Running it again repairs or continues what is incomplete. Raises JuliaUnavailable, with the reasons, where it
    fails.
    """
    if which == "official":
        return _official("it was asked for", progress)
    if which == "prefix":
        return _prefix("it was asked for", progress)
    there = official.ready()
    if there.usable and there.project is not None and official.has_package(there.project, "Flux"):
        why = f"juliacall has it already: {there.reason}"
        return Installed("official", why, there.where, there.version, "flux", False)
    progress("looking for Julia's servers", 0.0)
    silent = official.probe(timeout)
    if silent:
        return _prefix("; ".join(silent), progress)
    if not official.installed():
        return _prefix("juliacall is not installed in this Python (pip install juliacall)", progress)
    try:
        return _official("Julia's servers answer", progress)
    except JuliaUnavailable as error:
        return _prefix(f"the official Julia could not be set up ({error.found})", progress)


def _official(why: str, progress: Progress) -> Installed:
    version = official.install(progress)
    return Installed("official", why, official.ready().where, version, "flux", True)


def _prefix(why: str, progress: Progress) -> Installed:
    try:
        made = prefix.install(progress)
    except JuliaUnavailable as error:
        raise JuliaUnavailable(error.element, error.expected, f"{error.found} (tried because {why})") from error
    return Installed("private prefix", why, str(made.folder), made.version, "native", made.new)
