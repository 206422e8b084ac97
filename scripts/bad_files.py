"""Write tests/files/bad: files that are wrong in different ways, made from one good diagram.

    python scripts/bad_files.py

`bad_files()` is also the table of what reading each one says: the element, what was expected and what was found. In
them, `{file}` stands for how an error calls the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bridge
from bridge import layers, schema
from bridge.diagram.ir import Diagram
from bridge.schema import encode
from bridge.schema.generated import diagram_pb2

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "files" / "bad"


@dataclass(frozen=True)
class BadFile:
    """A file, and the error that reading it raises. `expected` and `found` are parts of what the error says."""

    name: str
    data: bytes
    element: str
    expected: str
    found: str


def good_diagram() -> Diagram:
    """The diagram that the bad files are made from: a distillation with a mask, a cycle of arrows and a commute."""
    d = bridge.Builder("distillation")
    image = d.space("image", "float32", row=8, column=8)
    hidden = d.space("hidden", "float32", unit=16)
    logits = d.space("logits", "float32", klass=10)
    label = d.index("label", classes=10)
    weight = d.space("weight", "float32")
    digits = d.source("digits", image=image, label=label, weight=weight)
    unlabelled = d.source("unlabelled", image=image)
    encoder = d.arrow("encoder", image, hidden, layers.chain(layers.flatten(), layers.linear(64, 16), layers.relu()))
    head = d.arrow("head", hidden, logits, layers.linear(16, 10))
    decoder = d.arrow("decoder", hidden, image, layers.chain(layers.linear(16, 64), layers.reshape(8, 8)))
    teacher = d.arrow("teacher", image, logits, bridge.TorchReference("teacher"), frozen=True)
    d.arrow("ensemble", (logits, logits), logits, layers.add())
    prediction = head(encoder(digits.image))
    d.agree(prediction, digits.label, by=bridge.cross_entropy(), where=digits.weight, name="labels")
    d.agree(prediction, bridge.detach(teacher(digits.image)), by=bridge.kl(temperature=4.0), name="teacher")
    d.agree(decoder(encoder(unlabelled.image)), unlabelled.image, by=bridge.mse(), name="reconstruction")
    d.commute(unlabelled, logits, by=bridge.mse(), arrows=[encoder, head, teacher], name="same logits")
    d.output("prediction", prediction)
    return d.build()


Edit = Callable[[diagram_pb2.Diagram], object]


def message(edit: Edit | None = None) -> diagram_pb2.Diagram:
    """The good diagram's message, changed by `edit`."""
    made = encode.diagram(good_diagram())
    if edit is not None:
        edit(made)
    return made


def as_json(edit: Callable[[Any], object]) -> bytes:
    """The good diagram's JSON form, changed by `edit` as plain data."""
    fields = json.loads(schema.to_json(good_diagram()))
    edit(fields)
    return (json.dumps(fields, indent=1) + "\n").encode()


def replaced(text: str, old: str, new: str) -> bytes:
    """A text with one part replaced."""
    assert old in text, old
    return text.replace(old, new, 1).encode()


def at(here: Any, path: Sequence[str]) -> Any:
    """What a path leads to: each step is a field, a place in a list, or the name of an element of a list."""
    for step in path:
        if hasattr(here, "DESCRIPTOR"):
            here = getattr(here, step)
        else:
            here = here[int(step)] if step.isdigit() else next(item for item in here if item.name == step)
    return here


def put(path: str, value: object) -> Edit:
    """An edit that sets a field, or a number in a list."""

    def edit(m: diagram_pb2.Diagram) -> None:
        *steps, last = path.split("/")
        here = at(m, steps)
        if last.isdigit():
            here[int(last)] = value
        else:
            setattr(here, last, value)

    return edit


def drop(path: str) -> Edit:
    """An edit that clears a field."""
    *steps, last = path.split("/")
    return lambda m: at(m, steps).ClearField(last)


def append(path: str, value: object) -> Edit:
    """An edit that adds to a list."""
    return lambda m: at(m, path.split("/")).append(value)


def pop(path: str) -> Edit:
    """An edit that takes the last of a list away."""
    return lambda m: at(m, path.split("/")).pop()


def tie(path: str, owner: str) -> Edit:
    """An edit that ties a parameter of the head."""
    return lambda m: at(m, ["components", "head", "graph"]).ties.add(path=path, owner=owner)


def both(*edits: Edit) -> Edit:
    """One edit after the other."""

    def edit(m: diagram_pb2.Diagram) -> None:
        for one in edits:
            one(m)

    return edit


def changed(name: str, edit: Edit, element: str, expected: str, found: str) -> BadFile:
    """The good diagram in binary form, changed by `edit`."""
    return BadFile(name, message(edit).SerializeToString(deterministic=True), element, expected, found)


def tag(number: int, wire_type: int, *following: int) -> bytes:
    """A field of less than number 16, by hand."""
    return bytes([number << 3 | wire_type, *following])


def damaged_files() -> Iterator[BadFile]:
    """Bytes that are no message of the schema."""
    good = message().SerializeToString(deterministic=True)
    whole, extra, cut = "{file}", "{file}, terms[10]", "truncated or damaged"

    def with_term(*data: int) -> bytes:
        return good + tag(8, 2, len(data)) + bytes(data)

    yield BadFile("empty.pb", b"", whole, "a diagram", "no bytes")
    yield BadFile("truncated.pb", good[: len(good) // 2], "{file}, components[3]", "bytes from byte", cut)
    yield BadFile("cut_in_a_number.pb", with_term(5 << 3, 0x80), f"{extra}.output", "a number at byte", cut)
    yield BadFile("text.pb", b"This is no diagram.\n", "{file}, commutes[0]", "wire type 2", "wire type 4 at byte 1")
    yield BadFile("image.pb", b"\x89PNG\r\n\x1a\n" + bytes(64), whole, "a field of Diagram", "field number 1281")
    yield BadFile("unknown_field.pb", good + tag(15, 0, 1), whole, "a field of Diagram", "field number 15")
    space = tag(1, 2, 1) + b"x" + tag(2, 0, 1) + tag(9, 0, 1)
    nested = good + tag(4, 2, len(space)) + space
    yield BadFile("unknown_field_of_space.pb", nested, "{file}, spaces[5]", "a field of Space", "field number 9")
    yield BadFile("wire_type.pb", good + tag(8, 0, 1), extra, "wire type 2", "wire type 0")
    column = tag(1, 2, 2) + b"\xff\xfe"
    broken = good + tag(5, 2, len(column)) + column
    yield BadFile("not_utf8.pb", broken, "{file}, sources[2].name", "UTF-8", "byte 0xff")
    endless = with_term(5 << 3, *[0xFF] * 11)
    yield BadFile("endless_number.pb", endless, f"{extra}.output", "at most 64 bits", "a longer one")
    wide = with_term(6 << 3, 0x80, 0x80, 0x80, 0x80, 0x10)
    yield BadFile("wide_number.pb", wide, f"{extra}.arguments[0]", "at most 4294967295", "4294967296 at byte")
    twice = good + tag(2, 0, 1)
    yield BadFile("field_twice.pb", twice, "{file}, schema_version", "one value", f"another at byte {len(good)}")


def version_files() -> Iterator[BadFile]:
    """Files of other kinds and versions."""
    where = "{file}, schema_version"
    yield changed("newer.pb", put("schema_version", 2), where, "1", "2, of a newer release")
    yield changed("older.pb", put("schema_version", 0), where, "1", "0, of an older release")
    plan = put("format", "diagram_bridge.plan")
    yield changed("other_format.pb", plan, "{file}, format", "'diagram_bridge'", "'diagram_bridge.plan'")
    yield BadFile("no_format.json", b"{}\n", "{file}, format", "'diagram_bridge'", "''")


def json_files() -> Iterator[BadFile]:
    """JSON that is none, or that protobuf's JSON form does not allow."""
    good = schema.to_json(good_diagram())
    whole, form = "{file}", "a diagram in protobuf's JSON form"
    weight = '"weight": 1.0'
    yield BadFile("not_json.json", b"{'format': 1}\n", whole, "JSON", "Expecting property name")
    yield BadFile("cut.json", good.encode()[:1000], whole, "JSON", "line")
    yield BadFile("list.json", b"[]\n", whole, "a JSON object", "a list")
    yield BadFile("deep.json", b"[" * 100_000, whole, "JSON", "")
    yield BadFile("latin1.json", b'{"name": "\xe9"}\n', whole, "UTF-8", "byte 0xe9 at byte 10")
    twice = replaced(good, '"schema_version": 1', '"schema_version": 1, "schema_version": 1')
    yield BadFile("key_twice.json", twice, whole, "JSON", "key 'schema_version' twice")
    yield BadFile("nan.json", replaced(good, weight, '"weight": NaN'), whole, "JSON", "the constant NaN")
    nan = replaced(good, weight, '"weight": "NaN"')
    yield BadFile("nan_text.json", nan, "agreement 'labels'", "a finite weight", "nan")
    infinite = replaced(good, weight, '"weight": -1e999')
    yield BadFile("infinite.json", infinite, whole, form, "Infinity")
    yield BadFile("unknown_key.json", as_json(lambda d: d.update(colour="red")), whole, form, "colour")
    yield BadFile("number_for_list.json", as_json(lambda d: d.update(spaces=3)), whole, form, "spaces")
    size = as_json(lambda d: d["spaces"][1]["axes"][0].update(size="eight"))
    yield BadFile("word_for_number.json", size, whole, form, "eight")
    negative = as_json(lambda d: d["agreements"][0].update(left=-1))
    yield BadFile("negative_term.json", negative, whole, form, "-1")
    kind = as_json(lambda d: d["spaces"][0].update(data_type="DATA_TYPE_FLOAT8"))
    yield BadFile("unknown_dtype.json", kind, whole, form, "DATA_TYPE_FLOAT8")


def text_files() -> Iterator[BadFile]:
    """Text that protobuf's text form does not allow."""
    good = schema.to_text(good_diagram())
    whole, form = "{file}", "a diagram in protobuf's text form"
    unknown = replaced(good, 'name: "distillation"', 'title: "distillation"')
    yield BadFile("unknown_field.txtpb", unknown, whole, form, "title")
    yield BadFile("cut.txtpb", good[:1000].encode(), whole, form, "")
    twice = replaced(good, "schema_version: 1", "schema_version: 1 schema_version: 1")
    yield BadFile("field_twice.txtpb", twice, whole, form, "schema_version")
    yield BadFile("nan.txtpb", replaced(good, "weight: 1.0", "weight: nan"), "agreement 'labels'", "a finite", "nan")


LINEAR = "components/head/graph/nodes/0"
LABELS = "agreements/labels"
COMMUTE = "commutes/0"


def broken_parts() -> Iterator[BadFile]:
    """Messages that the IR has no place for."""
    yield changed("unknown_enum.pb", put("spaces/image/data_type", 9), "space 'image', data_type", "_FLOAT32", "9")
    where = "component 'head', training"
    yield changed("no_training.pb", drop("components/head/training"), where, "TRAINABLE", "TRAINING_UNSPECIFIED")
    yield changed("no_body.pb", drop("components/head/graph"), "component 'head'", "a body", "none")
    yield changed("no_layer.pb", drop(f"{LINEAR}/layer"), "component 'head', node '0'", "a layer", "none")
    yield changed("no_divergence.pb", drop(f"{LABELS}/divergence"), "agreement 'labels'", "a divergence", "none")
    where = "commute 'same logits'"
    yield changed("no_start.pb", drop(f"{COMMUTE}/source"), where, "a source or a term", "neither")
    yield changed("two_starts.pb", put(f"{COMMUTE}/start/term", 1), where, "a source or a term", "both")
    fields = "only the fields 'kind', 'source', 'column'"
    yield changed("column_with_arrow.pb", put("terms/0/arrow", "head"), "term 0", fields, "'arrow' too")
    where = "space 'logits', axis 'klass'"
    yield changed("two_sizes.pb", put("spaces/logits/axes/0/variable", "n"), where, "size or a", "10 and 'n'")
    where = "component 'head', node '0', attribute 'in'"
    yield changed("two_values.pb", put(f"{LINEAR}/layer/attributes/in/text", "16"), where, "'integers'", "'text' too")


def meaningless() -> Iterator[BadFile]:
    """Elements that mean nothing by themselves or together."""
    yield changed("space_twice.pb", put("spaces/image/name", "hidden"), "space 'hidden'", "one space", "two")
    yield changed("bad_name.pb", put("arrows/0/name", "de.coder"), "arrow 'de.coder'", "a name", "'de.coder'")
    where = "space 'logits', axis 'klass'"
    yield changed("no_size.pb", drop("spaces/logits/axes/0/size"), where, "a size from 1", "0")
    expected = "int32 or int64, for class indices"
    yield changed("float_label.pb", put("spaces/label/data_type", 1), "space 'label'", expected, "float32")
    huge = put("spaces/image/axes/0/size", 2**31 - 1), put("spaces/image/axes/1/size", 2**31 - 1)
    yield changed("huge_space.pb", both(*huge), "space 'image'", "numbers in a sample", "(2147483647, 2147483647)")
    where = "column 'digits.image'"
    yield changed("unknown_space.pb", put("sources/0/columns/0/space", "imag"), where, "name of a space", "'imag'")
    expected = "the name of a component"
    yield changed("unknown_component.pb", put("arrows/head/component", "heat"), "arrow 'head'", expected, "'heat'")
    parameters = put("components/ensemble/has_parameters", True)
    yield changed(
        "parameters.pb", parameters, "component 'ensemble'", "has_parameters to be False", "without parameters"
    )

    where = "component 'head', node '0' (linear)"
    unknown = put(f"{LINEAR}/layer/operation", "exec")
    yield changed("unknown_layer.pb", unknown, "component 'head', node '0' (exec)", "a portable layer", "'exec'")
    yield changed("newer_layer.pb", put(f"{LINEAR}/layer/version", 2), where, "version '1'", "version 2")
    yield changed("no_attribute.pb", pop(f"{LINEAR}/layer/attributes"), where, "attributes", "none named 'out'")
    twice = put(f"{LINEAR}/layer/attributes/out/name", "in")
    yield changed("attribute_twice.pb", twice, where, "the attributes", "'in', 'in' besides")
    code = put(f"{LINEAR}/layer/attributes/init/text", "os.system")
    yield changed("attribute_value.pb", code, f"{where}, attribute 'init'", "'kaiming_uniform'", "'os.system'")
    shape, where = put(f"{LINEAR}/layer/attributes/in/integers/0", 17), "component 'head', node '0' (linear)"
    yield changed("layer_shape.pb", shape, f"arrow 'head', {where}", "an input whose last axis has size 17", "(16,)")
    ahead = put(f"{LINEAR}/inputs/0", 1)
    yield changed("value_ahead.pb", ahead, where, "values that were made before it", "input 1, of 1 values")
    where, tied = "component 'head', tie '0.bias'", "0.weight', a parameter of shape (10, 16)"
    yield changed("unknown_tie.pb", tie("0.bias", "0.scale"), where, "parameters or buffers of the graph", "'0.scale'")
    yield changed("tie_shape.pb", tie("0.bias", "0.weight"), where, "a parameter of shape (10,)", tied)
    yield changed("tie_ahead.pb", tie("0.bias", "0.bias"), where, "an owner that comes before it", "'0.bias'")
    arity, where = append("arrows/ensemble/sources", "logits"), "arrow 'ensemble', component 'ensemble'"
    yield changed("arity.pb", arity, where, "2 source spaces", "3")


def meaningless_terms() -> Iterator[BadFile]:
    """Terms, agreements and commutes that mean nothing. Terms 1 and 2 are `encoder(digits.image)` and `head` of it."""
    where = "term 1 (arrow 'encoder')"
    yield changed("term_ahead.pb", put("terms/1/arguments/0", 5), where, "arguments that come before it", "term 5")
    where = "term 3 (column 'digits.labels')"
    yield changed("unknown_column.pb", put("terms/3/column", "labels"), where, "column of source 'digits'", "'labels'")
    where, found = "term 2 (arrow 'head'), argument 0", "space 'image' (float32 (row=8, column=8))"
    yield changed("wrong_space.pb", put("terms/2/arguments/0", 0), where, "space 'hidden'", found)

    def two_sources(m: diagram_pb2.Diagram) -> None:
        for source in ("digits", "unlabelled"):
            image = next(place for place, t in enumerate(m.terms) if (t.source, t.column) == (source, "image"))
            m.terms.add(kind=diagram_pb2.TERM_KIND_OUTPUT, arrow="teacher", arguments=[image])
        m.terms.add(kind=diagram_pb2.TERM_KIND_OUTPUT, arrow="ensemble", arguments=[10, 11])

    where, found = "term 12 (arrow 'ensemble')", "columns of 'digits' and 'unlabelled'"
    yield changed("two_sources.pb", two_sources, where, "columns of one source", found)
    where = "agreement 'reconstruction', right"
    other = put("agreements/reconstruction/right", 0)
    yield changed("sides.pb", other, where, "a term of source 'unlabelled'", "one of source 'digits'")

    def hidden(m: diagram_pb2.Diagram) -> None:
        agreement = m.agreements[1]
        agreement.right = m.terms[agreement.left].arguments[0]

    yield changed("not_parallel.pb", hidden, where, "space 'image' (float32 (row=8, column=8)), for mse", "'hidden'")
    where, expected = "agreement 'labels', right", "class indices () with 10 classes"
    yield changed("classes.pb", put("spaces/label/classes", 9), where, expected, "int64 () with 9 classes")
    unknown = put(f"{LABELS}/divergence/name", "nll")
    yield changed("unknown_divergence.pb", unknown, "agreement 'labels'", "a divergence", "'nll'")
    where = "agreement 'teacher', divergence 'kl', attribute 'temperature'"
    cold = put("agreements/teacher/divergence/attributes/temperature/real", 0.0)
    yield changed("temperature.pb", cold, where, "a number above 0", "0.0")
    where, expected = "agreement 'labels', mask", "numbers or truth values with no axes"
    yield changed("mask.pb", put(f"{LABELS}/mask/term", 0), where, expected, "space 'image'")
    where = "output 'prediction'"
    yield changed("no_term.pb", put("outputs/0/term", 99), where, "one of 10 terms", "term 99")
    yield changed("all_frozen.pb", freeze, "diagram 'distillation'", "trainable component", "components: none")

    where, decode = "commute 'same logits'", append(f"{COMMUTE}/arrows", "decoder")
    yield changed("one_path.pb", pop(f"{COMMUTE}/arrows"), where, "at least two paths", "1")
    yield changed("cycle.pb", decode, where, "max_length", "a cycle of arrows 'decoder', 'encoder'")
    many = both(decode, put(f"{COMMUTE}/max_length", 200), put(f"{COMMUTE}/max_paths", 100))
    yield changed("many_paths.pb", many, where, "at most 100 paths", "200")
    ensemble, expected = append(f"{COMMUTE}/arrows", "ensemble"), "arrows with one source and one target space"
    yield changed("path_of_two.pb", ensemble, f"{where}, arrows", expected, "arrow 'ensemble' with 2 and 1")


def freeze(m: diagram_pb2.Diagram) -> None:
    """Freeze every component."""
    for component in m.components:
        component.training = diagram_pb2.TRAINING_FROZEN


def bad_files() -> list[BadFile]:
    """Every bad file."""
    makers = (
        damaged_files,
        version_files,
        json_files,
        text_files,
        broken_parts,
        meaningless,
        meaningless_terms,
    )
    return [file for make in makers for file in make()]


def main() -> None:
    """Write the files, and remove those that are no longer made."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = bad_files()
    for old in FOLDER.iterdir():
        old.unlink()
    for file in files:
        (FOLDER / file.name).write_bytes(file.data)
    print(f"wrote {len(files)} files")


if __name__ == "__main__":
    main()
