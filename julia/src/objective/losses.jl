# The losses of an objective, and their gradients.

"""
    Losses

The weighted total and each agreement's own loss, unweighted, by name.
"""
struct Losses{T<:Real}
    total::T
    agreements::Vector{Pair{String,T}}
end

Base.getindex(l::Losses, name::AbstractString) = last(l.agreements[findfirst(pair -> first(pair) == name, l.agreements)])

function Base.show(io::IO, l::Losses)
    own = join(("$name = $(round(value; sigdigits = 6))" for (name, value) in l.agreements), ", ")
    print(io, "Losses(", round(l.total; sigdigits = 6), ": ", own, ")")
end

"""
    loss(objective, batch; train = true, seed = rand(UInt64)) -> Losses

The losses on `(source = (column = array, …), …)`, arrays with the axes of their space reversed and the batch last. In train
mode, buffers are updated. `seed` is that of components that draw.
"""
function loss(o::Objective, batch; train::Bool = true, seed::Integer = rand(UInt64))
    tape = forward_pass(o, batch, train ? TRAIN_FLAG : UInt32(0), seed)
    losses = try
        Losses(o, [divergence_value(a.measure, sides(o, tape, a)...; element = a.element) for a in o.agreements])
    finally
        close(tape)
    end
    give_back()
    return losses
end

"""
    losses_and_gradients(objective, batch; train = true, seed = rand(UInt64)) -> (losses, gradients)

The losses, and the gradient of their total for each parameter of a component that is not frozen: arrays by
`(component, path)`. A parameter that the loss does not depend on has none.
"""
function losses_and_gradients(o::Objective, batch; train::Bool = true, seed::Integer = rand(UInt64))
    losses, found = with_gradients(o, batch, train, seed) do v, gradient
        return (v.component, v.path) => copy(gradient)
    end
    gradients = Dict{Tuple{String,String},Array}(found)
    for (v, owner) in zip(o.parameters, o.parameters[o.owners]) # a tied parameter has that of the other
        haskey(gradients, (owner.component, owner.path)) &&
            (gradients[v.component, v.path] = gradients[owner.component, owner.path])
    end
    return losses, gradients
end

"The losses, and what `f(variable, gradient)` makes of each parameter's gradient, which lies in pooled memory."
function with_gradients(f, o::Objective, batch, train::Bool, seed::Integer)
    flags = (train ? TRAIN_FLAG : UInt32(0)) | GRAD_FLAG | CONSTANT_FLAG | ONCE_FLAG # columns are constants
    tape = forward_pass(o, batch, flags, seed)
    lease = Lease(o.island.workspace)
    losses, found = try
        own, doutputs = measure_back(o, tape)
        needs = vcat(fill(false, length(o.loads)), [o.parameters[k].trains for k in o.used], falses(length(o.used_buffers)))
        gradients = backward!(tape, doutputs, needs, fill(Ptr{Cvoid}(C_NULL), length(needs)), lease)
        of_parameters = gradients[length(o.loads) .+ (1:length(o.used))] # buffers, at the end, have none
        found = [f(o.parameters[k], g) for (k, g) in of_owners(o, of_parameters)]
        Losses(o, own), found
    finally
        close(tape, lease)
    end
    give_back()
    return losses, found
end

"The gradient of each parameter that has one, by its place; those of tied parameters are added up."
function of_owners(o::Objective, gradients::Vector{Gradient})
    found, at = Pair{Int,Array}[], Dict{Int,Int}()
    for (k, gradient) in zip(o.used, gradients)
        (o.parameters[k].trains && gradient.array !== nothing) || continue
        place = get!(at, o.owners[k], length(found) + 1)
        place > length(found) ? push!(found, o.owners[k] => gradient.array) :
        (found[place] = o.owners[k] => found[place].second .+ gradient.array)
    end
    return found
end

"Every application on its tape."
function forward_pass(o::Objective, batch, flags::UInt32, seed::Integer)
    begin_pass()
    tick!(o.island.workspace)
    tape = open_tape(o.island, read_batch(o.loads, batch), Array[o.parameters[k].array for k in o.used],
                     Array[o.buffers[k].array for k in o.used_buffers])
    mode = Mode(flags, UInt32(0), seed % UInt64, UInt64(0))
    forward!(tape, Room[], mode)
    commit_buffers!(tape, mode)
    return tape
end

"The sides of an agreement, and its mask or `nothing`."
function sides(o::Objective, tape::StepTape, a::MeasuredAgreement)
    value(k) = tape.values[o.island.outputs[k]]
    return value(a.left), value(a.right), a.mask == 0 ? nothing : value(a.mask)
end

"Each agreement's own loss, and the gradient of the total for each output of the island below which something learns."
function measure_back(o::Objective, tape::StepTape)
    gradients = Vector{Any}(nothing, length(o.island.outputs))
    learns(k) = k != 0 && o.island.places.learns[o.island.outputs[k]]
    add!(k, more) = more === nothing || (gradients[k] = gradients[k] === nothing ? more : gradients[k] .+= more)
    own = map(o.agreements) do a
        left, right, mask = sides(o, tape, a)
        value, dleft, dright = divergence_gradients(a.measure, left, right, mask, learns(a.left), learns(a.right);
                                                    scale = a.weight, element = a.element)
        add!(a.left, dleft)
        add!(a.right, dright)
        mask isa Array{<:AbstractFloat} && learns(a.mask) &&
            add!(a.mask, mask_gradient(a.measure, left, right, mask; scale = a.weight, element = a.element))
        return value
    end
    return own, gradients
end

# The total is in the widest type present.
function Losses(o::Objective, own::Vector)
    T = promote_type(map(typeof, own)...)
    total = zero(T)
    for (agreement, value) in zip(o.agreements, own)
        total += T(agreement.weight) * T(value)
    end
    return Losses{T}(total, [a.name => T(value) for (a, value) in zip(o.agreements, own)])
end
