# Written by scripts/generate.py from proto/. Do not edit.
from bridge.schema.generated import diagram_pb2 as _diagram_pb2
from bridge.schema.generated import plan_pb2 as _plan_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Request(_message.Message):
    __slots__ = ("hello", "instantiate", "load", "unload", "collect", "statistics", "last_error")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    INSTANTIATE_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    UNLOAD_FIELD_NUMBER: _ClassVar[int]
    COLLECT_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    instantiate: Instantiate
    load: Load
    unload: Unload
    collect: Collect
    statistics: Statistics
    last_error: LastError
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping[str, object]]] = ..., instantiate: _Optional[_Union[Instantiate, _Mapping[str, object]]] = ..., load: _Optional[_Union[Load, _Mapping[str, object]]] = ..., unload: _Optional[_Union[Unload, _Mapping[str, object]]] = ..., collect: _Optional[_Union[Collect, _Mapping[str, object]]] = ..., statistics: _Optional[_Union[Statistics, _Mapping[str, object]]] = ..., last_error: _Optional[_Union[LastError, _Mapping[str, object]]] = ...) -> None: ...

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
    __slots__ = ("reference", "copy")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    COPY_FIELD_NUMBER: _ClassVar[int]
    reference: str
    copy: bool
    def __init__(self, reference: _Optional[str] = ..., copy: bool = ...) -> None: ...

class Load(_message.Message):
    __slots__ = ("fragment", "instances")
    FRAGMENT_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    fragment: _plan_pb2.Fragment
    instances: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, fragment: _Optional[_Union[_plan_pb2.Fragment, _Mapping[str, object]]] = ..., instances: _Optional[_Iterable[int]] = ...) -> None: ...

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

class Response(_message.Message):
    __slots__ = ("handshake", "instantiated", "loaded", "counts", "failure")
    HANDSHAKE_FIELD_NUMBER: _ClassVar[int]
    INSTANTIATED_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    handshake: Handshake
    instantiated: Instantiated
    loaded: Loaded
    counts: Counts
    failure: Failure
    def __init__(self, handshake: _Optional[_Union[Handshake, _Mapping[str, object]]] = ..., instantiated: _Optional[_Union[Instantiated, _Mapping[str, object]]] = ..., loaded: _Optional[_Union[Loaded, _Mapping[str, object]]] = ..., counts: _Optional[_Union[Counts, _Mapping[str, object]]] = ..., failure: _Optional[_Union[Failure, _Mapping[str, object]]] = ...) -> None: ...

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
    __slots__ = ("kind", "message", "stacktrace", "element", "expected", "found")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STACKTRACE_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    kind: str
    message: str
    stacktrace: str
    element: str
    expected: str
    found: str
    def __init__(self, kind: _Optional[str] = ..., message: _Optional[str] = ..., stacktrace: _Optional[str] = ..., element: _Optional[str] = ..., expected: _Optional[str] = ..., found: _Optional[str] = ...) -> None: ...
