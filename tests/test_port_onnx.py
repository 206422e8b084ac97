"""ONNX graphs as layer graphs, against onnx's reference evaluator and the PyTorch modules that they were exported from."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy
import onnx
import onnx.parser
import onnx.reference
import pytest
import torch
from torch import Tensor, nn

import bridge
from bridge import port
from bridge.errors import BridgeError, FileError, PortError, UnsupportedError
from tests.port_models import five

Shape = tuple[Any, ...]


def model(body: str, shape: Shape, tensors: dict[str, Any], opset: int = 21, kind: str = "float", outputs: int = 1) -> Any:
    """A graph from x to y, …; tensors are arrays, or shapes of random ones."""
    sizes = ", ".join(map(str, ("N", *shape)))
    made = ", ".join(f"float[M] {name}" for name in "yzw"[:outputs])
    text = f'<ir_version: 10, opset_import: ["" : {opset}]> g ({kind}[{sizes}] x) => ({made}) {{ {body} }}'
    parsed = onnx.parser.parse_model(text)
    generator = numpy.random.default_rng(sum(map(ord, body)))
    for name, value in tensors.items():
        array = value if isinstance(value, numpy.ndarray) else generator.normal(size=value).astype("float32")
        parsed.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    for output in parsed.graph.output:
        del output.type.tensor_type.shape.dim[:]
    return parsed


def saved(made: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def assert_ports(made: Any, folder: Path, x: numpy.ndarray) -> port.Ported:
    """The same numbers as the reference evaluator's, for batches of two sizes."""
    ported = port.from_onnx(saved(made, folder))
    for batch in (x, x[:1]):
        wanted = onnx.reference.ReferenceEvaluator(made).run(None, {"x": batch})
        with torch.no_grad():
            found = ported.module().eval()(torch.from_numpy(batch))
        for one, two in zip(wanted, found if isinstance(found, tuple) else (found,), strict=True):
            numpy.testing.assert_allclose(two.numpy(), one, rtol=1e-4, atol=1e-5)
    return ported


def ints(*numbers: int) -> numpy.ndarray:
    return numpy.array(numbers, dtype="int64")


def floats(*numbers: float) -> numpy.ndarray:
    return numpy.array(numbers, dtype="float32")


CASES: dict[str, tuple[str, Shape, dict[str, Any], str]] = {
    "gemm": ("y = Gemm <transB=1> (x, W, b)", (4,), {"W": (3, 4), "b": (3,)}, "linear"),
    "gemm, transposed": ("y = Gemm (x, W)", (4,), {"W": (4, 3)}, "linear"),
    "gemm, a row": ("y = Gemm (x, W, b)", (4,), {"W": (4, 3), "b": (1, 3)}, "linear"),
    "matmul and add": ("h = MatMul (x, W) y = Add (b, h)", (2, 4), {"W": (4, 3), "b": (3,)}, "linear"),
    "matmul": ("h = Transpose <perm=[0, 2, 1]> (x) y = MatMul (x, h)", (2, 4), {}, "permute matmul"),
    "conv1d": ("y = Conv <pads=[1, 1], strides=[2]> (x, W, b)", (2, 7), {"W": (3, 2, 3), "b": (3,)}, "conv1d"),
    "conv2d": (
        "y = Conv <pads=[1, 0, 1, 0], dilations=[2, 1], group=2> (x, W)",
        (4, 6, 5),
        {"W": (6, 2, 2, 3)},
        "conv2d",
    ),
    "conv2d, more after": ("y = Conv <pads=[0, 0, 1, 2]> (x, W)", (2, 5, 5), {"W": (3, 2, 3, 3)}, "pad conv2d"),
    "conv transposed": (
        "y = ConvTranspose <strides=[2, 2], pads=[1, 0, 1, 0], output_padding=[1, 0]> (x, W, b)",
        (3, 4, 4),
        {"W": (3, 2, 3, 2), "b": (2,)},
        "conv_transpose2d",
    ),
    "max pool": ("y = MaxPool <kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0]> (x)", (2, 6, 6), {}, "max_pool2d"),
    "mean pool": (
        "y = AveragePool <kernel_shape=[3], strides=[2], pads=[1, 1], count_include_pad=1> (x)",
        (2, 7),
        {},
        "mean_pool1d",
    ),
    "mean pool, without padding": ("y = AveragePool <kernel_shape=[3], pads=[1, 1]> (x)", (2, 7), {}, "mean_pool1d"),
    "whole mean": ("h = GlobalAveragePool (x) y = Flatten (h)", (3, 4, 5), {}, "adaptive_mean_pool2d flatten"),
    "batch norm": (
        "y = BatchNormalization <epsilon=0.01, momentum=0.8> (x, s, b, m, v)",
        (3, 4),
        {"s": (3,), "b": (3,), "m": (3,), "v": floats(0.5, 1, 2)},
        "batch_norm",
    ),
    "layer norm": ("y = LayerNormalization <axis=-2> (x, s, b)", (2, 4), {"s": (2, 4), "b": (2, 4)}, "layer_norm"),
    "group norm": (
        "y = GroupNormalization <num_groups=2> (x, s, b)",
        (4, 3, 2),
        {"s": (4,), "b": (4,)},
        "group_norm",
    ),
    "instance norm": ("y = InstanceNormalization (x, s, b)", (3, 5), {"s": (3,), "b": (3,)}, "instance_norm"),
    "learned values": (
        "a = Add (p, x) b = Mul (a, q) c = Add (b, m) y = Softmax (c)",
        (3, 4),
        {"p": (1, 3, 4), "q": (4,), "m": numpy.full((1, 1), 2, "float32")},
        "parameter parameter scale softmax",
    ),
    "activations": (
        "a = Relu (x) b = Sigmoid (a) c = Tanh (b) d = LeakyRelu <alpha=0.3> (c) e = Elu (d) f = Celu <alpha=0.7> (e) "
        'g = Selu (f) h = Softplus (g) i = HardSwish (h) j = Mish (i) k = Gelu (j) y = Gelu <approximate="tanh"> (k)',
        (5,),
        {},
        "relu sigmoid tanh leaky_relu elu celu elu scale softplus hardsigmoid multiply mish gelu gelu",
    ),
    "gelu, written out": (
        "a = Div (x, r) b = Erf (a) c = Add (b, one) d = Mul (x, c) y = Mul (d, half)",
        (5,),
        {"r": numpy.array(2**0.5, "float32"), "one": floats(1), "half": floats(0.5)},
        "gelu",
    ),
    "gelu, otherwise": (
        "h = Mul (half, x) a = Mul (x, r) b = Erf (a) c = Add (one, b) y = Mul (h, c)",
        (5,),
        {"r": numpy.array(0.5**0.5, "float32"), "one": floats(1), "half": floats(0.5)},
        "gelu",
    ),
    "hard sigmoid": ("y = HardSigmoid <alpha=0.16666667> (x)", (5,), {}, "hardsigmoid"),
    "clip": (
        "a = Clip (x, l) y = Clip (a, l, h)",
        (5,),
        {"l": numpy.array(0, "float32"), "h": numpy.array(6, "float32")},
        "relu relu6",
    ),
    "by element": (
        "a = Abs (x) b = Add (a, c) d = Log (b) e = Sqrt (b) f = Sub (d, e) g = Exp (f) h = Neg (g) i = Reciprocal (b) "
        "j = Div (h, i) k = Pow (j, p) l = Mul (k, c) m = Sub (c, l) n = Div (m, c) y = Sum (n, x, a)",
        (4,),
        {"c": floats(2.5), "p": floats(2)},
        "abs scale log sqrt subtract exp scale power divide power scale scale scale add",
    ),
    "softmax": ("a = Softmax <axis=1> (x) y = LogSoftmax (a)", (3, 4), {}, "softmax log_softmax"),
    "dropout": ("y = Dropout (x, r)", (4,), {"r": numpy.array(0.25, "float32")}, "dropout"),
    "reshape by shape": (
        "s = Shape (x) n = Gather <axis=0> (s, zero) m = Unsqueeze (n, z) t = Concat <axis=0> (m, rest) y = Reshape (x, t)",
        (2, 6),
        {"zero": numpy.array(0, "int64"), "z": ints(0), "rest": ints(3, -1)},
        "reshape",
    ),
    "reshape": ("y = Reshape (x, t)", (2, 6), {"t": ints(0, 3, 4)}, "reshape"),
    "concat and split": (
        "a, b = Split <axis=2> (x, s) y = Concat <axis=-1> (b, x, a)",
        (2, 6),
        {"s": ints(2, 4)},
        "split concat",
    ),
    "split into as many": ("y, z = Split <axis=1, num_outputs=2> (x)", (5,), {}, "split"),
    "slice": (
        "y = Slice (x, a, b, c, d)",
        (7, 4),
        {"a": ints(1, -3), "b": ints(6, 9), "c": ints(1, 2), "d": ints(2, 1)},
        "",
    ),
    "one place": ("y = Gather <axis=2> (x, i)", (3, 4), {"i": numpy.array(-1, "int64")}, ""),
    "axes": (
        "a = Unsqueeze (x, p) b = Transpose <perm=[0, 2, 1, 3]> (a) y = Squeeze (b, q)",
        (3, 4),
        {"p": ints(1), "q": ints(2)},
        "",
    ),
    "expand": ("a = Expand (x, s) b = Relu (x) y = Add (a, b)", (1, 4), {"s": ints(1, 3, 4)}, ""),
    "means": (
        "a = ReduceMean <keepdims=1> (x, p) y = ReduceSum <keepdims=0> (a, q)",
        (3, 4),
        {"p": ints(2), "q": ints(-2)},
        "mean sum",
    ),
    "pad": ("y = Pad (x, p, v)", (3, 4), {"p": ints(0, 1, 0, 0, 0, 2), "v": numpy.array(-1, "float32")}, "pad"),
    "resize": (
        'a = Resize <mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"> (x, , s) '
        'b = Resize <mode="linear"> (a, , s) '
        'y = Resize <mode="linear", coordinate_transformation_mode="align_corners"> (b, , s)',
        (2, 3, 4),
        {"s": floats(1, 1, 2, 3)},
        "upsample2d upsample2d upsample2d",
    ),
    "resize to the nearest": ("y = Resize (x, , s)", (2, 3, 4), {"s": floats(1, 1, 3, 2)}, "upsample2d"),
    "lstm": (
        "t = Transpose <perm=[1, 0, 2]> (x) a, h, c = LSTM <hidden_size=5> (t, W, R, B) b = Squeeze (a, one) "
        "y = Transpose <perm=[1, 0, 2]> (b) z = Squeeze (h, zero) w = Squeeze (c, zero)",
        (4, 3),
        {"W": (1, 20, 3), "R": (1, 20, 5), "B": (1, 40), "one": ints(1), "zero": ints(0)},
        "lstm",
    ),
    "lstm of both directions": (
        't = Transpose <perm=[1, 0, 2]> (x) a = LSTM <hidden_size=5, direction="bidirectional"> (t, W, R) '
        "b = Transpose <perm=[2, 0, 1, 3]> (a) y = Reshape (b, s)",
        (4, 3),
        {"W": (2, 20, 3), "R": (2, 20, 5), "s": ints(0, 0, 10)},
        "lstm lstm concat",
    ),
    "gru": (
        "t = Transpose <perm=[1, 0, 2]> (x) a, h = GRU <hidden_size=5, linear_before_reset=1> (t, W, R, B) "
        "y = Squeeze (h, zero)",
        (4, 3),
        {"W": (1, 15, 3), "R": (1, 15, 5), "B": (1, 30), "zero": ints(0)},
        "gru",
    ),
    "rnn": (
        "t = Transpose <perm=[1, 0, 2]> (x) a, h = RNN <hidden_size=5> (t, W, R, B) y = Squeeze (h, zero)",
        (4, 3),
        {"W": (1, 5, 3), "R": (1, 5, 5), "B": (1, 10), "zero": ints(0)},
        "rnn",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_operators(name: str, tmp_path: Path) -> None:
    body, shape, tensors, operations = CASES[name]
    outputs = 1 + ("z = " in body or "y, z" in body) + ("w = " in body)
    made = model(body, shape, tensors, outputs=outputs)
    x = numpy.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    ported = assert_ports(made, tmp_path, x)
    if operations:
        found = [node.layer.operation for node in ported.graph.nodes]
        if "lstm" in operations or operations in ("gru", "rnn"):  # and what moves axes
            found = [operation for operation in found if operation in ("lstm", "gru", "rnn", "concat")]
        assert found == operations.split()


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_whole_maximum(shape: Shape, tmp_path: Path) -> None:
    """Against NumPy, since onnx's evaluator takes the maximum over the channels, too."""
    x = numpy.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    made = port.from_onnx(saved(model("y = GlobalMaxPool (x)", shape, {}), tmp_path)).module()(torch.from_numpy(x))
    assert numpy.array_equal(made.numpy(), x.max(axis=tuple(range(2, x.ndim)), keepdims=True))


def test_weights_that_words_share(tmp_path: Path) -> None:
    """An embedding whose matrix is also the last layer's is tied, and keeps its name."""
    body = "h = Gather <axis=0> (E, x) t = Transpose <perm=[1, 0]> (E) y = MatMul (h, t)"
    made = model(body, (3,), {"E": (7, 4)}, kind="int64")
    ported = assert_ports(made, tmp_path, numpy.array([[0, 6, 2], [1, 1, 5]]))
    assert [node.layer.operation for node in ported.graph.nodes] == ["embedding", "linear"]
    assert len(ported.graph.ties) == 1 and list(ported.names) == ["E"]


@pytest.mark.parametrize("name", ["resnet", "captioner", "pre-norm", "post-norm", "u-net"])
def test_what_torch_exports(name: str, tmp_path: Path) -> None:
    """Files that PyTorch writes, for a batch of any size and for one of four."""
    torch.manual_seed(3)
    module, inputs = five()[name]
    names = [f"x{place}" for place in range(len(inputs))]
    fixed = name == "captioner"  # which reads the number of images
    for dynamic in (None,) if fixed else ({key: {0: "batch"} for key in names}, None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(),
                tuple(inputs),
                str(tmp_path / "model.onnx"),
                input_names=names,
                dynamic_axes=dynamic,
                dynamo=False,
                opset_version=17,
            )
        ported = port.from_onnx(tmp_path / "model.onnx", verify=dynamic is not None)
        with torch.no_grad():
            torch.testing.assert_close(ported.module().eval()(*inputs), module(*inputs), rtol=1e-4, atol=1e-5)
            half = [x[:3] for x in inputs]
            torch.testing.assert_close(ported.module().eval()(*half), module(*half), rtol=1e-4, atol=1e-5)


def test_a_graph_that_trains(tmp_path: Path) -> None:
    """With batch norm and dropout in train mode, as the module that was exported."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3, momentum=0.25), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    x = torch.randn(4, 2, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x,), str(tmp_path / "m.onnx"), dynamo=False, training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False, keep_initializers_as_inputs=False,
        )  # fmt: skip
    made = onnx.load(tmp_path / "m.onnx")
    for node in made.graph.node:
        if node.op_type == "BatchNormalization":
            del node.output[1:]
            for attribute in list(node.attribute):
                if attribute.name == "training_mode":
                    node.attribute.remove(attribute)
    onnx.save(made, tmp_path / "m.onnx")
    ported = port.from_onnx(tmp_path / "m.onnx").module().train()
    module.train()
    for _ in range(2):
        one, two = module(x), ported(x)
        torch.testing.assert_close(two, one)
        one.square().sum().backward()
        two.square().sum().backward()
    for mine, other in zip(module.parameters(), ported.parameters(), strict=True):
        torch.testing.assert_close(other.grad, mine.grad, rtol=1e-4, atol=1e-4)
    statistics = [value for name, value in ported.state_dict().items() if "running" in name]
    torch.testing.assert_close(statistics, [module[1].running_mean, module[1].running_var])


def test_sizes_are_limited(tmp_path: Path) -> None:
    """Before anything of that size is made, also of what no output needs."""
    with pytest.raises(PortError, match="input 'x': expected at most 16777216 numbers in a sample"):
        port.from_onnx(saved(model("y = Relu (x)", (2**20, 2**20), {}), tmp_path))
    body = "a = Expand (x, s) b = Relu (a) y = Relu (x)"
    with pytest.raises(PortError, match=r"operator Expand: expected at most 16777216 numbers in a sample, found 1073741824"):
        port.from_onnx(saved(model(body, (1,), {"s": ints(1, 2**30)}), tmp_path))


REFUSED: dict[str, tuple[str, Shape, dict[str, Any], str, str]] = {
    "an operator": ('a = Relu (x) y = Einsum <equation="ij->ji"> (a)', (4,), {}, "operator Einsum", "an operator that"),
    "erf": ("y = Erf (x)", (4,), {}, "operator Erf", "an operator that"),
    "the batch": ("y = Softmax <axis=0> (x)", (4,), {}, "operator Softmax", "each sample by itself"),
    "ceil mode": (
        "y = MaxPool <kernel_shape=[2], strides=[2], ceil_mode=1> (x)", (2, 5), {}, "operator MaxPool", "windows inside"
    ),
    "another gru": (
        "a, h = GRU <hidden_size=2> (x, W, R) y = Squeeze (h, z)",
        (4, 3),
        {"W": (1, 6, 3), "R": (1, 6, 2), "z": ints(0)},
        "operator GRU",
        "linear_before_reset=1",
    ),
    "sizes that do not fit": ("y = Reshape (x, s)", (4,), {"s": ints(0, 3)}, "operator Reshape", "arguments that it takes"),
    "a slope of its own": ("y = HardSigmoid (x)", (4,), {}, "operator HardSigmoid", "alpha 1/6"),
    "a large constant": (
        "a = ConstantOfShape (s) y = Add (x, a)",
        (4,),
        {"s": ints(2**20, 2**20)},
        "operator ConstantOfShape",
        "at most",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_node(name: str, tmp_path: Path) -> None:
    body, shape, tensors, element, expected = REFUSED[name]
    made = model(body, shape, tensors)
    made.graph.node[-1 if "GRU" not in body and "ConstantOf" not in body else 0].name = "mine"
    with pytest.raises(PortError) as caught:
        port.from_onnx(saved(made, tmp_path))
    assert element in caught.value.element and "node 'mine'" in caught.value.element
    assert expected in caught.value.expected


def external(folder: Path, **fields: Any) -> Path:
    """A file whose matrix lies beside it, with other fields."""
    made = model("y = Gemm (x, W)", (4,), {"W": (4, 3)})
    (tensor,) = made.graph.initializer
    (folder / "weights.bin").write_bytes(b"abcd" + tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": 4, "length": 48, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    return saved(made, folder)


def test_tensors_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = external(tmp_path / "inner")
    numbers = numpy.frombuffer((tmp_path / "inner" / "weights.bin").read_bytes()[4:], "float32").reshape(4, 3)
    (weight,) = port.from_onnx(path).weights.values()
    assert torch.equal(weight, torch.from_numpy(numbers.T.copy()))
    (tmp_path / "weights.bin").write_bytes(bytes(64))
    (tmp_path / "inner" / "link.bin").symlink_to(tmp_path / "weights.bin")
    (tmp_path / "inner" / "circle.bin").symlink_to("circle.bin")
    (tmp_path / "inner" / "device.bin").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "inner" / "pipe.bin")
    tricks = ["../weights.bin", str(tmp_path / "weights.bin"), "..\\weights.bin", "C:\\weights.bin"]
    tricks += ["a\0b", "long" * 80, *(f"{name}.bin" for name in ("circle", "device", "pipe"))]
    for location in [*tricks, "", "none.bin", "link.bin", "."]:
        with pytest.raises(FileError, match="tensor 'W': expected a file in the folder of the model's"):
            port.from_onnx(external(tmp_path / "inner", location=location))
    for fields in ({"offset": 8}, {"length": 47}, {"offset": -4}, {"length": 2**62}, {"offset": 2**62}):
        with pytest.raises(FileError, match=r"tensor 'W': expected 48 bytes in 'weights\.bin'"):
            port.from_onnx(external(tmp_path / "inner", **fields))


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    os.mkfifo(path)
    with pytest.raises(FileError, match="a file that can be read"):
        port.from_onnx(path)
    path.unlink()
    made = model("y = Gemm (x, W)", (4,), {"W": (4, 3)})
    whole = made.SerializeToString()
    for data in (b"", b"no model", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(FileError, match="an ONNX model"):
            port.from_onnx(path)
    with pytest.raises(FileError, match="a file that can be read"):
        port.from_onnx(tmp_path / "none.onnx")
    made.graph.initializer[0].dims[0] = 2**40
    with pytest.raises(FileError, match=r"\bW\b"):
        port.from_onnx(saved(made, tmp_path))
    made = model("y = Gemm (x, W)", (4,), {"W": (4, 3)})
    made.graph.node[0].input[1] = "V"
    with pytest.raises(FileError, match="a sound ONNX model"):
        port.from_onnx(saved(made, tmp_path))
    made = model("y = Relu (x)", (4,), {}, opset=9)
    with pytest.raises(PortError, match="a version of ONNX's operators from 13"):
        port.from_onnx(saved(made, tmp_path))
    made = model("y = Relu (x)", (4,), {})
    made.graph.node[0].domain = "com.example"
    made.opset_import.add(domain="com.example", version=1)
    with pytest.raises(PortError, match=r"operator com\.example\.Relu"):
        port.from_onnx(saved(made, tmp_path))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_spoiled_files(tmp_path: Path) -> None:
    """Whatever bytes are changed: a graph or a refusal."""
    body = "a = Conv (x, W, b) c = Relu (a) d = Flatten (c) y = Gemm (d, V)"
    whole = model(body, (1, 4, 4), {"W": (2, 1, 3, 3), "b": (2,), "V": (8, 3)}).SerializeToString()
    random, path, outcomes = Random(5), tmp_path / "model.onnx", set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
        path.write_bytes(data[: random.randrange(len(data))] if random.random() < 0.2 else data)
        try:
            outcomes.add(type(port.from_onnx(path)))
        except BridgeError as error:
            outcomes.add(type(error))
    assert outcomes == {port.Ported, FileError, PortError}


def test_constants_where_a_variable_is_expected(tmp_path: Path) -> None:
    """What is half a gelu, of constants alone."""
    made = model("s = Mul (r, r) e = Erf (s) y = Add (e, x)", (4,), {"r": numpy.array([0.5**0.25], dtype="float32")})
    with pytest.raises(PortError, match="operator Erf"):
        port.from_onnx(saved(made, tmp_path))


def with_size(axis: int, size: int) -> Any:
    """A graph whose input has this size."""
    made = model("y = Relu (x)", (4,), {})
    made.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    return made


def test_names_that_are_no_text_and_sizes_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    made = model("named = Relu (x) y = Tanh (named)", (4,), {}).SerializeToString()
    path.write_bytes(made.replace(b"named", b"nam\xff\xfe"))
    with pytest.raises(FileError, match="text in UTF-8"):
        port.from_onnx(path)
    with pytest.raises(FileError, match="input 'x': expected sizes that are not negative, found -3"):
        port.from_onnx(saved(with_size(1, -3), tmp_path))
    with pytest.raises(PortError, match="input 'x': expected a batch of at most 67108864 numbers, or verify=False"):
        port.from_onnx(saved(with_size(0, 2**40), tmp_path))


def test_without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'diagram-bridge\[onnx\]'"):
        port.from_onnx("model.onnx")


def test_inputs_given_beside_the_file(tmp_path: Path) -> None:
    made = model("y = Relu (x)", ("T",), {})
    assert port.from_onnx(saved(made, tmp_path)).inputs == (("T",),)
    assert port.from_onnx(tmp_path / "model.onnx", torch.zeros(1, 5)).inputs == ((5,),)
    made.graph.input[0].type.tensor_type.shape.dim[1].Clear()
    with pytest.raises(BridgeError, match="input 'x': expected sizes of all axes"):
        port.from_onnx(saved(made, tmp_path))
    space = bridge.Builder().space("x", "float32", axes=[("k", 5)])
    assert port.from_onnx(tmp_path / "model.onnx", space).inputs == ((5,),)
    assert isinstance(port.from_onnx(tmp_path / "model.onnx", space).module()(torch.zeros(2, 5)), Tensor)
