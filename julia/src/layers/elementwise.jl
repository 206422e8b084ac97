# Element-wise functions that are not activations; formulas and derivatives are torch's.

"factor · x + shift."
struct Scale <: Activation
    factor::Float64
    shift::Float64
end

Scale(a::Attributes) = Scale(attribute(a, "factor", Float64), attribute(a, "shift", Float64))

@inline value(f::Scale, x::T) where {T} = x * T(f.factor) + T(f.shift)
@inline gradient(f::Scale, x::T, y::T, dy::T) where {T} = dy * T(f.factor)

"eˣ."
struct Exp <: Activation end

@inline value(::Exp, x::T) where {T} = vector_exp(x)
@inline gradient(::Exp, x::T, y::T, dy::T) where {T} = dy * y

"log x: −Inf at 0, NaN below."
struct Log <: Activation end

@inline value(::Log, x::T) where {T} = vector_log(x)
@inline gradient(::Log, x::T, y::T, dy::T) where {T} = dy / x

"√x: NaN below 0."
struct Sqrt <: Activation end

# Base's `sqrt` throws below 0.
@inline value(::Sqrt, x::T) where {T} = Core.Intrinsics.sqrt_llvm(x)
@inline gradient(::Sqrt, x::T, y::T, dy::T) where {T} = dy / (2y)

"The absolute value, with the gradient 0 at 0."
struct Abs <: Activation end

@inline value(::Abs, x::T) where {T} = abs(x)
@inline gradient(::Abs, x::T, y::T, dy::T) where {T} = ifelse(x > 0, dy, ifelse(x < 0, -dy, x)) # NaN stays NaN

"x²."
struct Square <: Activation end

@inline value(::Square, x::T) where {T} = x * x
@inline gradient(::Square, x::T, y::T, dy::T) where {T} = dy * (2x)

"x to the power of `exponent`: NaN below 0 unless the exponent is an integer."
struct Power <: Activation
    exponent::Float64
end

"x to the power of P, a small integer, as products."
struct WholePower{P} <: Activation end

const WHOLE_POWERS = (-2, -1, 3, 4)

function power(a::Attributes)
    p = attribute(a, "exponent", Float64)
    p == 2 && return Square()
    return p in WHOLE_POWERS ? WholePower{Int(p)}() : Power(p)
end

@inline product(x, ::Val{P}) where {P} = P < 0 ? inv(product(x, Val(-P))) : P == 1 ? x : product(x, Val(P - 1)) * x

@inline value(::WholePower{P}, x::T) where {P,T} = product(x, Val(P))
@inline gradient(::WholePower{P}, x::T, y::T, dy::T) where {P,T} = dy * (T(P) * product(x, Val(P - 1)))

@inline value(f::Power, x::T) where {T} = vector_power(x, f.exponent)
# At the exponent 0 it is 0 even where x⁻¹ is infinite.
@inline gradient(f::Power, x::T, y::T, dy::T) where {T} =
    ifelse(f.exponent == 0, zero(T), dy * (T(f.exponent) * vector_power(x, f.exponent - 1)))

"""
xᵖ. The logarithm is taken in Float64: an error in it is multiplied by p.
"""
@inline function vector_power(x::T, p::Float64) where {T}
    magnitude = T(vector_exp(p * vector_log(Float64(abs(x)))))
    whole = round(p) == p
    odd = whole & (round(p / 2) != p / 2)
    signed = ifelse(odd, copysign(magnitude, x), magnitude)
    return ifelse(p == 0, one(T), ifelse((x < 0) & !whole, T(NaN), signed))
end
