# A layer graph that is no chain as a Flux model.

"""
Layers by the names of a graph's nodes, applied in its order. Node k takes the values `places[k]`, counted as in the graph
(inputs first), and makes `made[k]` new ones, of which a layer of Flux's may give only the first.
"""
struct Network{L<:NamedTuple}
    layers::L
    inputs::Int
    places::Vector{Vector{Int}}
    made::Vector{Int}
    outputs::Vector{Int}
end

Functors.functor(::Type{<:Network}, n) =
    ((layers = n.layers,), y -> Network(y.layers, n.inputs, n.places, n.made, n.outputs))

function Base.show(io::IO, n::Network)
    print(io, "Network(")
    join(io, ("$name = $layer" for (name, layer) in pairs(n.layers)), ", ")
    print(io, ")")
end

"Apply `f(layer, inputs)` to the nodes in order; the values of all."
function run_network(f, n::Network, inputs::Tuple)
    length(inputs) == n.inputs || throw(BridgeError("Flux model", "$(n.inputs) inputs", string(length(inputs))))
    values = Any[inputs...]
    for (layer, places, count) in zip(n.layers, n.places, n.made)
        made = f(layer, Tuple(values[places]))
        append!(values, in_values(made, count))
    end
    return values
end

in_values(made::Tuple, count::Int) = Any[k <= length(made) ? made[k] : nothing for k in 1:count]
in_values(made, count::Int) = in_values((made,), count)

results(n::Network, values::Vector{Any}) = one_or_all(Tuple(values[n.outputs]))

(n::Network)(inputs...) = results(n, run_network((layer, given) -> layer(given...), n, inputs))

# By hand, so that Zygote compiles each kind of layer once instead of the graph as a whole.
Zygote.@adjoint function (n::Network)(inputs...)
    backs, kinds = Any[], Any[]
    values = run_network(n, inputs) do layer, given
        made, back = Zygote._pullback(__context__, layer, given...)
        push!(backs, back)
        push!(kinds, made)
        return made
    end
    function back(d)
        gradients = Any[nothing for _ in values]
        for (place, given) in zip(n.outputs, length(n.outputs) == 1 ? (d,) : d)
            gradients[place] = Zygote.accum(gradients[place], given)
        end
        dlayers, last = Any[nothing for _ in backs], length(values)
        for k in length(backs):-1:1
            own = (last - n.made[k] + 1):last
            last -= n.made[k]
            all(place -> gradients[place] === nothing, own) && continue
            dmade = kinds[k] isa Tuple ? ntuple(j -> j <= length(own) ? gradients[own[j]] : nothing, length(kinds[k])) :
                    gradients[own[1]]
            dlayer, dgiven... = backs[k](dmade)
            dlayers[k] = dlayer
            for (place, given) in zip(n.places[k], dgiven)
                gradients[place] = Zygote.accum(gradients[place], given)
            end
        end
        layers = NamedTuple{keys(n.layers)}(Tuple(dlayers))
        own = (layers = layers, inputs = nothing, places = nothing, made = nothing, outputs = nothing)
        return (own, gradients[1:n.inputs]...)
    end
    return results(n, values), back
end
