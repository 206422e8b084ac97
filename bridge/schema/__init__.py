"""Diagrams as bytes, text, JSON and files. The IR knows nothing of this; only here is protobuf imported."""

from bridge.schema.files import load, save
from bridge.schema.forms import from_bytes, from_json, from_text, identity, to_bytes, to_json, to_text

__all__ = ["from_bytes", "from_json", "from_text", "identity", "load", "save", "to_bytes", "to_json", "to_text"]
