# What a Flux model made of portable layers has where Flux has no such layer, or one that means something else.

"""
A portable layer in a Flux model: `native` says what it does and what its gradients are. Its parameters, and behind them its
buffers, are the fields of `weights`, with their axes reversed.
"""
struct Operation{N<:Layer,W<:NamedTuple}
    layer::PortableLayer
    native::N
    weights::W
end

Functors.functor(::Type{<:Operation}, o) = ((weights = o.weights,), y -> Operation(o.layer, o.native, y.weights))

Optimisers.trainable(o::Operation) = (weights = trained(o),)

trained(o::Operation) = NamedTuple{map(Symbol, DiagramBridge.parameter_names(o.native))}(o.weights)

Base.show(io::IO, o::Operation) = print(io, o.layer)

# A Flux layer may have left a view or a transpose.
as_dense(x::Array) = x
as_dense(x::AbstractArray) = collect(x)

run_operation(o::Operation, inputs::Tuple) =
    DiagramBridge.forward(o.native, Tuple(o.weights), map(as_dense, inputs), DiagramBridge.Heap(), LayerMode(false))

one_or_all(values::Tuple) = length(values) == 1 ? values[1] : values

(o::Operation)(inputs...) = one_or_all(run_operation(o, inputs)[1])

function ChainRulesCore.rrule(o::Operation, inputs...)
    dense, parameters = map(as_dense, inputs), Tuple(trained(o))
    values, residual = run_operation(o, dense)
    function back(d)
        given = length(values) == 1 ? (d,) : ChainRulesCore.unthunk(d)
        dvalues = map((d, y) -> gradient_of(ChainRulesCore.unthunk(d), y), Tuple(given), values)
        needs = map(x -> eltype(x) <: AbstractFloat, dense), map(_ -> true, parameters)
        dinputs, dweights = DiagramBridge.pullback(o.native, parameters, dense, values, residual, dvalues, needs...,
                                                   DiagramBridge.Heap())
        own = ChainRulesCore.Tangent{typeof(o)}(; weights = NamedTuple{keys(trained(o))}(map(or_none, dweights)))
        return (own, map(or_none, dinputs)...)
    end
    return one_or_all(values), back
end

gradient_of(::Union{Nothing,ChainRulesCore.AbstractZero}, y::Array) = fill!(similar(y), 0)
gradient_of(d::AbstractArray, ::Array) = as_dense(d)

or_none(d) = d
or_none(::Nothing) = ChainRulesCore.NoTangent()
