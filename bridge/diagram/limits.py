"""The most that a diagram may have of anything, so that no file makes a reader run out of memory or time.

They hold for diagrams that are built as well as for files: what can be built can be saved and read again.
"""

from __future__ import annotations

__all__ = [
    "MAX_AGREEMENTS",
    "MAX_ARITY",
    "MAX_ATTRIBUTES",
    "MAX_AXES",
    "MAX_CLASSES",
    "MAX_ELEMENTS",
    "MAX_FILE_BYTES",
    "MAX_NODES",
    "MAX_PATHS",
    "MAX_SIZE",
    "MAX_TERMS",
    "MAX_VALUES",
]

#: Bytes of a file, in any of its forms.
MAX_FILE_BYTES = 64 * 2**20

#: Spaces, sources, columns of a source, components, arrows, commutes, outputs.
MAX_ELEMENTS = 100_000

#: Terms, also counting those that commutes stand for.
MAX_TERMS = 1_000_000

#: Agreements, also counting those that commutes stand for.
MAX_AGREEMENTS = 1_000_000

#: Paths of one commute: the highest `max_paths`.
MAX_PATHS = 1_000_000

#: Arguments and targets of an arrow; inputs and outputs of a layer graph or a node.
MAX_ARITY = 1_000

#: Nodes of a layer graph.
MAX_NODES = 100_000

#: Axes of a space, and numbers in a list attribute.
MAX_AXES = 16

#: Attributes of a layer or divergence.
MAX_ATTRIBUTES = 64

#: The size of one axis.
MAX_SIZE = 2**31 - 1

#: Classes of an index space.
MAX_CLASSES = 2**31 - 1

#: Numbers in one sample or one parameter, so that offsets fit 64 bits whatever the batch.
MAX_VALUES = 2**40
