# Objectives that Julia drives for Python: what the control function is asked about them (control.proto). Columns, parameters
# and an optimizer's state lie in Python's memory.

function compile(r::Schema.Compile)
    diagram = read_bytes(r.diagram)
    placed = Dict{String,Runtime}(p.component => Runtime(Int32(p.runtime) - 1) for p in r.placements)
    bound = Dict{String,Bound}(c.component => bound_component(c) for c in r.components)
    made = Objective(diagram, plan(diagram, placed, JULIA), bound; seed = UInt64(0), seeds = false)
    return Schema.Compiled(objective = hold(made))
end

function bound_component(c::Schema.BoundComponent)
    c.instance == 0 || return held(Instance, c.instance)
    isempty(c.reference) || return TorchInstance(c.reference)
    return SharedVariables(Dict{String,Array}(v.path => shared_array(v) for v in c.variables))
end

"Columns by source, over Python's memory."
function columns(samples::Vector{Schema.Samples})
    found = Dict{String,Dict{String,Array}}()
    for s in samples
        get!(() -> Dict{String,Array}(), found, s.source)[s.column] = shared_array(s.values::Schema.Variable)
    end
    return found
end

"An array that Python will hold, described, and the number by which it gives it back."
lent(array::Array, path::String = "") =
    (Schema.Variable(path = path, data_type = data_type(eltype(array)), shape = UInt64[reverse(size(array))...],
                     address = address(array)), something(lend(array)))

function differentiate(r::Schema.Differentiate)
    o, batch = held(Objective, r.objective), columns(r.columns)
    if !r.gradients
        return differentiated(loss(o, batch; train = r.train, seed = r.seed), Schema.Gradient[])
    end
    losses, found = losses_and_gradients(o, batch; train = r.train, seed = r.seed)
    return differentiated(losses, [described_gradient(key, found[key]) for key in variable_keys(o) if haskey(found, key)])
end

"The names of the parameters that own their memory: those tied to them have the same gradient."
variable_keys(o::Objective) = [(v.component, v.path) for v in o.parameters[unique(o.owners)]]

function described_gradient((component, path)::Tuple{String,String}, array::Array)
    values, owner = lent(array, path)
    return Schema.Gradient(component = component, values = values, owner = owner)
end

differentiated(losses::Losses{T}, gradients::Vector{Schema.Gradient}) where {T} =
    Schema.Differentiated(data_type = data_type(T), total = losses.total, gradients = gradients,
                          agreements = Float64[last(pair) for pair in losses.agreements])

function evaluate(r::Schema.Evaluate)
    o = held(Objective, r.objective)
    diagram = isempty(r.diagram) ? o.diagram : read_bytes(r.diagram)
    values, owner = lent(evaluate(o, diagram, r.output, columns(r.columns), r.seed))
    return Schema.Evaluated(values = values, owner = owner)
end

"""
A training that Python has under way: `drawn` is the seed of the steps' seeds, `stepped` the names of the states in its
order.
"""
struct TrainingRun
    objective::Objective
    optimizer::Optimizer
    feed::Feed
    drawn::UInt64
    stepped::Vector{Tuple{String,String}}
end

function prepare(r::Schema.Prepare)
    sizes = Dict{String,Int}(b.source => Int(b.size) for b in r.batch_sizes)
    o, optimizer = held(Objective, r.objective), Optimizer(rule(r.optimizer, options(r.options)))
    arrays = Dict{Tuple{String,String},Array}((v.component, v.path) => v.array for v in o.parameters)
    for s in r.states
        state = ParameterState(optimizer.rule, arrays[s.component, s.path])
        slots = Dict{String,Array}(v.path => shared_array(v) for v in s.slots)
        state.step = s.steps
        state.slots = [slots[name] for name in slot_names(optimizer.rule)]
        optimizer.states[s.component, s.path] = state
    end
    training = TrainingRun(o, optimizer, Feed(columns(r.columns), sizes, r.order_seed), r.draw_seed,
                        [(s.component, s.path) for s in r.states])
    return Schema.Prepared(training = hold(training))
end

options(text::String) = parse_json(Vector{UInt8}(text))

function advance(r::Schema.Advance)
    t = held(TrainingRun, r.training)
    isempty(r.options) || (t.optimizer.rule = rule(rule_name(t.optimizer.rule), options(r.options)))
    answer = Schema.Advanced()
    for number in Int(r.first):(Int(r.first + r.steps) - 1)
        checkpoint()
        losses = step!(t.objective, t.optimizer, batch(t.feed, number); seed = order_words(t.drawn, number, "steps", 1)[1])
        push!(answer.totals, losses.total)
        append!(answer.agreements, last.(losses.agreements))
    end
    answer.steps = [steps_made(t.optimizer, key) for key in t.stepped]
    return answer
end

steps_made(optimizer::Optimizer, key::Tuple{String,String}) = UInt64(optimizer.states[key].step)
