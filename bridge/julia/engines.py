"""What runs portable layers in Julia: Flux where Julia's active project has it, else DiagramBridge's own plain Julia."""

from __future__ import annotations

import os

from bridge.errors import BridgeError
from bridge.julia.start import LibJulia, julia_literal

__all__ = ["ENGINES", "choose", "packages", "wanted"]

ENGINES = ("auto", "native", "flux")
"""What may be asked for: Flux where it is loaded, plain Julia, Flux."""


def wanted() -> str:
    """The engine that DIAGRAM_BRIDGE_ENGINE asks for; "auto" where it is not set. With "native" Flux is not loaded."""
    return known(os.environ.get("DIAGRAM_BRIDGE_ENGINE") or "auto", "DIAGRAM_BRIDGE_ENGINE")


def known(name: str, element: str) -> str:
    """The name itself; BridgeError, about `element`, if there is no such engine."""
    if name not in ENGINES:
        raise BridgeError(element, f"one of {', '.join(ENGINES)}", repr(name))
    return name


def choose(runtime: LibJulia, name: str) -> str:
    """Have an engine run what is loaded from now on; gives its name, and BridgeError where it is not loaded."""
    known(name, "engine")
    if name != "auto" and runtime.eval_string(f"haskey(DiagramBridge.ENGINES, {julia_literal(name)})") != "true":
        expected = "Julia 1.9 or newer with Flux in its active project"
        raise BridgeError(f"engine '{name}'", expected, f"Julia {runtime.version} without it")
    return runtime.eval_string(f"DiagramBridge.use_engine!({julia_literal(name)})")


def packages(runtime: LibJulia) -> dict[str, str]:
    """The versions of the packages that the engine in use is made of, by name, and of PythonCall where it is loaded."""
    said = runtime.eval_string(_VERSIONS)
    return dict(line.split(" ", 1) for line in said.splitlines())


_VERSIONS = """
let found = [string(name, ' ', version) for (name, version) in
             DiagramBridge.engine_versions(DiagramBridge.ENGINES[DiagramBridge.engine_name()])]
    for (id, package) in Base.loaded_modules
        id.name == "PythonCall" && push!(found, string("PythonCall ", Base.invokelatest(pkgversion, package)))
    end
    join(found, '\\n')
end
"""
