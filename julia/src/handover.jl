# How results reach the caller: in memory that it gave, as one of its own tensors, or in memory of ours that it borrows.

"""
Answers the slots of one call. `candidates` are the spans of the caller's `tensors` that a result may turn out to be, in
the numbering of ALIAS; `others` are tensors that a result must not share memory with in any other way; `placed` are results
already handed over, or `NO_SPANS` where there is only one.
"""
struct Handover{A,B,L<:Union{Lease,Nothing}}
    tensors::Descriptors
    candidates::A # a vector of spans or a tuple of them, like `others`
    others::B
    placed::Vector{Span}
    lease::L
end

Handover(tensors::Descriptors, candidates, others, results::Int, lease = nothing) =
    Handover(tensors, candidates, others, results == 1 ? NO_SPANS : Span[], lease)

remember!(h::Handover, span::Span) = h.placed === NO_SPANS || push!(h.placed, span)

"Hand one result over. Two storages of the caller's never lie over one memory: autograd would go wrong silently."
function hand_over!(h::Handover, slot::Ptr{Slot}, array::Array)
    span = Span(array)
    if isempty(span) # nothing to share: the caller makes an empty tensor of this shape
        describe!(slot, array)
        return answer(slot, OWNED, UInt64(0))
    end
    if UInt(unsafe_load(Ptr{DLTensor}(slot)).data) == span.first
        remember!(h, span)
        return answer(slot, FILLED)
    end
    k = find_same(span, h.candidates)
    if k != 0
        has_sizes(array, h.tensors[k]) && return answer(slot, ALIAS, UInt64(k - 1))
        describe!(slot, array)
        return answer(slot, VIEW, UInt64(k - 1))
    end
    if touches(span, h.candidates) || touches(span, h.others) || touches(span, h.placed)
        array = counted_copy(array)
    end
    return lend!(h, slot, array)
end

function find_same(span::Span, among)
    for (k, other) in enumerate(among)
        same(span, other) && return k
    end
    return 0
end

function touches(span::Span, among)
    for other in among
        overlap(span, other) && return true
    end
    return false
end

function lend!(h::Handover, slot::Ptr{Slot}, array::Array)
    h.lease === nothing || keep!(h.lease, array)
    id = lend(array)
    if id === nothing # it is lent already, from an earlier call
        array = counted_copy(array)
        id = lend(array)
    end
    remember!(h, Span(array))
    describe!(slot, array, pointer(array))
    return answer(slot, OWNED, id)
end

hand_over!(::Handover, slot::Ptr{Slot}, ::Nothing) = answer(slot, ABSENT)
