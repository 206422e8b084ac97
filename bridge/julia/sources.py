"""Where the Julia sources of DiagramBridge are."""

from __future__ import annotations

from pathlib import Path

from bridge.errors import JuliaUnavailable

__all__ = ["julia_project"]


def julia_project() -> Path:
    """The folder with DiagramBridge's `Project.toml`.

    It is `bridge/_julia` in a wheel, and `julia/` beside `bridge/` in a checkout.
    Raises JuliaUnavailable where neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    places = (package / "_julia", package.parent / "julia")
    for place in places:
        if (place / "Project.toml").is_file():
            return place
    looked = " and ".join(str(place) for place in places)
    raise JuliaUnavailable(
        "the Julia package DiagramBridge", f"a Project.toml in {places[0]} or {places[1]}", f"none in {looked}"
    )
