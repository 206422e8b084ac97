# The value of a named output.

"""
    evaluate(objective, output, batch; seed = 0) -> Array

The value of a named output in test mode: only what it needs is computed, and only its columns have to be in the batch. A term
without columns has no batch.
"""
function evaluate(o::Objective, output::AbstractString, batch; seed::Integer = 0)
    e = get!(() -> Evaluation(o, String(output)), o.evaluations, String(output))
    tape = open_tape(e.island, read_batch(e.loads, batch), Array[o.parameters[k].array for k in e.used],
                     Array[o.buffers[k].array for k in e.used_buffers])
    try
        # A model of the user's that is frozen in train mode writes to its buffers all the same.
        with_constant(() -> forward!(tape, Room[], Mode(UInt32(0), UInt32(0), seed % UInt64, UInt64(0))), e.buffers)
        value = tape.values[e.island.outputs[1]]
        return isempty(e.loads) ? reshape(copy(value), Base.front(size(value))) : copy(value)
    finally
        close(tape.lease)
    end
end

function Evaluation(o::Objective, output::String)
    program, registers = plan_outputs(o.diagram, [output], o.plan.placements, JULIA)
    fragment, loaded = Plans.whole(program, o.diagram, registers)
    used = [get(o.instances, c.name, nothing) for c in fragment.components]
    buffers = Array[b for instance in used if instance !== nothing for b in instance.buffers]
    return Evaluation(lower(fragment, used), loads(o.diagram, loaded), places(o.parameters, fragment),
                      portable_places(o.buffers, fragment), buffers)
end
