# The C structures of the ABI (docs/abi.md), and Julia arrays over the memory they describe.

const ABI_VERSION = UInt32(1)
const MAX_AXES = 16
const ELEMENT_TYPES = (Float32, Float64, Int32, Int64, Bool)

"dlpack.h's `DLTensor`: a row-major tensor in memory of the CPU."
struct DLTensor
    data::Ptr{Cvoid}
    device_type::Int32
    device_id::Int32
    ndim::Int32
    code::UInt8
    bits::UInt8
    lanes::UInt16
    shape::Ptr{Int64}
    strides::Ptr{Int64}
    byte_offset::UInt64
end

"""
How an island is to run: bit 0 of `flags` is train mode, bit 2 says that no gradient of an input will be asked for; bit 1,
whether there will be a way back at all, is set here, by whether the caller numbers a tape, and passed on where torch is
called. Bits 3 and 4 are for torch: seed its generator for the call, and one way back at most.
"""
struct Mode
    flags::UInt32
    pad::UInt32
    seed::UInt64
    application::UInt64
end

const TRAIN_FLAG = UInt32(1)
const GRAD_FLAG = UInt32(2)
const CONSTANT_FLAG = UInt32(4)
const SEEDED_FLAG = UInt32(8)
const ONCE_FLAG = UInt32(16)

is_train(m::Mode) = m.flags & TRAIN_FLAG != 0
wants_tape(m::Mode) = m.flags & GRAD_FLAG != 0
with_tape(m::Mode, id::UInt64) =
    Mode(id == 0 ? m.flags & ~GRAD_FLAG : m.flags | GRAD_FLAG, m.pad, m.seed, m.application)
has_constant_inputs(m::Mode) = m.flags & CONSTANT_FLAG != 0

"""
What comes back for one output or gradient. `tensor.data`, where it is not null, is the capacity the caller gives. The
callee sets `kind` and, with `ALIAS` and `VIEW`, which tensor it is; with `OWNED`, the id to release the memory by.
`tensor.shape` points to room for `MAX_AXES` sizes.
"""
struct Slot
    tensor::DLTensor
    kind::UInt64
    value::UInt64
end

const FILLED = UInt64(0) # the capacity holds it
const ALIAS = UInt64(1)  # it is the caller's tensor number `value`, …
const VIEW = UInt64(2)   # … or that tensor in another shape
const OWNED = UInt64(3)  # it lies in memory of ours until `value` is released
const ABSENT = UInt64(4) # there is none: zero

const CPU = Int32(1)
const SIGNED, UNSIGNED, FLOAT, BOOL = UInt8(0), UInt8(1), UInt8(2), UInt8(6)

code_bits(::Type{Float32}) = (FLOAT, UInt8(32))
code_bits(::Type{Float64}) = (FLOAT, UInt8(64))
code_bits(::Type{Int32}) = (SIGNED, UInt8(32))
code_bits(::Type{Int64}) = (SIGNED, UInt8(64))
code_bits(::Type{Bool}) = (BOOL, UInt8(8))

data_type(::Type{Float32}) = Schema.DATA_TYPE_FLOAT32
data_type(::Type{Float64}) = Schema.DATA_TYPE_FLOAT64
data_type(::Type{Int32}) = Schema.DATA_TYPE_INT32
data_type(::Type{Int64}) = Schema.DATA_TYPE_INT64
data_type(::Type{Bool}) = Schema.DATA_TYPE_BOOL

const NO_TENSOR = DLTensor(C_NULL, CPU, Int32(0), Int32(-1), UInt8(0), UInt8(0), UInt16(1), C_NULL, C_NULL, UInt64(0))

"The descriptors of a call's tensors, where the caller has them."
struct Descriptors
    at::Ptr{DLTensor}
    count::Int
end

Base.getindex(d::Descriptors, k::Int) = unsafe_load(d.at, k)
Base.length(d::Descriptors) = d.count

# Row-major without gaps; the stride of an axis of size 1 means nothing, and no axis of an empty tensor does.
function is_contiguous(t::DLTensor)
    t.strides == C_NULL && return true
    expected, gapless = 1, true
    for i in t.ndim:-1:1
        size = unsafe_load(t.shape, i)
        size == 0 && return true
        gapless &= size == 1 || unsafe_load(t.strides, i) == expected
        expected *= size
    end
    return gapless
end

"""
    wrap(tensor) -> Array

A Julia array over the tensor's own memory, axes reversed. Throws `Unsupported` unless it lies on the CPU, without gaps,
16-byte aligned (BLAS results change bits at 4 and 8 bytes), with elements of `ELEMENT_TYPES`.
"""
function wrap(t::DLTensor)
    is_plain(t) || throw(Unsupported())
    # A branch for each type, so that the common ones are known to the compiler.
    if t.code == FLOAT
        t.bits == 32 && return wrap_as(Float32, t)
        t.bits == 64 && return wrap_as(Float64, t)
    elseif t.code == SIGNED
        t.bits == 32 && return wrap_as(Int32, t)
        t.bits == 64 && return wrap_as(Int64, t)
    elseif t.code == BOOL && t.bits == 8
        return wrap_as(Bool, t)
    end
    throw(Unsupported())
end

"The same where element type and rank have been checked."
wrap(::Type{Array{T,N}}, t::DLTensor) where {T,N} = is_plain(t) ? wrap_sized(T, t, Val(N)) : throw(Unsupported())

is_plain(t::DLTensor) = t.device_type == CPU && t.lanes == 1 && t.ndim <= MAX_AXES && is_contiguous(t)

function wrap_as(::Type{T}, t::DLTensor) where {T}
    n = t.ndim
    n == 2 && return wrap_sized(T, t, Val(2))
    n == 1 && return wrap_sized(T, t, Val(1))
    n == 3 && return wrap_sized(T, t, Val(3))
    n == 4 && return wrap_sized(T, t, Val(4))
    return wrap_any(T, t)
end

@noinline wrap_any(::Type{T}, t::DLTensor) where {T} = wrap_sized(T, t, Val(Int(t.ndim)))

function wrap_sized(::Type{T}, t::DLTensor, ::Val{N}) where {T,N}
    dims = ntuple(i -> Int(unsafe_load(t.shape, N - i + 1)), Val(N))
    any(iszero, dims) && return Array{T,N}(undef, dims)
    address(t) % 16 == 0 || throw(Unsupported())
    return unsafe_wrap(Array, Ptr{T}(address(t)), dims)::Array{T,N}
end

"The bytes from `first` up to, and not including, `last`."
struct Span
    first::UInt
    last::UInt
end

Span(a::Array) = (start = address(a); Span(start, start + sizeof(a)))
address(a::Array) = UInt(pointer(a))
address(t::DLTensor) = UInt(t.data) + t.byte_offset

function Span(t::DLTensor)
    start, bytes = address(t), UInt(t.bits ÷ 8)
    for i in 1:t.ndim
        bytes *= unsafe_load(t.shape, i) % UInt
    end
    return Span(start, start + bytes)
end
Base.isempty(s::Span) = s.first == s.last

const NO_SPAN = Span(0, 0)
const NO_SPANS = Span[]

"Whether two spans are exactly the same bytes (and some)."
same(a::Span, b::Span) = a.first == b.first && a.last == b.last && !isempty(a)

"Whether two spans share a byte."
overlap(a::Span, b::Span) = a.first < b.last && b.first < a.last
overlap(a::Array, b::Array) = overlap(Span(a), Span(b))

"Whether an array has the sizes of a tensor, axes reversed."
has_sizes(a::Array{T,N}, t::DLTensor) where {T,N} =
    N == t.ndim && all(i -> size(a, i) == unsafe_load(t.shape, N - i + 1), 1:N)

"Call `f` on an array whose type is not known: the common types by branches, which cost less than a dispatch."
@inline function with_type(f::F, a) where {F}
    a isa Matrix{Float32} && return f(a)
    a isa Vector{Float32} && return f(a)
    a isa Matrix{Float64} && return f(a)
    a isa Vector{Float64} && return f(a)
    return f(a)
end

slot(out::Ptr{Slot}, k::Integer) = out + (k - 1) * sizeof(Slot)

const KIND_OFFSET = Int(fieldoffset(Slot, 2))
const VALUE_OFFSET = Int(fieldoffset(Slot, 3))

function answer(slot::Ptr{Slot}, kind::UInt64, value::UInt64 = UInt64(0))
    unsafe_store!(Ptr{UInt64}(slot + KIND_OFFSET), kind)
    unsafe_store!(Ptr{UInt64}(slot + VALUE_OFFSET), value)
    return nothing
end

"Describe an array in a slot: its element type and its sizes, row-major, and where it lies if that is ours to say."
function describe!(slot::Ptr{Slot}, a::Array{T,N}, data::Ptr = C_NULL) where {T,N}
    shape = unsafe_load(Ptr{DLTensor}(slot)).shape
    for i in 1:N
        unsafe_store!(shape, Int64(size(a, N - i + 1)), i)
    end
    code, bits = code_bits(T)
    tensor = DLTensor(data, CPU, Int32(0), Int32(N), code, bits, UInt16(1), shape, C_NULL, UInt64(0))
    unsafe_store!(Ptr{DLTensor}(slot), tensor)
    return nothing
end

