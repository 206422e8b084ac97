# How results reach the caller: in memory that it gave, as one of its own tensors, or in memory of ours that it borrows.

"""
Answers the slots of one call. `candidates` are the caller's tensors that a result may turn out to be, in the numbering
of ALIAS; `others` are tensors that a result must not share memory with in any other way; `placed` are results already
handed over.
"""
struct Handover
    candidates::Vector{Span}
    others::Vector{Span}
    placed::Vector{Span}
    lease::Lease
end

Handover(candidates::Vector{Span}, others::Vector{Span}, lease::Lease) = Handover(candidates, others, Span[], lease)

"Hand one result over. Two storages of the caller's never lie over one memory: autograd would go wrong silently."
function hand_over!(h::Handover, slot::Ptr{Slot}, array::Array)
    span = Span(array)
    if isempty(span) # nothing to share: the caller makes an empty tensor of this shape
        describe!(slot, array)
        return answer(slot, OWNED, UInt64(0))
    end
    if UInt(unsafe_load(Ptr{DLTensor}(slot)).data) == span.first
        push!(h.placed, span)
        return answer(slot, FILLED)
    end
    k = findfirst(c -> same(span, c), h.candidates)
    if k !== nothing
        describe!(slot, array)
        return answer(slot, ALIAS, UInt64(k - 1))
    end
    touches(c) = overlap(span, c)
    if any(touches, h.candidates) || any(touches, h.others) || any(touches, h.placed)
        array = counted_copy(array)
    end
    return lend!(h, slot, array)
end

function lend!(h::Handover, slot::Ptr{Slot}, array::Array)
    keep!(h.lease, array)
    id = lend(array)
    if id === nothing # it is lent already, from an earlier call
        array = counted_copy(array)
        id = lend(array)
    end
    push!(h.placed, Span(array))
    describe!(slot, array)
    return answer(slot, OWNED, id)
end

hand_over!(::Handover, slot::Ptr{Slot}, ::Nothing) = answer(slot, ABSENT)
