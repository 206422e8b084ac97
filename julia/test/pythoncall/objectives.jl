module TorchObjectiveTests

using DiagramBridge
using DiagramBridge: PythonError, register
using Flux
using PythonCall
using Random
using Test
using ..InPython

const X = MersenneTwister(3)

const made = python("""
import copy

import torch
import torch.nn.functional as F
from torch import nn

class Encoder(nn.Module):
    "Two results, running statistics, a buffer that is not trained."

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh()).double()
        self.gate = nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 1.0], dtype=torch.float64))

    def forward(self, x):
        h = self.layers(x)
        return h, h * self.gate

def teacher():
    return nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).double()

def noisy():
    return nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5)).double()

class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, dtype=torch.float64))
        self.answer = None

    def forward(self, x):
        if self.answer is None:
            raise ValueError("the message of the module")
        return self.answer(x[:, :4] * self.scale)

class Alone(nn.Module):
    "The whole diagram in torch's own words; the dictionary has Julia's weights, the modules are copies."

    def __init__(self, encoder, teacher, weights):
        super().__init__()
        self.encoder, self.teacher = copy.deepcopy(encoder), copy.deepcopy(teacher).eval().requires_grad_(False)
        self.weights = nn.ParameterDict({name: nn.Parameter(w.clone()) for name, w in weights.items()})

    def forward(self, x, other, y):
        w = self.weights
        (h, g), (h2, g2) = self.encoder(x), self.encoder(other)
        def head(z):
            # Flux's weights are (out, in) in Julia.
            return torch.tanh(z @ w["head_1_weight"] + w["head_1_bias"]) @ w["head_2_weight"] + w["head_2_bias"]
        def body(z):
            return torch.tanh(F.linear(z, w["body_weight"], w["body_bias"]))
        z = head(body(h))
        own = [F.mse_loss(z, y), F.mse_loss(z, self.teacher(x)), F.mse_loss(g2, h.detach()), F.mse_loss(body(g), y)]
        return own[0] + 0.5 * own[1] + 2 * own[2] + own[3], own
""")

"Torch, Flux and portable components: shared by two arrows, frozen, detached, with two results."
function mixed()
    d = Builder("mixed")
    x, h, z = (space!(d, name, Float64; k = size) for (name, size) in (("x", 5), ("h", 4), ("z", 3)))
    data = source!(d, "data"; x = x, other = x, y = z)
    shared = component!(d, "encoder", TorchReference("encoder"))
    first, second = arrow!(d, "first", x, (h, h), shared), arrow!(d, "second", x, (h, h), shared)
    teacher = arrow!(d, "teacher", x, z, TorchReference("teacher"); frozen = true)
    body = arrow!(d, "body", h, z, Layers.chain(Layers.linear(4, 3), Layers.tanh()))
    head = arrow!(d, "head", z, z, JuliaReference("head"))
    (a, gated), (_, other) = first(data.x), second(data.other)
    prediction = head(body(a))
    agree!(d, prediction, data.y; by = mse(), name = "data")
    agree!(d, prediction, teacher(data.x); by = mse(), weight = 0.5, name = "teacher")
    agree!(d, other, detach(a); by = mse(), weight = 2, name = "still")
    agree!(d, body(gated), data.y; by = mse(), name = "gated")
    output!(d, "prediction", prediction)
    output!(d, "taught", teacher(data.x))
    return build(d)
end

const DIAGRAM = mixed()

modules() = (made("Encoder")(), made("teacher")())

"The mixed diagram with modules of its own, the modules, and the Flux model."
function objective(; options...)
    encoder, teacher = modules()
    head = Flux.f64(Chain(Dense(3 => 6, tanh), Dense(6 => 3)))
    register("encoder", encoder)
    register("teacher", teacher)
    register("head", head)
    return compile(DIAGRAM; options...), encoder, teacher, head
end

batch_of(n) = (data = (x = randn(X, 5, n), other = randn(X, 5, n), y = randn(X, 3, n)),)

parameter(o, component, path) = only(v.array for v in o.parameters if (v.component, v.path) == (component, path))

"Parameters of the mixed diagram that are no torch module's, by what `Alone` calls them."
const OWN = Dict("body_weight" => ("body", "0.weight"), "body_bias" => ("body", "0.bias"),
                 "head_1_weight" => ("head", "layers.1.weight"), "head_1_bias" => ("head", "layers.1.bias"),
                 "head_2_weight" => ("head", "layers.2.weight"), "head_2_bias" => ("head", "layers.2.bias"))

"The twin of an objective in torch alone."
alone(o, encoder, teacher) =
    made("Alone")(encoder, teacher, pydict(name => tensor(parameter(o, key...)) for (name, key) in OWN))

"Torch's parameters of a twin by component and path."
function parameters_of(twin::Py)
    found = Dict{Tuple{String,String},Py}(key => twin.weights[name] for (name, key) in OWN)
    for item in twin.encoder.named_parameters()
        found["encoder", pyconvert(String, item[0])] = item[1]
    end
    return found
end

tensors(batch) = map(tensor, (batch.data.x, batch.data.other, batch.data.y))

close(a, b) = isapprox(a, b; rtol = 1e-10, atol = 1e-12)

@testset "losses and gradients are those of torch alone, placement $placement" for placement in ((), ("body" => TORCH,))
    o, encoder, teacher, _ = objective(; placement = placement)
    twin = alone(o, encoder, teacher)
    expected = parameters_of(twin)
    for (train, n) in ((true, 7), (false, 4), (true, 1 + 8))
        batch = batch_of(n)
        twin.encoder.train(train)
        twin.zero_grad()
        total, own = twin(tensors(batch)...)
        total.backward()
        losses, gradients = losses_and_gradients(o, batch; train = train)
        @test losses.total ≈ number(total) rtol = 1e-12
        for (name, value) in zip(("data", "teacher", "still", "gated"), own)
            @test losses[name] ≈ number(value) rtol = 1e-12
        end
        @test Set(keys(gradients)) == Set(keys(expected)) # nothing of the frozen teacher
        @test all(key -> close(gradients[key], array(expected[key].grad)), keys(expected))
        for item in twin.encoder.named_buffers() # running statistics, of both applications in order
            name = pyconvert(String, item[0])
            @test array(encoder.get_buffer(name)) ≈ array(item[1]) rtol = 1e-12
        end
        @test loss(o, batch; train = false).total ≈ loss(o, batch; train = false, seed = 4).total rtol = 0
    end
    @test pyconvert(Bool, teacher.training) && number(teacher.get_submodule("1").num_batches_tracked) == 0
end

@testset "the memory is torch's" begin
    o, encoder, _, _ = objective()
    array_of_bias = parameter(o, "encoder", "layers.0.bias")
    @test UInt(pointer(array_of_bias)) == pyconvert(UInt, encoder.layers[0].bias.data_ptr())
    array_of_bias[2] = 17
    @test number(encoder.layers[0].bias[1]) == 17
    before = pyconvert(Int, pyimport("bridge.julia.vtable").vtable().copies.number)
    losses_and_gradients(o, batch_of(5))
    @test pyconvert(Int, pyimport("bridge.julia.vtable").vtable().copies.number) == before
    @test DiagramBridge.blas_name() in ("caller", "julia")
end

@testset "train!, checkpoints, outputs" begin
    data, folder = batch_of(12), mktempdir()
    whole, encoder, teacher, _ = objective(; seed = 5)
    save_checkpoint(joinpath(folder, "start"), whole)
    twin = alone(whole, encoder, teacher)
    optimizer = torch.optim.AdamW(twin.parameters(); lr = 0.01, weight_decay = 0.1)
    of_torch = map(1:20) do _
        optimizer.zero_grad()
        total, _ = twin(tensors(data)...)
        total.backward()
        optimizer.step()
        number(total)
    end
    options = (batch_size = 12, progress = false)
    history = train!(whole, data; epochs = 20, optimizer = "adamw", lr = 0.01, weight_decay = 0.1, options...)
    @test isapprox(history.total, of_torch; rtol = 1e-9)
    @test history.total[end] < history.total[1]
    values = parameters_of(twin)
    @test all(key -> isapprox(parameter(whole, key...), array(values[key]); rtol = 1e-8, atol = 1e-10), keys(values))
    @test all(item -> pytruth(torch.equal(item[1], twin.teacher.state_dict()[item[0]])), teacher.state_dict().items())

    half, _ = objective()
    load_checkpoint!(half, joinpath(folder, "start"))
    first_half = train!(half, data; epochs = 9, optimizer = "adamw", lr = 0.01, weight_decay = 0.1, options...)
    save_checkpoint(joinpath(folder, "half"), half, first_half)
    other, _ = objective()
    second_half = train!(other, data; epochs = 20, start = load_checkpoint!(other, joinpath(folder, "half")), options...)
    @test [first_half.total; second_half.total] ≈ history.total rtol = 1e-12

    twin.encoder.eval()
    of_teacher = twin.teacher(tensors(data)[1])
    @test evaluate(whole, "taught", data) ≈ array(of_teacher) rtol = 1e-12
    @test evaluate(whole, "prediction", data) == evaluate(whole, "prediction", data)
end

"A torch module, and a portable one that trains."
function single(; frozen = false)
    d = Builder("single")
    x, y = space!(d, "x", Float64; k = 5), space!(d, "y", Float64; k = 4)
    data = source!(d, "data"; x = x, y = y)
    f = arrow!(d, "f", x, y, TorchReference("f"); frozen = frozen)
    agree!(d, arrow!(d, "g", y, y, Layers.linear(4, 4))(f(data.x)), data.y; by = mse())
    return build(d), (data = (x = randn(X, 5, 6), y = randn(X, 4, 6)),)
end

@testset "modes and chance" begin
    for frozen in (false, true, :train)
        diagram, batch = single(; frozen = frozen)
        o = compile(diagram; components = ("f" => made("noisy")(),))
        before = torch.get_rng_state()
        at(seed; train = true) = loss(o, batch; train = train, seed = seed).total
        @test at(1) == at(1) == losses_and_gradients(o, batch; seed = 1)[1].total
        @test (at(1) != at(2)) == (frozen !== true)
        @test (at(1; train = false) != at(2; train = false)) == (frozen === :train)
        @test haskey(losses_and_gradients(o, batch)[2], ("f", "0.weight")) == (frozen === false)
        @test pytruth(torch.equal(torch.get_rng_state(), before))
    end
end

@testset "refusals and exceptions" begin
    diagram, batch = single()
    said(e::BridgeError) = (e.element, e.found)
    delete!(DiagramBridge.REGISTERED, "f")
    before = counts()
    @test said(refusal(() -> compile(diagram))) == ("component 'f'", "none")
    @test said(refusal(() -> compile(diagram; components = ("f" => pybuiltins.print,)))) ==
          ("component 'f'", "a Python builtin_function_or_method")
    @test said(refusal(() -> compile(diagram; components = ("f" => sin,)))) == ("component 'f'", "a $(typeof(sin))")
    @test said(refusal(() -> compile(diagram; components = ("f" => torch.nn.Tanh(),)))) == ("component 'f'", "none")
    @test refusal(() -> compile(DIAGRAM; components = ("head" => torch.nn.Tanh(),))).found == "a Python Tanh"
    half = torch.nn.Linear(5, 4).half()
    @test startswith(refusal(() -> compile(diagram; components = ("f" => half,))).element, "'weight' of component 'f'")
    @test counts().held == before.held

    failing = made("Failing")()
    o = compile(diagram; components = ("f" => failing,))
    start = counts()
    e = refusal(() -> losses_and_gradients(o, batch))
    @test e isa PythonError && e.kind == "ValueError" && e.message == "the message of the module"
    @test occursin("in forward", e.traceback) && occursin(e.message, sprint(showerror, e))
    failing.answer = pyeval("lambda h: h[:, :3]", Main)
    e = refusal(() -> losses_and_gradients(o, batch))
    @test e isa BridgeError && occursin("'f'", e.element)
    failing.answer = pyeval("lambda h: h", Main)
    @test haskey(losses_and_gradients(o, batch)[2], ("f", "scale"))
    failing.answer = pyeval("lambda h: h.register_hook(lambda d: 1 / 0) and h", Main)
    @test refusal(() -> losses_and_gradients(o, batch)).kind == "ZeroDivisionError"
    failing.answer = pyeval("lambda h: exec('raise KeyboardInterrupt')", Main)
    @test refusal(() -> losses_and_gradients(o, batch)).kind == "KeyboardInterrupt"
    failing.answer = pyeval("lambda h: h", Main)
    @test loss(o, batch).total isa Float64 # nothing goes on unwinding
    @test counts() == start
    failing.scale = torch.nn.Parameter(torch.ones(4; dtype = torch.float64))
    @test occursin("parameter 'scale'", refusal(() -> loss(o, batch)).element)
end

@testset "Python's own code in this process has the same Julia" begin
    said = python("""
import torch
import bridge
from bridge import layers
from bridge.julia.session import session

def said():
    d = bridge.Builder("line")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, layers.linear(3, 3))
    d.agree(f(data.x), data.x, by=bridge.mse())
    objective = bridge.compile(d, driver="julia", placement={"f": "julia"})
    value = torch.ones(2, 3, dtype=torch.float64)
    losses, gradients = objective.losses_and_gradients({"data": {"x": value}})
    alone = bridge.compile(d, placement={"f": "torch"})
    alone.load_state_dict(objective.state_dict())
    alone({"data": {"x": value}}).backward()
    wanted = {("f", path): p.grad for path, p in alone.components["f"].named_parameters()}
    torch.testing.assert_close(gradients, wanted, rtol=1e-10, atol=1e-12)
    return session().version, session().how
""")("said")
    @test pyconvert(Tuple, said()) == (string(VERSION), "juliacall")
end

@testset "Python's lock" begin
    diagram, batch = single()
    o = compile(diagram; components = ("f" => torch.nn.Linear(5, 4).double(),))
    d = Builder("portable")
    x = space!(d, "x", Float64; k = 5)
    data = source!(d, "data"; x = x)
    agree!(d, arrow!(d, "g", x, x, Layers.linear(5, 5))(data.x), data.x; by = mse())
    portable = compile(d)
    expected = loss(o, batch).total
    e, value = PythonCall.GIL.@unlock (refusal(() -> loss(o, batch)), loss(portable, batch).total)
    @test e isa BridgeError && occursin("Python's lock", e.expected)
    @test value isa Float64
    @test loss(o, batch).total == expected
end

function use_an_objective()
    batch = batch_of(6)
    o, encoder, teacher, _ = objective()
    objects = (encoder, teacher, encoder.gate)
    foreach(_ -> losses_and_gradients(o, batch), 1:3)
    start, references = counts(), map(refcount, objects)
    for k in 1:200
        k % 2 == 0 ? losses_and_gradients(o, batch) : loss(o, batch)
    end
    train!(o, batch; epochs = 5, batch_size = 3, progress = false)
    @test counts() == start
    @test map(refcount, objects) == references
end

@testset "nothing is left after 200 steps" begin
    start = counts()
    use_an_objective()
    left = counts()
    @test left.held <= start.held && left.handles <= start.handles
end

end
