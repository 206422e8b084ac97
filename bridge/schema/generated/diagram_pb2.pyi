# Written by scripts/generate.py from proto/. Do not edit.
from bridge.schema.generated import layers_pb2 as _layers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DataType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_TYPE_UNSPECIFIED: _ClassVar[DataType]
    DATA_TYPE_FLOAT32: _ClassVar[DataType]
    DATA_TYPE_FLOAT64: _ClassVar[DataType]
    DATA_TYPE_INT32: _ClassVar[DataType]
    DATA_TYPE_INT64: _ClassVar[DataType]
    DATA_TYPE_BOOL: _ClassVar[DataType]

class Training(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRAINING_UNSPECIFIED: _ClassVar[Training]
    TRAINING_TRAINABLE: _ClassVar[Training]
    TRAINING_FROZEN: _ClassVar[Training]
    TRAINING_FROZEN_TRAIN_MODE: _ClassVar[Training]

class TermKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TERM_KIND_UNSPECIFIED: _ClassVar[TermKind]
    TERM_KIND_COLUMN: _ClassVar[TermKind]
    TERM_KIND_OUTPUT: _ClassVar[TermKind]
    TERM_KIND_DETACH: _ClassVar[TermKind]

class Pairing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAIRING_UNSPECIFIED: _ClassVar[Pairing]
    PAIRING_STAR: _ClassVar[Pairing]
    PAIRING_ALL: _ClassVar[Pairing]
DATA_TYPE_UNSPECIFIED: DataType
DATA_TYPE_FLOAT32: DataType
DATA_TYPE_FLOAT64: DataType
DATA_TYPE_INT32: DataType
DATA_TYPE_INT64: DataType
DATA_TYPE_BOOL: DataType
TRAINING_UNSPECIFIED: Training
TRAINING_TRAINABLE: Training
TRAINING_FROZEN: Training
TRAINING_FROZEN_TRAIN_MODE: Training
TERM_KIND_UNSPECIFIED: TermKind
TERM_KIND_COLUMN: TermKind
TERM_KIND_OUTPUT: TermKind
TERM_KIND_DETACH: TermKind
PAIRING_UNSPECIFIED: Pairing
PAIRING_STAR: Pairing
PAIRING_ALL: Pairing

class Axis(_message.Message):
    __slots__ = ("name", "size", "variable")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: int
    variable: str
    def __init__(self, name: _Optional[str] = ..., size: _Optional[int] = ..., variable: _Optional[str] = ...) -> None: ...

class Space(_message.Message):
    __slots__ = ("name", "data_type", "axes", "classes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    AXES_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    name: str
    data_type: DataType
    axes: _containers.RepeatedCompositeFieldContainer[Axis]
    classes: int
    def __init__(self, name: _Optional[str] = ..., data_type: _Optional[_Union[DataType, str]] = ..., axes: _Optional[_Iterable[_Union[Axis, _Mapping[str, object]]]] = ..., classes: _Optional[int] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "space")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    space: str
    def __init__(self, name: _Optional[str] = ..., space: _Optional[str] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("name", "columns")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    name: str
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    def __init__(self, name: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping[str, object]]]] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Component(_message.Message):
    __slots__ = ("name", "training", "has_parameters", "graph", "torch", "julia")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    HAS_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    TORCH_FIELD_NUMBER: _ClassVar[int]
    JULIA_FIELD_NUMBER: _ClassVar[int]
    name: str
    training: Training
    has_parameters: bool
    graph: _layers_pb2.LayerGraph
    torch: Reference
    julia: Reference
    def __init__(self, name: _Optional[str] = ..., training: _Optional[_Union[Training, str]] = ..., has_parameters: bool = ..., graph: _Optional[_Union[_layers_pb2.LayerGraph, _Mapping[str, object]]] = ..., torch: _Optional[_Union[Reference, _Mapping[str, object]]] = ..., julia: _Optional[_Union[Reference, _Mapping[str, object]]] = ...) -> None: ...

class Arrow(_message.Message):
    __slots__ = ("name", "sources", "targets", "component")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    sources: _containers.RepeatedScalarFieldContainer[str]
    targets: _containers.RepeatedScalarFieldContainer[str]
    component: str
    def __init__(self, name: _Optional[str] = ..., sources: _Optional[_Iterable[str]] = ..., targets: _Optional[_Iterable[str]] = ..., component: _Optional[str] = ...) -> None: ...

class Term(_message.Message):
    __slots__ = ("kind", "source", "column", "arrow", "output", "arguments")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    kind: TermKind
    source: str
    column: str
    arrow: str
    output: int
    arguments: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, kind: _Optional[_Union[TermKind, str]] = ..., source: _Optional[str] = ..., column: _Optional[str] = ..., arrow: _Optional[str] = ..., output: _Optional[int] = ..., arguments: _Optional[_Iterable[int]] = ...) -> None: ...

class TermReference(_message.Message):
    __slots__ = ("term",)
    TERM_FIELD_NUMBER: _ClassVar[int]
    term: int
    def __init__(self, term: _Optional[int] = ...) -> None: ...

class Divergence(_message.Message):
    __slots__ = ("name", "attributes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    attributes: _containers.RepeatedCompositeFieldContainer[_layers_pb2.Attribute]
    def __init__(self, name: _Optional[str] = ..., attributes: _Optional[_Iterable[_Union[_layers_pb2.Attribute, _Mapping[str, object]]]] = ...) -> None: ...

class Agreement(_message.Message):
    __slots__ = ("name", "left", "right", "divergence", "weight", "mask")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    DIVERGENCE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    name: str
    left: int
    right: int
    divergence: Divergence
    weight: float
    mask: TermReference
    def __init__(self, name: _Optional[str] = ..., left: _Optional[int] = ..., right: _Optional[int] = ..., divergence: _Optional[_Union[Divergence, _Mapping[str, object]]] = ..., weight: _Optional[float] = ..., mask: _Optional[_Union[TermReference, _Mapping[str, object]]] = ...) -> None: ...

class Commute(_message.Message):
    __slots__ = ("name", "source", "start", "target", "arrows", "divergence", "weight", "pairing", "max_length", "max_paths")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ARROWS_FIELD_NUMBER: _ClassVar[int]
    DIVERGENCE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PAIRING_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_PATHS_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: str
    start: TermReference
    target: str
    arrows: _containers.RepeatedScalarFieldContainer[str]
    divergence: Divergence
    weight: float
    pairing: Pairing
    max_length: int
    max_paths: int
    def __init__(self, name: _Optional[str] = ..., source: _Optional[str] = ..., start: _Optional[_Union[TermReference, _Mapping[str, object]]] = ..., target: _Optional[str] = ..., arrows: _Optional[_Iterable[str]] = ..., divergence: _Optional[_Union[Divergence, _Mapping[str, object]]] = ..., weight: _Optional[float] = ..., pairing: _Optional[_Union[Pairing, str]] = ..., max_length: _Optional[int] = ..., max_paths: _Optional[int] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("name", "term")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    name: str
    term: int
    def __init__(self, name: _Optional[str] = ..., term: _Optional[int] = ...) -> None: ...

class Diagram(_message.Message):
    __slots__ = ("format", "schema_version", "name", "spaces", "sources", "components", "arrows", "terms", "agreements", "commutes", "outputs")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    ARROWS_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    COMMUTES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    format: str
    schema_version: int
    name: str
    spaces: _containers.RepeatedCompositeFieldContainer[Space]
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    components: _containers.RepeatedCompositeFieldContainer[Component]
    arrows: _containers.RepeatedCompositeFieldContainer[Arrow]
    terms: _containers.RepeatedCompositeFieldContainer[Term]
    agreements: _containers.RepeatedCompositeFieldContainer[Agreement]
    commutes: _containers.RepeatedCompositeFieldContainer[Commute]
    outputs: _containers.RepeatedCompositeFieldContainer[Output]
    def __init__(self, format: _Optional[str] = ..., schema_version: _Optional[int] = ..., name: _Optional[str] = ..., spaces: _Optional[_Iterable[_Union[Space, _Mapping[str, object]]]] = ..., sources: _Optional[_Iterable[_Union[Source, _Mapping[str, object]]]] = ..., components: _Optional[_Iterable[_Union[Component, _Mapping[str, object]]]] = ..., arrows: _Optional[_Iterable[_Union[Arrow, _Mapping[str, object]]]] = ..., terms: _Optional[_Iterable[_Union[Term, _Mapping[str, object]]]] = ..., agreements: _Optional[_Iterable[_Union[Agreement, _Mapping[str, object]]]] = ..., commutes: _Optional[_Iterable[_Union[Commute, _Mapping[str, object]]]] = ..., outputs: _Optional[_Iterable[_Union[Output, _Mapping[str, object]]]] = ...) -> None: ...
