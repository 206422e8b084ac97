module ChangeTests

using DiagramBridge
using DiagramBridge: Optimizer, step!
import DiagramBridge: forward, parameters, pullback
using Test

"A component of a user's: y = s .* x."
struct Scale
    s::Vector{Float64}
end

parameters(c::Scale) = ("s" => c.s,)
forward(c::Scale, (x,)::Tuple, ::Bool) = (c.s .* x,), x
pullback(c::Scale, x, (dy,)::Tuple) = (c.s .* dy,), (vec(sum(x .* dy; dims = 2)),)

"Two arrows that one model interprets."
function shared(model)
    d = Builder("shared")
    x = space!(d, "x", Float64; k = 2)
    data = source!(d, "data"; x = x, y = x)
    f = arrow!(d, "f", x, x, JuliaReference("a model"))
    g = arrow!(d, "g", x, x, DiagramBridge.component(f))
    agree!(d, g(f(data.x)), data.y; by = mse())
    return compile(d; components = ("f" => model,))
end

const BATCH = (data = (x = [1.0 2.0 3.0; -1.0 0.5 2.0], y = [4.0 8.0 12.0; -1.0 0.5 2.0]),)

refusal(call) =
    try
        call()
        nothing
    catch e
        e isa BridgeError || rethrow()
        e.element, e.expected
    end

@testset "a user's model stays, and is copied where it is untied" begin
    model = Scale([1.5, 0.5])
    o, optimizer = shared(model), Optimizer("adam"; lr = 0.1)
    step!(o, optimizer, BATCH)
    before = o.parameters[1].array
    change!(o, rename(o.diagram; components = "f" => "first"); origins = "first" => "f")
    @test o.parameters[1].array === before && o.bound["first"].component === model
    @test collect(keys(optimizer.states)) == [("first", "s")]
    change!(o, untie(o.diagram, "g"); origins = "g" => "first")
    own = o.bound["g"].component
    @test own !== model && own.s == model.s && own.s !== model.s
    states = optimizer.states
    @test states["g", "s"].step == states["first", "s"].step == 1
    @test states["g", "s"].slots == states["first", "s"].slots && states["g", "s"].slots[1] !== states["first", "s"].slots[1]
    own.s[1] += 1 # so that they have other gradients
    kept = copy(model.s)
    step!(o, optimizer, BATCH)
    @test states["g", "s"].step == states["first", "s"].step == 2
    @test kept != model.s && states["g", "s"].slots != states["first", "s"].slots
    another = Scale([1.0, 1.0]) # a model that is given takes the place of the old one
    change!(o, o.diagram; components = ("g" => another,))
    @test o.bound["g"].component === another && !haskey(optimizer.states, ("g", "s"))
    @test haskey(optimizer.states, ("first", "s"))
end

@testset "what is refused changes nothing" begin
    o = shared(Scale([1.5, 0.5]))
    diagram, bound = o.diagram, o.bound
    @test refusal(() -> change!(o, untie(diagram, "g"))) isa Tuple # a reference without a model
    @test refusal(() -> change!(o, diagram; components = ("nobody" => Scale([1.0]),)))[1] == "component 'nobody'"
    line = substitute(diagram, "f", Layers.linear(2, 2))
    portable = change!(shared(Scale([1.5, 0.5])), line)
    @test refusal(() -> change!(portable, line; placement = ("f" => TORCH,)))[2] ==
          "its placement to stay while its parameters do"
    @test o.diagram === diagram && o.bound === bound
    @test loss(o, BATCH).total > 0
end

end
