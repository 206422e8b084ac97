module TorchModuleTests

using DiagramBridge
using DiagramBridge: PythonError, buffers, parameters, register
using Flux
using Flux: Optimisers, Zygote
using PythonCall
using Random
using Test
using ..InPython

const X = MersenneTwister(4)

const made = python("""
import torch
from torch import nn

class Pair(nn.Module):
    "Two inputs of floats, one of indices; two results, of which one is an input and one has no gradient."

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 3).double()
        self.mix = nn.Linear(4, 3).double()

    def forward(self, x, y, k):
        return torch.tanh(self.mix(x) * y) + self.table(k), y, k + 1

class Failing(nn.Module):
    def forward(self, x):
        raise ValueError("the message of the module")

class Nothing(nn.Module):
    def forward(self, x):
        return x, None

def linear(*sizes):
    return nn.Linear(*sizes).double()

def noisy():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5)).double()
""")

close(a, b; tolerance = 1e-10) = isapprox(a, b; rtol = tolerance, atol = tolerance)

"Central differences of `f()` for each element of `x`, in place."
function differences(f, x; step = 1e-6)
    return map(eachindex(x)) do k
        before = x[k]
        above, below = (x[k] = before + step; f()), (x[k] = before - step; f())
        x[k] = before
        (above - below) / 2step
    end
end

@testset "a layer between others, against torch and finite differences" begin
    inner = made("linear")(5, 3)
    m = TorchModule(inner)
    model = Flux.f64(Chain(Dense(4 => 5, tanh), x -> m(x), Dense(3 => 2)))
    x = randn(X, 4, 6)
    objective(model, m, x) = sum(abs2, model[3](m(model[1](x))))
    value, (dmodel, dm, dx) = Flux.withgradient(objective, model, m, x)

    dense1, dense2, given = map(d -> map(tensor, (d.weight, d.bias)), (model[1], model[3]))..., tensor(x)
    leaves = (dense1..., dense2..., given)
    foreach(t -> t.requires_grad_(true), leaves)
    hidden = torch.tanh(given.matmul(dense1[1]) + dense1[2])
    total = (inner(hidden).matmul(dense2[1]) + dense2[2]).pow(2).sum()
    total.backward()
    @test value ≈ number(total)
    found = (dmodel.layers[1].weight, dmodel.layers[1].bias, dmodel.layers[3].weight, dmodel.layers[3].bias, dx)
    @test all(((d, t),) -> close(d, array(t.grad)), zip(found, leaves))
    @test close(dm.parameters.weight, array(inner.weight.grad)) && close(dm.parameters.bias, array(inner.bias.grad))
    for (d, array_of) in ((dm.parameters.weight, m.parameters.weight), (dm.parameters.bias, m.parameters.bias), (dx, x))
        @test isapprox(vec(d), differences(() -> objective(model, m, x), array_of); rtol = 1e-6, atol = 1e-6)
    end
    @test Dict(parameters(m)) == Dict("weight" => m.parameters.weight, "bias" => m.parameters.bias)
    @test isempty(buffers(m))
end

@testset "several inputs and results, and arrays of other kinds" begin
    m = TorchModule(made("Pair")())
    x, y, k = randn(X, 4, 5), randn(X, 3, 5), rand(X, 0:6, 5)
    first_result, same, following = m(x, y, k)
    @test size(first_result) == (3, 5) && same === y && following == k .+ 1
    table, weight, bias = (m.parameters[Symbol(path)] for path in ("table.weight", "mix.weight", "mix.bias"))
    in_julia(x, y, table, weight, bias) = tanh.((weight' * x .+ bias) .* y) .+ table[:, k .+ 1]
    @test first_result ≈ in_julia(x, y, table, weight, bias)
    scale = randn(X, 3, 5)
    score(z, y) = sum(scale .* z) + sum(abs2, y)
    expected = Zygote.gradient((arguments...) -> score(in_julia(arguments...), arguments[2]), x, y, table, weight, bias)
    dm, dx, dy, dk = Zygote.gradient((m, x, y, k) -> score(m(x, y, k)[1:2]...), m, x, y, k)
    @test all(((a, b),) -> close(a, b), zip((dx, dy, values(dm.parameters)...), expected))
    @test dk === nothing
    transposed = permutedims(x)
    of_others = Zygote.gradient((a, b) -> score(m(a', view(b, :, 1:5), k)[1:2]...), transposed, y)
    @test close(of_others[1], expected[1]') && close(of_others[2], expected[2])
    @test startswith(refusal(() -> m(Float16.(x), y, k)).found, "4×5 Matrix{Float16}")
    # Only a result that has no gradient, and a result that nobody uses.
    @test Zygote.gradient((m, x) -> sum(m(x, y, k)[3]), m, x)[2] in (nothing, zero(x))
    @test close(Zygote.gradient(y -> sum(abs2, m(x, y, k)[2]), y)[1], 2y)
end

@testset "single precision, and gradients of another type" begin
    m = TorchModule(torch.nn.Linear(3, 2))
    x, d = randn(X, Float32, 3, 4), randn(X, 2, 4)
    value, back = Zygote.pullback(m, x)
    @test value isa Matrix{Float32} && back(d)[1] isa Matrix{Float32}
    @test back(d)[1] ≈ m.parameters.weight * d
end

@testset "a way back that is asked for again" begin
    m = TorchModule(made("noisy")())
    x = randn(X, 4, 6)
    value, back = Zygote.pullback((m, x) -> m(x), m, x)
    d = randn(X, size(value)...)
    first_time = back(d)
    again, double = back(d), back(2d)
    for (a, b, c) in zip((values(first_time[1].parameters)..., first_time[2]), (values(again[1].parameters)..., again[2]),
                         (values(double[1].parameters)..., double[2]))
        @test close(a, b) && close(2a, c)
    end
    linear = TorchModule(made("linear")(4, 2))
    @test close(Zygote.jacobian(linear, x[:, 1:1])[1], linear.parameters.weight')
end

@testset "optimisers of Flux step torch's own memory" begin
    inner = made("noisy")()
    twin = pyimport("copy").deepcopy(inner)
    m = TorchModule(inner)
    model = Chain(m, Flux.f64(Dense(6 => 1)))
    kept = deepcopy(model)
    x = randn(X, 4, 8)
    state = Flux.setup(Momentum(0.1, 0.9), m)
    optimizer = torch.optim.SGD(twin.parameters(); lr = 0.1, momentum = 0.9)
    Flux.testmode!(model)
    twin.eval()
    for _ in 1:3
        gradient = Flux.gradient(m -> sum(abs2, m(x)), m)[1]
        Flux.update!(state, m, gradient)
        optimizer.zero_grad()
        twin(tensor(x)).pow(2).sum().backward()
        optimizer.step()
    end
    for (a, b) in zip(inner.parameters(), twin.parameters())
        @test close(array(a), array(b))
    end
    @test close(m(x), array(twin(tensor(x))))
    @test kept[1](x) != m(x) # a copy has parameters of its own
    @test length(Flux.trainables(model)) == 6
    # A step that is not made in place gives another model.
    before = m(x)
    _, other = Optimisers.update(state, m, Flux.gradient(m -> sum(abs2, m(x)), m)[1])
    @test m(x) == before && other(x) != before
    @test occursin("weight", refusal(() -> Flux.f32(m)).element)
    Flux.loadmodel!(m, kept[1])
    @test m(x) == kept[1](x)
    @test sprint(show, m) == "TorchModule(Sequential, 42 parameters, active = false)"
end

@testset "modes and chance" begin
    inner = made("noisy")()
    m = TorchModule(inner)
    x = randn(X, 4, 8)
    mean() = copy(m.buffers[Symbol("1.running_mean")])
    @test m(x) == m(x) && all(iszero, mean()) # plain calls test, as in Flux
    Zygote.gradient(m -> sum(m(x)), m)
    @test !all(iszero, mean())
    seeded(f, seed) = (Random.seed!(seed); f())
    Flux.trainmode!(Chain(m))
    before = mean()
    @test seeded(() -> m(x), 1) == seeded(() -> m(x), 1) != seeded(() -> m(x), 2)
    @test mean() != before
    Flux.testmode!(Chain(m))
    before = mean()
    Zygote.gradient(m -> sum(m(x)), m)
    @test mean() == before
    Flux.testmode!(m, :auto)
    @test m.active === nothing && pytruth(inner.training)
end

@testset "inside a Flux model of a diagram" begin
    d = Builder("nested")
    x, y = space!(d, "x", Float64; k = 4), space!(d, "y", Float64; k = 2)
    data = source!(d, "data"; x = x, y = y)
    agree!(d, arrow!(d, "f", x, y, JuliaReference("f"))(data.x), data.y; by = mse())
    inner = made("linear")(4, 3)
    model = Chain(TorchModule(inner), Flux.f64(Dense(3 => 2, tanh)))
    o = compile(d; components = ("f" => model,))
    batch = (data = (x = randn(X, 4, 6), y = randn(X, 2, 6)),)
    losses, gradients = losses_and_gradients(o, batch)
    value, (expected,) = Flux.withgradient(m -> Flux.mse(m(batch.data.x), batch.data.y), model)
    @test losses.total ≈ value
    @test close(gradients["f", "layers.1.parameters.weight"], expected.layers[1].parameters.weight)
    @test close(gradients["f", "layers.2.bias"], expected.layers[2].bias)
    before = array(inner.weight)
    train!(o, batch; epochs = 2, optimizer = "sgd", lr = 0.1, progress = false)
    @test array(inner.weight) != before
end

@testset "what is no module, and what raises" begin
    @test refusal(() -> TorchModule(pybuiltins.print)).found == "a Python builtin_function_or_method"
    @test refusal(() -> TorchModule(sin)) isa BridgeError
    m = TorchModule(made("Failing")())
    e = refusal(() -> m(randn(2, 2)))
    @test e isa PythonError && e.kind == "ValueError" && e.message == "the message of the module"
    @test refusal(() -> TorchModule(made("Nothing")())(randn(2, 2))) isa Exception
    e = PythonCall.GIL.@unlock refusal(() -> m(randn(2, 2)))
    @test e isa BridgeError && occursin("Python's lock", e.expected)
end

@testset "nothing is left after 200 steps" begin
    inner = made("noisy")()
    model = Chain(TorchModule(inner), Flux.f64(Dense(6 => 4)), TorchModule(made("linear")(4, 2)))
    x = randn(X, 4, 8)
    state = Flux.setup(Adam(), model)
    step() = Flux.update!(state, model, Flux.gradient(m -> sum(abs2, m(x)), model)[1])
    foreach(_ -> step(), 1:3)
    start, references = counts(), refcount(inner)
    most = 0
    for _ in 1:200
        step()
        most = max(most, length(DiagramBridge.TORCH_HANDLES))
    end
    @test counts() == start
    @test most < start.handles + 2 * DiagramBridge.MORE_CALLS # given back on the way
    @test refcount(inner) == references
end

end
