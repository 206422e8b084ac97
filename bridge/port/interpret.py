"""Going through a captured program, operator by operator, and writing layers for it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from bridge.diagram.ir import DataType
from bridge.errors import PortError
from bridge.port.capture import Capture, origin
from bridge.port.sizes import Size
from bridge.port.sketch import Origin, Value
from bridge.port.traced import Filled, Flipped, Known, Laid, Masked, Spread, Stacked, Traced
from bridge.port.translation import Translation, sample_shape
from bridge.port.values import by_itself, with_mask
from bridge.port.weights import Weight

__all__ = ["Operator", "Program"]

Arguments: TypeAlias = "Mapping[str, Any]"
Operator: TypeAlias = "Callable[[Program, Arguments], Any]"


class Program(Translation):
    """The translation of a captured module. `shapes` are those of the tensors that the operator at hand returns."""

    def __init__(
        self, module: nn.Module, captured: Capture, operators: Mapping[str, Operator], float_type: DataType
    ) -> None:
        super().__init__(float_type)
        self.captured = captured
        self.operators = operators
        self.shapes: Sequence[tuple[Size, ...]] = []
        self.node: fx.Node | None = None
        self._found: dict[fx.Node, Any] = {}
        self._places = {node: place for place, node in enumerate(captured.nodes)}
        self._memory: dict[fx.Node, fx.Node] = {}
        self._alone: dict[Weight | Spread, Laid] = {}
        # What has several names in the module is called as `named_parameters` calls it.
        first = {id(tensor): name for name, tensor in (*module.named_parameters(), *module.named_buffers())}
        tensor: Tensor
        some_train = any(parameter.requires_grad for parameter in module.parameters())
        for node, name in captured.parameters.items():
            tensor = module.get_parameter(name)
            stays = some_train and not tensor.requires_grad
            self._found[node] = (Known(tensor.detach(), first[id(tensor)]) if stays else Weight(first[id(tensor)], tensor))
        for node, name in captured.buffers.items():
            tensor = module.get_buffer(name)
            self._found[node] = Known(tensor, first[id(tensor)])
        for node, tensor in captured.constants.items():
            self._found[node] = Known(tensor)

    def laid(self, x: Traced, what: str = "its input") -> Laid:
        """A tensor over one portable value: masks are laid over scores, and parameters stand by themselves."""
        if isinstance(x, Flipped):
            return x.made()
        if isinstance(x, (Weight, Spread)):
            if x not in self._alone:
                self._alone[x] = by_itself(self, x)
            return self._alone[x]
        return super().laid(with_mask(self, x) if isinstance(x, Masked) else x, what)

    def take(self, node: fx.Node, value: Value) -> None:
        """Say which value an input of the program is."""
        self.sketch.inputs.append(value)
        self._found[node] = self.fresh(value)

    def run(self) -> list[Value]:
        """Port every operator, and return the values of the outputs: tensors (batch, *sample).

        An operator that is refused is an error only where an output needs it.
        """
        for node in self.captured.nodes:
            self.node, self.origin = node, origin(node)
            if self._puts(node):
                continue
            changed = self._changed(node)
            try:
                self._found[node] = self._ported(node)
            except PortError as error:
                self._found[node] = _Refused(self._places[node], error)
            if changed is not None:
                self._found[changed] = self._found[node]
        self.origin = Origin(operator="output")
        return [self._output(self._read(node)) for node in self.captured.outputs]

    def flag(self, name: str, given: object) -> tuple[object, object]:
        """What an argument is in train mode and in test mode."""
        assert self.node is not None
        return self.captured.flags.get((self.node, name), (given, given))

    @property
    def shape(self) -> tuple[Size, ...]:
        """The shape of the tensor that the operator at hand returns."""
        return self.shapes[0]

    def call(self, first: Any, arguments: Mapping[str, Any]) -> Any:
        """What the operator at hand makes of another first argument."""
        assert self.node is not None
        return self.node.target(first, **arguments)  # type: ignore[operator]

    def returns_list(self) -> bool:
        """Whether the operator at hand returns several tensors."""
        assert self.node is not None
        return isinstance(self.node.meta["val"], (list, tuple))

    def converted(self, x: Known) -> Known:
        """A constant with the dtype that the operator at hand returns."""
        assert self.node is not None
        return Known(x.tensor.to(self.node.meta["val"].dtype), x.name)

    def keeps_type(self) -> bool:
        """Whether what the operator at hand returns has its first argument's dtype."""
        assert self.node is not None
        (first, *_), made = self.node.args, self.node.meta["val"]
        return isinstance(first, fx.Node) and first.meta["val"].dtype is made.dtype

    def _ported(self, node: fx.Node) -> Any:
        given = {name: self._read(value) for name, value in self.captured.arguments[node].items()}
        if node.target is operator.getitem:
            if given["1"] >= len(given["0"]):
                self.refuse("the values of a pooling alone", "their places too")
            return given["0"][given["1"]]
        self.shapes = self.captured.shapes[node]
        known = all(map(_is_known, given.values()))
        name = str(node.target)
        if _writes(node):  # some call the tensor that they write to by another name than their twins do
            name = name.replace("_.", ".", 1)
            given = {"input": given["self"], **given} if "dropout" in name else given
        if name in self.operators and not known:
            made = self.operators[name](self, given)
            self._check(made)
            return made
        if known and torch.Tag.nondeterministic_seeded not in node.target.tags:  # type: ignore[union-attr]
            try:
                made = node.target(**{name: _tensor(value) for name, value in given.items()})  # type: ignore[operator]
            except RuntimeError as error:
                self.refuse("constants that can be computed", str(error).splitlines()[0])
            labels = {value.label or value.name.rpartition(".")[2] for value in given.values() if isinstance(value, Known)}
            label = labels.pop() if len(labels) == 1 else ""
            return [Known(x, label=label) for x in made] if isinstance(made, (list, tuple)) else Known(made, label=label)
        self.refuse("an operator of the portable layers", str(node.target))

    def _read(self, value: Any) -> Any:
        """What stands for an argument; the first refusal in the order of the program where it has several."""
        refusals: list[_Refused] = []

        def found(node: fx.Node) -> Any:
            if node not in self._found:
                self.refuse("a value that is computed by then", node.name)
            if isinstance(self._found[node], _Refused):
                refusals.append(self._found[node])
            return self._found[node]

        made = _replaced(value, found)
        if refusals:
            raise min(refusals, key=lambda refused: refused.place).error
        return made

    def _check(self, made: Any) -> None:
        """The translation's own bookkeeping has to agree with what export says of shapes."""
        for laid, shape in zip(made if isinstance(made, (list, tuple)) else [made], self.shapes, strict=False):
            if isinstance(laid, Laid):
                assert laid.shape == shape, (str(self.node), laid.shape, shape)
                assert laid.value.shape == sample_shape(laid.arrangement.sample), (str(self.node), laid.value.shape)

    def _puts(self, node: fx.Node) -> bool:
        """Do `x[:, place] = y`, where x is filled with a number or was written to like this before; False for all else."""
        if str(node.target) != "aten.copy_.default" or not isinstance(node.args[0], fx.Node):
            return False
        whole, axis, place = node.args[0], -1, 0
        while str(whole.target) in ("aten.select.int", "aten.slice.Tensor"):
            a, shape = self.captured.arguments[whole], self.captured.shapes[whole][0]
            whole = a["self"]
            if "index" in a and axis < 0 and isinstance(a["index"], int):
                axis, place = a["dim"] % (len(shape) + 1), a["index"]
            elif "index" in a or whole not in self.captured.shapes or self.captured.shapes[whole][0] != shape:
                return False
        found = self._found.get(whole)
        if axis < 0 or not (isinstance(found, Filled) or (isinstance(found, Stacked) and found.axis == axis)):
            return False
        home = self._memory.get(whole, whole)
        self._refuse_views(node, home, (whole, node.args[0]))
        parts: list[Traced]
        if isinstance(found, Filled):
            rest = (*found.shape[:axis], *found.shape[axis + 1 :])
            parts = [Filled(rest, found.number)] * found.shape[axis].number
        else:
            parts = list(found.parts)
        try:
            value = self.laid(self._read(self.captured.arguments[node]["src"]), "what is written")
            self.require(value.shape == self.captured.shapes[node][0], "a part of the same shape", self.describe(value))
            parts[place] = value
            self._found[whole], self._found[node] = Stacked(tuple(parts), axis), value
        except PortError as error:
            self._found[whole] = self._found[node] = _Refused(self._places[node], error)
        self._found[node.args[0]] = self._found[node]
        self._memory[node] = home
        return True

    def _refuse_views(self, node: fx.Node, home: fx.Node, known: Sequence[fx.Node]) -> None:
        """Refuse an operator that writes to memory that another node sees later."""
        place = self._places[node]
        for other in self.captured.nodes[:place]:
            seen_later = any(self._places.get(user, len(self._places)) > place for user in other.users)
            if other not in known and self._memory.get(other, other) is home and seen_later:
                found = f"{node.target} on '{node.args[0]}'"
                self.refuse("no other view of a tensor that is written to", found)

    def _changed(self, node: fx.Node) -> fx.Node | None:
        """The node whose tensor an operator writes to, if it does; refused where another node could see it."""
        target, first = node.target, node.args[0] if node.args else None
        if target is operator.getitem:
            return None
        if not isinstance(target, torch._ops.OpOverload):
            self.refuse("an operator of the portable layers", getattr(target, "__name__", str(target)))
        if isinstance(first, fx.Node):
            aliases = any(row.alias_info is not None and not row.alias_info.is_write for row in target._schema.returns)
            self._memory[node] = self._memory.get(first, first) if aliases or "dropout" in str(target) else node
        if not _writes(node):
            return None
        assert isinstance(first, fx.Node)
        home = self._memory.get(first, first)
        if home.op == "placeholder":
            self.refuse("inputs, parameters and buffers that stay as they are", f"{target} on '{home.name}'")
        if isinstance(self._found[first], Known):  # views of it see what is written
            return first
        self._refuse_views(node, home, (first,))
        self._memory[node] = home
        return first

    def _output(self, found: Any) -> Value:
        laid = self.settled(self.laid(found, "an output"))
        if not laid.arrangement.is_batch_first:
            self.refuse_mixing(f"an output of shape {self.describe(laid)}")
        return laid.value


class _Refused:
    """A value that could not be ported, kept until something needs it."""

    def __init__(self, place: int, error: PortError) -> None:
        self.place = place
        self.error = error


def _writes(node: fx.Node) -> bool:
    name = str(node.target).split(".")[1]
    return name.endswith("_") and not name.startswith("__")


def _replaced(value: Any, found: Callable[[fx.Node], Any]) -> Any:
    if isinstance(value, fx.Node):
        return found(value)
    if isinstance(value, (list, tuple)) and not isinstance(value, Size):
        return [_replaced(item, found) for item in value]
    return value


def _is_known(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_known, value))
    if isinstance(value, Size):
        return not value.variables
    return isinstance(value, (Known, *PLAIN))


PLAIN = (type(None), bool, int, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format)
"""What an operator takes besides tensors."""


def _tensor(value: Any) -> Any:
    if isinstance(value, list):
        return [_tensor(item) for item in value]
    if isinstance(value, Known):
        return value.tensor
    return value.number if isinstance(value, Size) else value
