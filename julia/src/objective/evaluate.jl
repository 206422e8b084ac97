# The value of a named output.

"""
    evaluate(objective, output, batch; seed = 0) -> Array

The value of a named output in test mode: only what it needs is computed, and only its columns have to be in the batch. A
term without columns has no batch.
"""
evaluate(o::Objective, output::AbstractString, batch; seed::Integer = 0) =
    evaluate(o, o.diagram, String(output), batch, seed % UInt64)

# `diagram` is the objective's with more outputs.
function evaluate(o::Objective, diagram::Diagram, output::String, batch, seed::UInt64)
    begin_pass()
    e = get!(() -> Evaluation(o, diagram, output), o.evaluations, (output, digest(diagram)))
    tape = open_tape(e.island, read_batch(e.loads, batch), Array[o.parameters[k].array for k in e.used],
                     Array[o.buffers[k].array for k in e.used_buffers])
    value = try
        # A model of the user's that is frozen in train mode writes to its buffers all the same.
        with_constant(() -> forward!(tape, Room[], Mode(UInt32(0), UInt32(0), seed, UInt64(0))), e.buffers)
        copy(tape.values[e.island.outputs[1]])
    finally
        close(tape)
    end
    give_back()
    return isempty(e.loads) ? reshape(value, Base.front(size(value))) : value
end

function Evaluation(o::Objective, diagram::Diagram, output::String)
    program, registers = plan_outputs(diagram, [output], o.plan.placements, JULIA)
    fragment, loaded = Plans.whole(program, diagram, registers)
    parts = torch_parts(program, diagram, o.bound; seeds = o.seeds, constant_buffers = true)
    models = steps_of(o.bound, fragment)
    buffers = Array[b for model in models if model isa Instance for b in model.buffers]
    return Evaluation(lower(fragment, models, parts), loads(diagram, loaded), places(o.parameters, fragment),
                      places_run_here(o.buffers, fragment, models), buffers)
end
