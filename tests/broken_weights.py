"""Files of weights that nothing may read: each is a sound one with one thing spoiled, and the element that refusals name."""

from __future__ import annotations

import struct
from collections.abc import Callable

from bridge.train.weights import KEY
from tests.broken_checkpoints import Fault, container_faults, joined, renamed, split, tensor, with_fields, with_header

WEIGHT, BIAS = "f/0.weight", "f/0.bias"


def with_number(name: str, number: float) -> Callable[[bytes], bytes]:
    """The last number of a float64 tensor replaced."""

    def spoil(data: bytes) -> bytes:
        header, tensors = split(data)
        stop = header[name]["data_offsets"][1]
        return joined(header, tensors[: stop - 8] + struct.pack("<d", number) + tensors[stop:])

    return spoil


def without(name: str, aliases: dict[str, str]) -> Callable[[bytes], bytes]:
    """A tensor taken out, and these aliases."""

    def spoil(data: bytes) -> bytes:
        header, tensors = split(data)
        start, stop = header.pop(name)["data_offsets"]
        for other, info in header.items():
            if other != "__metadata__":
                info["data_offsets"] = [at - (stop - start) * (at >= stop) for at in info["data_offsets"]]
        return fields(lambda found: found.update(aliases=aliases))(joined(header, tensors[:start] + tensors[stop:]))

    return spoil


def path_trick(name: str) -> Fault:
    return renamed(WEIGHT, name), tensor(name)


def fields(change: Callable[[dict[str, object]], object]) -> Callable[[bytes], bytes]:
    return with_fields(change, KEY)


#: By what is wrong.
BROKEN: dict[str, Fault] = {
    **container_faults(WEIGHT),
    "NaN": (with_number(WEIGHT, float("nan")), tensor(WEIGHT)),
    "infinity": (with_number(BIAS, float("inf")), tensor(BIAS)),
    "a way out": path_trick("../../etc/passwd"),
    "a way out below a component": path_trick("f/../0.weight"),
    "a path from the root": path_trick("/etc/passwd"),
    "a folder": path_trick("f/0.weight/"),
    "a drive": path_trick("c:\\f/0.weight"),
    "a backslash": path_trick("f/..\\0.weight"),
    "a NUL": path_trick("f/0.weight\0.txt"),
    "no path": path_trick("f"),
    "no component": path_trick("/0.weight"),
    "an empty part": path_trick("f/0..weight"),
    "white space": path_trick("f/0. weight"),
    "a name of nothing": path_trick(""),
    "no metadata": (with_header(lambda header: header.pop("__metadata__")), ", metadata"),
    "metadata of another program": (with_header(lambda header: header["__metadata__"].pop(KEY)), ", metadata"),
    "fields not JSON": (with_header(lambda header: header["__metadata__"].__setitem__(KEY, "{")), ", metadata"),
    "fields of a list": (with_header(lambda header: header["__metadata__"].__setitem__(KEY, "[]")), ", metadata"),
    "no version": (fields(lambda found: found.pop("version")), ", metadata"),
    "a later version": (fields(lambda found: found.update(version=2)), ", metadata"),
    "a field too many": (fields(lambda found: found.update(more=1)), ", metadata"),
    "aliases in a list": (fields(lambda found: found.update(aliases=["a"])), ", metadata, aliases"),
    "an alias of nothing": (fields(lambda found: found.update(aliases={"g/w": "f/none"})), ", alias 'g/w'"),
    "an alias of an alias": (fields(lambda found: found.update(aliases={"g/w": "h/w", "h/w": "g/w"})), ", alias 'g/w'"),
    "an alias that is a way out": (fields(lambda found: found.update(aliases={"../w": WEIGHT})), ", alias '../w'"),
    "an alias too many": (fields(lambda found: found.update(aliases={"g/w": WEIGHT})), ", aliases"),
    "an alias of another shape": (without(BIAS, {BIAS: WEIGHT}), ", aliases"),
    "an alias of another's": (without(BIAS, {BIAS: "g/2.bias"}), ", aliases"),
    "an identity that is a number": (fields(lambda found: found.update(diagram=5)), ", metadata, diagram"),
    "a tensor too few": (without(WEIGHT, {}), tensor(WEIGHT)),
    "another's tensor": (renamed(WEIGHT, "F/0.weight"), tensor("F/0.weight")),
    "more than one number that is none": (
        lambda data: with_number("g/2.weight", float("nan"))(with_number(BIAS, float("inf"))(data)),
        tensor(BIAS),
    ),
    "an alias that is there": (fields(lambda found: found.update(aliases={BIAS: WEIGHT})), f", alias '{BIAS}'"),
    "an alias without a path": (fields(lambda found: found.update(aliases={"g": WEIGHT})), ", alias 'g'"),
    "a dtype of half the width": (
        with_header(lambda header: header[WEIGHT].update(dtype="F32", shape=[2, 6])),
        tensor(WEIGHT),
    ),
}
