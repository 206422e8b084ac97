"""The official Julia with Flux, through juliacall and the Julia project that juliapkg keeps for this Python.

juliapkg (which juliacall brings) finds or fetches a Julia and resolves the project from the `juliapkg.json` of each Python
package: juliacall's has the version of PythonCall, bridge's those of Julia and Flux. `PYTHON_JULIACALL_EXE` and
`PYTHON_JULIACALL_PROJECT` together go round it. DiagramBridge is in no such project: bridge puts its own copy on Julia's
`LOAD_PATH`, however Julia is started, so that the two halves are always of one version. Nothing here imports juliacall,
since that starts Julia.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import JuliaUnavailable
from bridge.julia.debian import Progress
from bridge.julia.version import OLDEST_JULIACALL, numbers, said_by

__all__ = [
    "REQUIREMENTS",
    "SERVERS",
    "Ready",
    "complaints",
    "has_package",
    "install",
    "installed",
    "probe",
    "ready",
    "set_defaults",
]

SERVERS = ("https://pkg.julialang.org/registries", "https://julialang-s3.julialang.org/bin/versions.json")
"""Where packages and Julia itself come from."""

REQUIREMENTS = Path(__file__).resolve().parents[1] / "juliapkg.json"
"""The Julia and the Julia packages that the Flux engine is written for, as juliapkg reads them."""


@dataclass(frozen=True)
class Ready:
    """Whether juliacall would start without fetching anything: from where, which version, and why (not)."""

    usable: bool
    where: str
    version: str
    reason: str
    project: Path | None = None


def installed() -> bool:
    """Whether the Python package juliacall is there."""
    return "juliacall" in sys.modules or importlib.util.find_spec("juliacall") is not None


def ready() -> Ready:
    """Look whether juliacall has a Julia and a resolved project; fetches nothing and starts no Julia."""
    if not installed():
        return Ready(False, "juliacall", "", "not installed in this Python (pip install juliacall)")
    executable, project = os.environ.get("PYTHON_JULIACALL_EXE"), os.environ.get("PYTHON_JULIACALL_PROJECT")
    if executable and project:
        return _ready_by_hand(Path(executable), Path(project))
    if executable or project:
        reason = "PYTHON_JULIACALL_EXE and PYTHON_JULIACALL_PROJECT have to be set together"
        return Ready(False, executable or project or "", "", reason)
    return _ready_by_juliapkg()


def _ready_by_hand(executable: Path, project: Path) -> Ready:
    version = said_by(executable)
    where = f"{executable} with project {project}"
    if numbers(version) < OLDEST_JULIACALL:
        found = f"Julia {version}" if version else "no Julia that says its version"
        return Ready(False, where, version, f"juliacall needs Julia 1.10.3 or newer, found {found}")
    if not has_package(project, "PythonCall"):
        return Ready(False, where, version, "the project has no PythonCall")
    return Ready(True, where, version, "named by PYTHON_JULIACALL_EXE and PYTHON_JULIACALL_PROJECT", project)


def _ready_by_juliapkg() -> Ready:
    try:
        state = importlib.import_module("juliapkg.state").STATE
        project = Path(state["project"])
        known = Path(state["meta"]).is_file()
        resolved = known and importlib.import_module("juliapkg.deps").can_skip_resolve()
    except Exception as error:
        return Ready(False, "juliapkg", "", f"it fails: {type(error).__name__}: {error}")
    if not resolved:
        return Ready(False, str(project), "", "its Julia project is not set up (`diagram-bridge julia install`)")
    return Ready(True, str(resolved["executable"]), str(resolved["version"]), f"project {project} is ready", project)


def has_package(project: Path, package: str) -> bool:
    """Whether a Julia project's manifest names a package."""
    names = ("JuliaManifest.toml", "Manifest.toml")
    manifests = [path for name in names if (path := project / name).is_file()] + sorted(project.glob("Manifest-v*.toml"))
    entry = re.compile(rf"^\[\[(deps\.)?{re.escape(package)}\]\]", re.MULTILINE)
    return any(entry.search(path.read_text(errors="replace")) for path in manifests)


def set_defaults() -> None:
    """Set what juliacall reads from the environment, only where the user set nothing.

    With more than one Julia thread its signal handling has to be on, or a garbage collection ends the process.
    """
    threads = os.environ.get("PYTHON_JULIACALL_THREADS") or os.environ.get("JULIA_NUM_THREADS") or "1"
    os.environ.setdefault("PYTHON_JULIACALL_HANDLE_SIGNALS", "no" if threads == "1" else "yes")
    os.environ.setdefault("PYTHON_JULIACALL_STARTUP_FILE", "no")
    os.environ.setdefault("PYTHON_JULIACALL_AUTOLOAD_IPYTHON_EXTENSION", "no")


def complaints() -> list[str]:
    """What is off about how juliacall is set up, as warnings with their remedy."""
    found = []
    threads = os.environ.get("PYTHON_JULIACALL_THREADS") or os.environ.get("JULIA_NUM_THREADS") or "1"
    if threads != "1" and os.environ.get("PYTHON_JULIACALL_HANDLE_SIGNALS", "no") != "yes":
        found.append(
            f"Julia has {threads} threads and PYTHON_JULIACALL_HANDLE_SIGNALS is not 'yes': a garbage collection can "
            "end the process. Set it to 'yes' before juliacall is imported, or use one Julia thread."
        )
    return found


def probe(timeout: float = 4.0) -> tuple[str, ...]:
    """The servers of Julia that do not answer within `timeout` seconds, each with what happened; empty if all do."""
    own = os.environ.get("JULIA_PKG_SERVER")
    servers = ((own if "://" in own else f"https://{own}") + "/registries", SERVERS[1]) if own else SERVERS
    answers = dict.fromkeys(servers, "")

    def ask(server: str) -> None:
        answers[server] = _silence(server, timeout) or "yes"

    # Looking a name up has no timeout of its own, so the threads are not waited for beyond it.
    threads = [threading.Thread(target=ask, args=(server,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    until = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    said = {server: answer or f"{server} does not answer in {timeout:g} s" for server, answer in answers.items()}
    return tuple(answer for answer in said.values() if answer != "yes")


def _silence(server: str, timeout: float) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(server, method="HEAD"), timeout=timeout) as answer:
            return "" if answer.status == 200 else f"{server} answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{server} answers {error.code}"
    except (OSError, urllib.error.URLError) as error:
        return f"{server} does not answer ({getattr(error, 'reason', error)})"


_RESOLVE = """
import juliapkg
juliapkg.resolve()
import juliacall
for name in {packages!r}:
    juliacall.Main.seval("import " + name)
print("works:", juliacall.Main.seval("string(VERSION)"))
"""


def install(progress: Progress = lambda step, fraction: None) -> str:
    """Have juliapkg get Julia, PythonCall and Flux for this Python, and load them once; gives Julia's version.

    Takes minutes the first time; what was fetched before is kept. Raises JuliaUnavailable where juliacall is not
    installed, and with juliapkg's last words where it fails.
    """
    if not installed():
        raise JuliaUnavailable("juliacall", "to be installed in this Python (pip install juliacall)", "no such package")
    script = _RESOLVE.format(packages=list(json.loads(REQUIREMENTS.read_text())["packages"]))
    run = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # juliapkg looks for juliapkg.json beside what can be imported, which has to be the same there as here.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert run.stdout is not None
    last = ""
    for line in run.stdout:
        if line.strip():
            last = line.strip()
            progress(last, 0.0)
    if run.wait() != 0 or not last.startswith("works: "):
        raise JuliaUnavailable("the official Julia", "juliapkg to set it up", last or f"exit status {run.returncode}")
    return last.removeprefix("works: ")
