# Written by scripts/generate.py from proto/. Do not edit.
from bridge.schema.generated import diagram_pb2 as _diagram_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Runtime(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUNTIME_UNSPECIFIED: _ClassVar[Runtime]
    RUNTIME_TORCH: _ClassVar[Runtime]
    RUNTIME_JULIA: _ClassVar[Runtime]

class Operation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATION_UNSPECIFIED: _ClassVar[Operation]
    OPERATION_LOAD: _ClassVar[Operation]
    OPERATION_APPLY: _ClassVar[Operation]
    OPERATION_DETACH: _ClassVar[Operation]
    OPERATION_DIVERGE: _ClassVar[Operation]
    OPERATION_SUM: _ClassVar[Operation]
RUNTIME_UNSPECIFIED: Runtime
RUNTIME_TORCH: Runtime
RUNTIME_JULIA: Runtime
OPERATION_UNSPECIFIED: Operation
OPERATION_LOAD: Operation
OPERATION_APPLY: Operation
OPERATION_DETACH: Operation
OPERATION_DIVERGE: Operation
OPERATION_SUM: Operation

class Placement(_message.Message):
    __slots__ = ("component", "runtime")
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    component: str
    runtime: Runtime
    def __init__(self, component: _Optional[str] = ..., runtime: _Optional[_Union[Runtime, str]] = ...) -> None: ...

class Instruction(_message.Message):
    __slots__ = ("operation", "runtime", "inputs", "outputs", "dead", "tape", "source", "column", "arrow", "application", "agreement")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    TAPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    operation: Operation
    runtime: Runtime
    inputs: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    dead: _containers.RepeatedScalarFieldContainer[int]
    tape: bool
    source: str
    column: str
    arrow: str
    application: int
    agreement: int
    def __init__(self, operation: _Optional[_Union[Operation, str]] = ..., runtime: _Optional[_Union[Runtime, str]] = ..., inputs: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[int]] = ..., dead: _Optional[_Iterable[int]] = ..., tape: bool = ..., source: _Optional[str] = ..., column: _Optional[str] = ..., arrow: _Optional[str] = ..., application: _Optional[int] = ..., agreement: _Optional[int] = ...) -> None: ...

class PlannedAgreement(_message.Message):
    __slots__ = ("name", "divergence", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIVERGENCE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    divergence: _diagram_pb2.Divergence
    weight: float
    def __init__(self, name: _Optional[str] = ..., divergence: _Optional[_Union[_diagram_pb2.Divergence, _Mapping[str, object]]] = ..., weight: _Optional[float] = ...) -> None: ...

class Island(_message.Message):
    __slots__ = ("first", "count", "inputs", "outputs", "components")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    first: int
    count: int
    inputs: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    components: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, first: _Optional[int] = ..., count: _Optional[int] = ..., inputs: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[int]] = ..., components: _Optional[_Iterable[str]] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("format", "schema_version", "diagram", "driver", "placements", "registers", "instructions", "agreements", "islands")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIAGRAM_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    REGISTERS_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    ISLANDS_FIELD_NUMBER: _ClassVar[int]
    format: str
    schema_version: int
    diagram: bytes
    driver: Runtime
    placements: _containers.RepeatedCompositeFieldContainer[Placement]
    registers: int
    instructions: _containers.RepeatedCompositeFieldContainer[Instruction]
    agreements: _containers.RepeatedCompositeFieldContainer[PlannedAgreement]
    islands: _containers.RepeatedCompositeFieldContainer[Island]
    def __init__(self, format: _Optional[str] = ..., schema_version: _Optional[int] = ..., diagram: _Optional[bytes] = ..., driver: _Optional[_Union[Runtime, str]] = ..., placements: _Optional[_Iterable[_Union[Placement, _Mapping[str, object]]]] = ..., registers: _Optional[int] = ..., instructions: _Optional[_Iterable[_Union[Instruction, _Mapping[str, object]]]] = ..., agreements: _Optional[_Iterable[_Union[PlannedAgreement, _Mapping[str, object]]]] = ..., islands: _Optional[_Iterable[_Union[Island, _Mapping[str, object]]]] = ...) -> None: ...

class Fragment(_message.Message):
    __slots__ = ("components", "arrows", "spaces", "instructions", "inputs", "outputs", "sourceless")
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    ARROWS_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SOURCELESS_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedCompositeFieldContainer[_diagram_pb2.Component]
    arrows: _containers.RepeatedCompositeFieldContainer[_diagram_pb2.Arrow]
    spaces: _containers.RepeatedCompositeFieldContainer[_diagram_pb2.Space]
    instructions: _containers.RepeatedCompositeFieldContainer[Instruction]
    inputs: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    sourceless: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, components: _Optional[_Iterable[_Union[_diagram_pb2.Component, _Mapping[str, object]]]] = ..., arrows: _Optional[_Iterable[_Union[_diagram_pb2.Arrow, _Mapping[str, object]]]] = ..., spaces: _Optional[_Iterable[_Union[_diagram_pb2.Space, _Mapping[str, object]]]] = ..., instructions: _Optional[_Iterable[_Union[Instruction, _Mapping[str, object]]]] = ..., inputs: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[int]] = ..., sourceless: _Optional[_Iterable[int]] = ...) -> None: ...
