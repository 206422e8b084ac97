# A user's Flux model as a component: its arrays are the storage, its mode and its random numbers are set for each call.

"""
A Flux model with the methods of a component. An array that stands at several paths is one parameter under the first of them,
and its gradient is the sum over all.
"""
struct FluxModel
    model::Any
    element::String
    parameters::Vector{Pair{String,AbstractArray}}
    buffers::Vector{Pair{String,AbstractArray}}
    places::IdDict{Any,Int}      # of an array among the parameters
    assignable::Vector{Variable} # in fields that can be given another array
    layers::Vector{Any}          # with a mode of their own
end

function FluxModel(model, element::String)
    found, owners = variables(model), IdDict{Any,Variable}()
    m = FluxModel(model, element, [], [], IdDict{Any,Int}(), filter(v -> v.holder !== nothing, found),
                  layers_with_mode(model))
    for variable in found
        owner = get!(owners, variable.array, variable)
        if owner === variable
            push!(variable.trained ? m.parameters : m.buffers, variable.path => variable.array)
            variable.trained && (m.places[variable.array] = length(m.parameters))
        elseif owner.trained != variable.trained
            trained, constant = owner.trained ? (owner, variable) : (variable, owner)
            throw(BridgeError("'$(constant.path)' of $element",
                              "an array that is trained, as the same one at '$(trained.path)'",
                              "one that Optimisers.trainable leaves out"))
        end
    end
    return m
end

function layers_with_mode(model)
    found = Base.IdSet{Any}()
    visit(model) do _, node, _, _, _
        ismutable(node) && hasfield(typeof(node), :active) && Bool <: fieldtype(typeof(node), :active) && push!(found, node)
    end
    return collect(Any, found)
end

DiagramBridge.parameters(m::FluxModel) = m.parameters
DiagramBridge.buffers(m::FluxModel) = m.buffers
DiagramBridge.users_model(m::FluxModel) = m.model

"What a call leaves for the way back: Zygote's closure, with the context that it adds gradients of mutable structs up in."
struct Recorded
    back::Any
    context::Zygote.Context{false}
    inputs::Int  # how many
    sizes::Tuple # of the outputs
end

function DiagramBridge.evaluate(m::FluxModel, inputs::Tuple, mode::Mode)
    bring_back!(m)
    value, recorded = in_mode(m, DiagramBridge.is_train(mode)) do
        seeded(mode) do
            DiagramBridge.wants_tape(mode) || return m.model(inputs...), nothing
            return record(m.model, inputs, DiagramBridge.has_constant_inputs(mode))
        end
    end
    bring_back!(m)
    return value isa Tuple ? value : (value,), recorded
end

apply(model, inputs::Tuple) = model(inputs...)

# A C call that Zygote would try to differentiate.
ChainRulesCore.@non_differentiable DiagramBridge.checkpoint()

function record(model, inputs::Tuple, constant::Bool)
    context = Zygote.Context()
    # Zygote would compute the gradients of constants too: for a batch of data the largest product of all, as a rule.
    value, back = constant ? Zygote.pullback(m -> apply(m, inputs), context, model) :
                             Zygote.pullback(apply, context, model, inputs)
    return value, Recorded(back, context, length(inputs), value isa Tuple ? map(size, value) : (size(value),))
end

"Run `f` with every layer in train or in test mode, and put back what each was in."
function in_mode(f, m::FluxModel, train::Bool)
    before = map(layer -> layer.active, m.layers)
    try
        Flux.testmode!(m.model, !train) # a layer of the user's may have a method of its own
        foreach(layer -> layer.active = train, m.layers)
        return f()
    finally
        foreach((layer, active) -> layer.active = active, m.layers, before)
    end
end

"Run `f` with Julia's default generator seeded for this application in this call, and put the generator back."
function seeded(f, mode::Mode)
    generator = Random.default_rng()
    before = copy(generator)
    words = (mode.seed, mode.application)
    Random.seed!(generator, UInt32[(w >> s) % UInt32 for w in words for s in (0, 32)])
    try
        return f()
    finally
        copy!(generator, before)
    end
end

"""
A layer may give a field another array instead of writing into the one that it has. The array that PyTorch knows takes over
the values, and is put back.
"""
function bring_back!(m::FluxModel)
    for v in m.assignable
        now = getfield(v.holder, v.field)
        now === v.array && continue
        now isa AbstractArray && size(now) == size(v.array) ||
            throw(BridgeError("'$(v.path)' of $(m.element)", summary(v.array), summary(now)))
        copyto!(v.array, now)
        setfield!(v.holder, v.field, v.array)
    end
    return nothing
end

function DiagramBridge.pullback(m::FluxModel, recorded::Recorded, doutputs::Tuple)
    forget!(recorded.context)
    # A component without inputs gives one sample, which is a batch of one outside.
    shaped = map((d, size) -> eltype(d) <: AbstractFloat ? reshape(d, size) : nothing, doutputs, recorded.sizes)
    dmodel, dinputs = both(recorded.back(length(shaped) == 1 ? shaped[1] : shaped))
    gradients = Vector{Any}(nothing, length(m.parameters))
    add_gradients!(gradients, m, m.model, dmodel, sums(recorded.context))
    return inputs_of(dinputs, recorded.inputs), Tuple(gradients)
end

both(d::Tuple{Any,Any}) = d
both(d::Tuple{Any}) = (d[1], nothing)
both(::Nothing) = (nothing, nothing)
