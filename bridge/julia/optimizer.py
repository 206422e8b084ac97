"""Rules of Optimisers.jl as optimisers of PyTorch."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridge.errors import BridgeError, UnsupportedError
from bridge.julia.exchange import descriptors
from bridge.julia.start import julia_literal
from bridge.julia.structures import OK, UNSUPPORTED

if TYPE_CHECKING:
    from bridge.julia.session import Session

__all__ = ["JuliaOptimizer"]

_EXTENSION = "Base.get_extension(DiagramBridge, :DiagramBridgeFluxExt)"


class JuliaOptimizer(Optimizer):
    """An Optimisers.jl rule that steps PyTorch's parameters in place, with its state in Julia.

    `rule` is Julia code in which the names of Optimisers.jl are known, for instance `"Adam(1e-3)"` or
    `"OptimiserChain(ClipGrad(1.0), Momentum(0.01, 0.9))"`. The parameters may be of any component, those of Julia models
    included, whose arrays are stepped where they lie. Raises BridgeError where Flux is not loaded, JuliaError for code that
    fails.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rule: str, julia: Session | None = None) -> None:
        from bridge.julia.session import session

        self._session = julia = session() if julia is None else julia
        if julia.runtime.eval_string(f"{_EXTENSION} === nothing") == "true":
            raise BridgeError("JuliaOptimizer", "a session that has loaded Flux", f"one with the packages {julia.packages}")
        super().__init__(parameters, {})
        self.rule = rule
        element = f"optimiser {rule!r}"
        self._held = julia.hold(julia.runtime.eval_pointer(f"{_EXTENSION}.make_stepper({julia_literal(rule)})", element))
        address = julia.runtime.eval_pointer(f"{_EXTENSION}.step_address()")
        word, integer, pointer = ctypes.c_uint64, ctypes.c_int64, ctypes.c_void_p
        self._step = ctypes.PYFUNCTYPE(ctypes.c_int32, word, integer, pointer, pointer)(address)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step every parameter that has a gradient; `closure` computes the loss again first, as torch's optimisers do."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parameters: list[Tensor] = [p for group in self.param_groups for p in group["params"]]
        gradients = [None if p.grad is None else p.grad.detach().contiguous() for p in parameters]
        self._session.prepare()
        described, derivatives = descriptors([p.detach() for p in parameters]), descriptors(gradients)
        status = self._step(
            self._held.id, len(parameters), ctypes.addressof(described), ctypes.addressof(derivatives)
        )
        if status == UNSUPPORTED:
            raise UnsupportedError("JuliaOptimizer", "dense float32 or float64 parameters on the CPU", "another tensor")
        if status != OK:
            raise self._session.failure(status)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                torch.autograd.graph.increment_version(parameter)
        return loss

    def state_dict(self) -> NoReturn:
        """Refused: the state lies in Julia, and portable optimisers are the ones that checkpoints hold."""
        raise UnsupportedError("JuliaOptimizer", "a portable optimiser, where its state is to be saved", self.rule)

    def __getstate__(self) -> NoReturn:
        raise UnsupportedError("JuliaOptimizer", "to stay in the process of its Julia", "a copy or a pickle")
