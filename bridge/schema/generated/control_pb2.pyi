# Written by scripts/generate.py from proto/. Do not edit.
from bridge.schema.generated import diagram_pb2 as _diagram_pb2
from bridge.schema.generated import layers_pb2 as _layers_pb2
from bridge.schema.generated import plan_pb2 as _plan_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Request(_message.Message):
    __slots__ = ("hello", "instantiate", "load", "unload", "collect", "statistics", "last_error", "compile", "differentiate", "evaluate", "prepare", "advance")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    INSTANTIATE_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    UNLOAD_FIELD_NUMBER: _ClassVar[int]
    COLLECT_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    COMPILE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENTIATE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    PREPARE_FIELD_NUMBER: _ClassVar[int]
    ADVANCE_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    instantiate: Instantiate
    load: Load
    unload: Unload
    collect: Collect
    statistics: Statistics
    last_error: LastError
    compile: Compile
    differentiate: Differentiate
    evaluate: Evaluate
    prepare: Prepare
    advance: Advance
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping[str, object]]] = ..., instantiate: _Optional[_Union[Instantiate, _Mapping[str, object]]] = ..., load: _Optional[_Union[Load, _Mapping[str, object]]] = ..., unload: _Optional[_Union[Unload, _Mapping[str, object]]] = ..., collect: _Optional[_Union[Collect, _Mapping[str, object]]] = ..., statistics: _Optional[_Union[Statistics, _Mapping[str, object]]] = ..., last_error: _Optional[_Union[LastError, _Mapping[str, object]]] = ..., compile: _Optional[_Union[Compile, _Mapping[str, object]]] = ..., differentiate: _Optional[_Union[Differentiate, _Mapping[str, object]]] = ..., evaluate: _Optional[_Union[Evaluate, _Mapping[str, object]]] = ..., prepare: _Optional[_Union[Prepare, _Mapping[str, object]]] = ..., advance: _Optional[_Union[Advance, _Mapping[str, object]]] = ...) -> None: ...

class Symbol(_message.Message):
    __slots__ = ("name", "address")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: int
    def __init__(self, name: _Optional[str] = ..., address: _Optional[int] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("abi_version", "descriptor_size", "mode_size", "slot_size", "symbols")
    ABI_VERSION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_SIZE_FIELD_NUMBER: _ClassVar[int]
    MODE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SLOT_SIZE_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    abi_version: int
    descriptor_size: int
    mode_size: int
    slot_size: int
    symbols: _containers.RepeatedCompositeFieldContainer[Symbol]
    def __init__(self, abi_version: _Optional[int] = ..., descriptor_size: _Optional[int] = ..., mode_size: _Optional[int] = ..., slot_size: _Optional[int] = ..., symbols: _Optional[_Iterable[_Union[Symbol, _Mapping[str, object]]]] = ...) -> None: ...

class Instantiate(_message.Message):
    __slots__ = ("reference", "copy", "graph", "data_type")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    COPY_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    reference: str
    copy: bool
    graph: _layers_pb2.LayerGraph
    data_type: _diagram_pb2.DataType
    def __init__(self, reference: _Optional[str] = ..., copy: bool = ..., graph: _Optional[_Union[_layers_pb2.LayerGraph, _Mapping[str, object]]] = ..., data_type: _Optional[_Union[_diagram_pb2.DataType, str]] = ...) -> None: ...

class Load(_message.Message):
    __slots__ = ("fragment", "instances", "constant_buffers")
    FRAGMENT_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    CONSTANT_BUFFERS_FIELD_NUMBER: _ClassVar[int]
    fragment: _plan_pb2.Fragment
    instances: _containers.RepeatedScalarFieldContainer[int]
    constant_buffers: bool
    def __init__(self, fragment: _Optional[_Union[_plan_pb2.Fragment, _Mapping[str, object]]] = ..., instances: _Optional[_Iterable[int]] = ..., constant_buffers: bool = ...) -> None: ...

class Unload(_message.Message):
    __slots__ = ("island",)
    ISLAND_FIELD_NUMBER: _ClassVar[int]
    island: int
    def __init__(self, island: _Optional[int] = ...) -> None: ...

class Collect(_message.Message):
    __slots__ = ("full",)
    FULL_FIELD_NUMBER: _ClassVar[int]
    full: bool
    def __init__(self, full: bool = ...) -> None: ...

class Statistics(_message.Message):
    __slots__ = ("reset",)
    RESET_FIELD_NUMBER: _ClassVar[int]
    reset: bool
    def __init__(self, reset: bool = ...) -> None: ...

class LastError(_message.Message):
    __slots__ = ("clear",)
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    clear: bool
    def __init__(self, clear: bool = ...) -> None: ...

class Compile(_message.Message):
    __slots__ = ("diagram", "placements", "components")
    DIAGRAM_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    diagram: bytes
    placements: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Placement]
    components: _containers.RepeatedCompositeFieldContainer[BoundComponent]
    def __init__(self, diagram: _Optional[bytes] = ..., placements: _Optional[_Iterable[_Union[_plan_pb2.Placement, _Mapping[str, object]]]] = ..., components: _Optional[_Iterable[_Union[BoundComponent, _Mapping[str, object]]]] = ...) -> None: ...

class BoundComponent(_message.Message):
    __slots__ = ("component", "reference", "instance", "variables")
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    component: str
    reference: str
    instance: int
    variables: _containers.RepeatedCompositeFieldContainer[Variable]
    def __init__(self, component: _Optional[str] = ..., reference: _Optional[str] = ..., instance: _Optional[int] = ..., variables: _Optional[_Iterable[_Union[Variable, _Mapping[str, object]]]] = ...) -> None: ...

class Samples(_message.Message):
    __slots__ = ("source", "column", "values")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    source: str
    column: str
    values: Variable
    def __init__(self, source: _Optional[str] = ..., column: _Optional[str] = ..., values: _Optional[_Union[Variable, _Mapping[str, object]]] = ...) -> None: ...

class Differentiate(_message.Message):
    __slots__ = ("objective", "columns", "train", "seed", "gradients")
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    objective: int
    columns: _containers.RepeatedCompositeFieldContainer[Samples]
    train: bool
    seed: int
    gradients: bool
    def __init__(self, objective: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[Samples, _Mapping[str, object]]]] = ..., train: bool = ..., seed: _Optional[int] = ..., gradients: bool = ...) -> None: ...

class Evaluate(_message.Message):
    __slots__ = ("objective", "output", "diagram", "columns", "seed")
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    DIAGRAM_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    objective: int
    output: str
    diagram: bytes
    columns: _containers.RepeatedCompositeFieldContainer[Samples]
    seed: int
    def __init__(self, objective: _Optional[int] = ..., output: _Optional[str] = ..., diagram: _Optional[bytes] = ..., columns: _Optional[_Iterable[_Union[Samples, _Mapping[str, object]]]] = ..., seed: _Optional[int] = ...) -> None: ...

class Prepare(_message.Message):
    __slots__ = ("objective", "columns", "batch_sizes", "order_seed", "draw_seed", "optimizer", "options", "states")
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZES_FIELD_NUMBER: _ClassVar[int]
    ORDER_SEED_FIELD_NUMBER: _ClassVar[int]
    DRAW_SEED_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    objective: int
    columns: _containers.RepeatedCompositeFieldContainer[Samples]
    batch_sizes: _containers.RepeatedCompositeFieldContainer[BatchSize]
    order_seed: int
    draw_seed: int
    optimizer: str
    options: str
    states: _containers.RepeatedCompositeFieldContainer[ParameterState]
    def __init__(self, objective: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[Samples, _Mapping[str, object]]]] = ..., batch_sizes: _Optional[_Iterable[_Union[BatchSize, _Mapping[str, object]]]] = ..., order_seed: _Optional[int] = ..., draw_seed: _Optional[int] = ..., optimizer: _Optional[str] = ..., options: _Optional[str] = ..., states: _Optional[_Iterable[_Union[ParameterState, _Mapping[str, object]]]] = ...) -> None: ...

class BatchSize(_message.Message):
    __slots__ = ("source", "size")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    source: str
    size: int
    def __init__(self, source: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class ParameterState(_message.Message):
    __slots__ = ("component", "path", "steps", "slots")
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    component: str
    path: str
    steps: int
    slots: _containers.RepeatedCompositeFieldContainer[Variable]
    def __init__(self, component: _Optional[str] = ..., path: _Optional[str] = ..., steps: _Optional[int] = ..., slots: _Optional[_Iterable[_Union[Variable, _Mapping[str, object]]]] = ...) -> None: ...

class Advance(_message.Message):
    __slots__ = ("training", "first", "steps", "options")
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    training: int
    first: int
    steps: int
    options: str
    def __init__(self, training: _Optional[int] = ..., first: _Optional[int] = ..., steps: _Optional[int] = ..., options: _Optional[str] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("handshake", "instantiated", "loaded", "counts", "failure", "compiled", "differentiated", "evaluated", "prepared", "advanced")
    HANDSHAKE_FIELD_NUMBER: _ClassVar[int]
    INSTANTIATED_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    COMPILED_FIELD_NUMBER: _ClassVar[int]
    DIFFERENTIATED_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    PREPARED_FIELD_NUMBER: _ClassVar[int]
    ADVANCED_FIELD_NUMBER: _ClassVar[int]
    handshake: Handshake
    instantiated: Instantiated
    loaded: Loaded
    counts: Counts
    failure: Failure
    compiled: Compiled
    differentiated: Differentiated
    evaluated: Evaluated
    prepared: Prepared
    advanced: Advanced
    def __init__(self, handshake: _Optional[_Union[Handshake, _Mapping[str, object]]] = ..., instantiated: _Optional[_Union[Instantiated, _Mapping[str, object]]] = ..., loaded: _Optional[_Union[Loaded, _Mapping[str, object]]] = ..., counts: _Optional[_Union[Counts, _Mapping[str, object]]] = ..., failure: _Optional[_Union[Failure, _Mapping[str, object]]] = ..., compiled: _Optional[_Union[Compiled, _Mapping[str, object]]] = ..., differentiated: _Optional[_Union[Differentiated, _Mapping[str, object]]] = ..., evaluated: _Optional[_Union[Evaluated, _Mapping[str, object]]] = ..., prepared: _Optional[_Union[Prepared, _Mapping[str, object]]] = ..., advanced: _Optional[_Union[Advanced, _Mapping[str, object]]] = ...) -> None: ...

class Handshake(_message.Message):
    __slots__ = ("abi_version", "descriptor_size", "mode_size", "slot_size", "engine", "engine_version", "julia_version", "data_types", "blas")
    ABI_VERSION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_SIZE_FIELD_NUMBER: _ClassVar[int]
    MODE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SLOT_SIZE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_VERSION_FIELD_NUMBER: _ClassVar[int]
    JULIA_VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPES_FIELD_NUMBER: _ClassVar[int]
    BLAS_FIELD_NUMBER: _ClassVar[int]
    abi_version: int
    descriptor_size: int
    mode_size: int
    slot_size: int
    engine: str
    engine_version: str
    julia_version: str
    data_types: _containers.RepeatedScalarFieldContainer[_diagram_pb2.DataType]
    blas: str
    def __init__(self, abi_version: _Optional[int] = ..., descriptor_size: _Optional[int] = ..., mode_size: _Optional[int] = ..., slot_size: _Optional[int] = ..., engine: _Optional[str] = ..., engine_version: _Optional[str] = ..., julia_version: _Optional[str] = ..., data_types: _Optional[_Iterable[_Union[_diagram_pb2.DataType, str]]] = ..., blas: _Optional[str] = ...) -> None: ...

class Variable(_message.Message):
    __slots__ = ("path", "data_type", "shape", "address", "buffer")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BUFFER_FIELD_NUMBER: _ClassVar[int]
    path: str
    data_type: _diagram_pb2.DataType
    shape: _containers.RepeatedScalarFieldContainer[int]
    address: int
    buffer: bool
    def __init__(self, path: _Optional[str] = ..., data_type: _Optional[_Union[_diagram_pb2.DataType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., address: _Optional[int] = ..., buffer: bool = ...) -> None: ...

class Instantiated(_message.Message):
    __slots__ = ("id", "variables")
    ID_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    id: int
    variables: _containers.RepeatedCompositeFieldContainer[Variable]
    def __init__(self, id: _Optional[int] = ..., variables: _Optional[_Iterable[_Union[Variable, _Mapping[str, object]]]] = ...) -> None: ...

class Loaded(_message.Message):
    __slots__ = ("island", "outputs_filled", "gradients_filled", "inputs_retained", "outputs_retained")
    ISLAND_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FILLED_FIELD_NUMBER: _ClassVar[int]
    GRADIENTS_FILLED_FIELD_NUMBER: _ClassVar[int]
    INPUTS_RETAINED_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_RETAINED_FIELD_NUMBER: _ClassVar[int]
    island: int
    outputs_filled: _containers.RepeatedScalarFieldContainer[bool]
    gradients_filled: _containers.RepeatedScalarFieldContainer[bool]
    inputs_retained: _containers.RepeatedScalarFieldContainer[bool]
    outputs_retained: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, island: _Optional[int] = ..., outputs_filled: _Optional[_Iterable[bool]] = ..., gradients_filled: _Optional[_Iterable[bool]] = ..., inputs_retained: _Optional[_Iterable[bool]] = ..., outputs_retained: _Optional[_Iterable[bool]] = ...) -> None: ...

class Counts(_message.Message):
    __slots__ = ("islands", "tapes", "owners", "forwards", "backwards", "crossed_bytes", "copies", "copied_bytes")
    ISLANDS_FIELD_NUMBER: _ClassVar[int]
    TAPES_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    FORWARDS_FIELD_NUMBER: _ClassVar[int]
    BACKWARDS_FIELD_NUMBER: _ClassVar[int]
    CROSSED_BYTES_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    COPIED_BYTES_FIELD_NUMBER: _ClassVar[int]
    islands: int
    tapes: int
    owners: int
    forwards: int
    backwards: int
    crossed_bytes: int
    copies: int
    copied_bytes: int
    def __init__(self, islands: _Optional[int] = ..., tapes: _Optional[int] = ..., owners: _Optional[int] = ..., forwards: _Optional[int] = ..., backwards: _Optional[int] = ..., crossed_bytes: _Optional[int] = ..., copies: _Optional[int] = ..., copied_bytes: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("kind", "message", "stacktrace", "element", "expected", "found", "exception")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STACKTRACE_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    kind: str
    message: str
    stacktrace: str
    element: str
    expected: str
    found: str
    exception: int
    def __init__(self, kind: _Optional[str] = ..., message: _Optional[str] = ..., stacktrace: _Optional[str] = ..., element: _Optional[str] = ..., expected: _Optional[str] = ..., found: _Optional[str] = ..., exception: _Optional[int] = ...) -> None: ...

class Compiled(_message.Message):
    __slots__ = ("objective",)
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    objective: int
    def __init__(self, objective: _Optional[int] = ...) -> None: ...

class Differentiated(_message.Message):
    __slots__ = ("data_type", "total", "agreements", "gradients")
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    data_type: _diagram_pb2.DataType
    total: float
    agreements: _containers.RepeatedScalarFieldContainer[float]
    gradients: _containers.RepeatedCompositeFieldContainer[Gradient]
    def __init__(self, data_type: _Optional[_Union[_diagram_pb2.DataType, str]] = ..., total: _Optional[float] = ..., agreements: _Optional[_Iterable[float]] = ..., gradients: _Optional[_Iterable[_Union[Gradient, _Mapping[str, object]]]] = ...) -> None: ...

class Gradient(_message.Message):
    __slots__ = ("component", "values", "owner")
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    component: str
    values: Variable
    owner: int
    def __init__(self, component: _Optional[str] = ..., values: _Optional[_Union[Variable, _Mapping[str, object]]] = ..., owner: _Optional[int] = ...) -> None: ...

class Evaluated(_message.Message):
    __slots__ = ("values", "owner")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    values: Variable
    owner: int
    def __init__(self, values: _Optional[_Union[Variable, _Mapping[str, object]]] = ..., owner: _Optional[int] = ...) -> None: ...

class Prepared(_message.Message):
    __slots__ = ("training",)
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    training: int
    def __init__(self, training: _Optional[int] = ...) -> None: ...

class Advanced(_message.Message):
    __slots__ = ("totals", "agreements", "steps")
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    totals: _containers.RepeatedScalarFieldContainer[float]
    agreements: _containers.RepeatedScalarFieldContainer[float]
    steps: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, totals: _Optional[_Iterable[float]] = ..., agreements: _Optional[_Iterable[float]] = ..., steps: _Optional[_Iterable[int]] = ...) -> None: ...
