# Written by scripts/generate.py from proto/. Do not edit.
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttributeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATTRIBUTE_KIND_UNSPECIFIED: _ClassVar[AttributeKind]
    ATTRIBUTE_KIND_INTEGER: _ClassVar[AttributeKind]
    ATTRIBUTE_KIND_REAL: _ClassVar[AttributeKind]
    ATTRIBUTE_KIND_TEXT: _ClassVar[AttributeKind]
    ATTRIBUTE_KIND_BOOLEAN: _ClassVar[AttributeKind]
    ATTRIBUTE_KIND_INTEGERS: _ClassVar[AttributeKind]
ATTRIBUTE_KIND_UNSPECIFIED: AttributeKind
ATTRIBUTE_KIND_INTEGER: AttributeKind
ATTRIBUTE_KIND_REAL: AttributeKind
ATTRIBUTE_KIND_TEXT: AttributeKind
ATTRIBUTE_KIND_BOOLEAN: AttributeKind
ATTRIBUTE_KIND_INTEGERS: AttributeKind

class Attribute(_message.Message):
    __slots__ = ("name", "kind", "integers", "real", "text", "boolean")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INTEGERS_FIELD_NUMBER: _ClassVar[int]
    REAL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BOOLEAN_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: AttributeKind
    integers: _containers.RepeatedScalarFieldContainer[int]
    real: float
    text: str
    boolean: bool
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[AttributeKind, str]] = ..., integers: _Optional[_Iterable[int]] = ..., real: _Optional[float] = ..., text: _Optional[str] = ..., boolean: bool = ...) -> None: ...

class Layer(_message.Message):
    __slots__ = ("operation", "version", "attributes")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    operation: str
    version: int
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    def __init__(self, operation: _Optional[str] = ..., version: _Optional[int] = ..., attributes: _Optional[_Iterable[_Union[Attribute, _Mapping[str, object]]]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("name", "layer", "inputs", "outputs")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    layer: Layer
    inputs: _containers.RepeatedScalarFieldContainer[int]
    outputs: int
    def __init__(self, name: _Optional[str] = ..., layer: _Optional[_Union[Layer, _Mapping[str, object]]] = ..., inputs: _Optional[_Iterable[int]] = ..., outputs: _Optional[int] = ...) -> None: ...

class Tie(_message.Message):
    __slots__ = ("path", "owner")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    path: str
    owner: str
    def __init__(self, path: _Optional[str] = ..., owner: _Optional[str] = ...) -> None: ...

class LayerGraph(_message.Message):
    __slots__ = ("inputs", "nodes", "outputs", "ties")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    TIES_FIELD_NUMBER: _ClassVar[int]
    inputs: int
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    ties: _containers.RepeatedCompositeFieldContainer[Tie]
    def __init__(self, inputs: _Optional[int] = ..., nodes: _Optional[_Iterable[_Union[Node, _Mapping[str, object]]]] = ..., outputs: _Optional[_Iterable[int]] = ..., ties: _Optional[_Iterable[_Union[Tie, _Mapping[str, object]]]] = ...) -> None: ...
