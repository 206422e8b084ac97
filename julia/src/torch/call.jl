# Calls of torch's islands: arrays described, results taken from slots.

const NO_ADDRESS = Ptr{Int64}(C_NULL)

"Descriptors of arrays (`nothing` has rank −1), with the sizes that they point to."
function describe_arrays(arrays::Vector)
    sizes = Int64[]
    for a in arrays
        a === nothing || append!(sizes, reverse(size(a)))
    end
    tensors, place = DLTensor[], 0
    for a in arrays
        a === nothing ? push!(tensors, NO_TENSOR) : push!(tensors, descriptor(a, pointer(sizes, 1) + 8 * place))
        a === nothing || (place += ndims(a))
    end
    return tensors, sizes
end

function descriptor(a::Array{T,N}, sizes::Ptr{Int64}) where {T,N}
    return DLTensor(pointer(a), CPU, Int32(0), Int32(N), code_bits(T)..., UInt16(1), sizes, NO_ADDRESS, UInt64(0))
end

"Slots for `n` results, with room for their sizes."
function empty_slots(n::Int)
    rooms = zeros(Int64, n * MAX_AXES)
    at(k) = pointer(rooms) + sizeof(Int64) * MAX_AXES * (k - 1)
    return [Slot(DLTensor(C_NULL, CPU, 0, 0, 0, 0, 1, at(k), NO_ADDRESS, 0), ABSENT, 0) for k in 1:n], rooms
end

"""
    torch_forward(island, mode, inputs, parameters, outputs, tape) -> Vector

Call torch's island; what it leaves is held under the tape's number, and `tape` is told what it refers to.
"""
function torch_forward(island::UInt64, mode::Mode, inputs::Vector, parameters::Vector, outputs::Int, tape::TorchTape)
    passed = vcat(inputs, parameters)
    append!(tape.memory, inputs)
    tensors, sizes = describe_arrays(passed)
    out, rooms = empty_slots(outputs)
    GC.@preserve passed sizes rooms begin
        call_forward(island, Ref(mode), tensors, out, tape.id)
        COUNTS.forwards += 1
        foreach(t -> count_bytes(Span(t)), tensors)
        return Any[result(s, passed, tape) for s in out]
    end
end

"""
    torch_backward(island, tape, gradients, needs) -> Vector

The gradients of an island's inputs and parameters, `nothing` for those that are zero or not needed.
"""
function torch_backward(island::UInt64, tape::TorchTape, gradients::Vector, needs::Vector{Bool})
    append!(tape.memory, Array[g for g in gradients if g !== nothing])
    tensors, sizes = describe_arrays(gradients)
    din, rooms = empty_slots(length(needs))
    GC.@preserve gradients sizes rooms begin
        call_backward(island, tape.id, tensors, din, UInt8.(needs))
        COUNTS.backwards += 1
        foreach(t -> t.ndim < 0 || count_bytes(Span(t)), tensors)
        return Any[result(s, gradients, tape) for s in din]
    end
end

"What a slot tells of: one of the arrays that were passed, or an array over Python's memory, which the tape gives back."
function result(s::Slot, passed::Vector, tape::TorchTape)
    s.kind == ABSENT && return nothing
    s.kind == ALIAS && return passed[s.value + 1]
    dims = Tuple(Int(unsafe_load(s.tensor.shape, i)) for i in s.tensor.ndim:-1:1)
    s.kind == VIEW && return reshape(passed[s.value + 1], dims)
    s.kind == OWNED || throw(BridgeError("a torch component", "results in memory of its own", "kind $(s.kind)"))
    T = type_of_code(s.tensor.code, s.tensor.bits)
    s.value == 0 && return Array{T}(undef, dims)
    push!(tape.results, s.value)
    return unsafe_wrap(Array, Ptr{T}(s.tensor.data), dims)
end

function type_of_code(code::UInt8, bits::UInt8)
    for T in ELEMENT_TYPES
        code_bits(T) == (code, bits) && return T
    end
    throw(BridgeError("a torch component", "elements of $(join(ELEMENT_TYPES, ", "))", "DLPack type $code, $bits bits"))
end
