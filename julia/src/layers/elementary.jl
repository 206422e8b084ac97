# Elementary functions without branches or tables, so that a loop over them becomes vector instructions (Base's do
# not). Errors are at most 2.3 ulp (1 ulp for exp); the normal distribution's are at most 3 ulp of 1. The polynomials are
# weighted least-squares fits on Chebyshev nodes, computed with 60 digits; arguments are reduced as in fdlibm
# (https://netlib.org/fdlibm).

const Float = Union{Float32,Float64}

bits(::Type{Float32}) = Int32
bits(::Type{Float64}) = Int64
mantissa_bits(::Type{Float32}) = 23
mantissa_bits(::Type{Float64}) = 52
exponent_bias(::Type{Float32}) = Int32(127)
exponent_bias(::Type{Float64}) = Int64(1023)

# 1.5 · 2^mantissa_bits: adding it rounds to an integer, which is then in the last bits of the sum.
rounder(::Type{Float32}) = 1.2582912f7
rounder(::Type{Float64}) = 6.755399441055744e15

# The upper part of log 2 has so many zeros at its end that its product with an exponent is exact.
log2_upper(::Type{Float32}) = 0.693359375f0
log2_upper(::Type{Float64}) = 6.93147180369123816490e-01
log2_lower(::Type{Float32}) = -2.12194440f-4
log2_lower(::Type{Float64}) = 1.90821492927058770002e-10

# Below `exp_lowest` exp is 0, above `exp_highest` Inf; below `expm1_lowest` expm1 is −1.
exp_lowest(::Type{Float32}) = -104.0f0
exp_lowest(::Type{Float64}) = -746.0
exp_highest(::Type{Float32}) = 89.0f0
exp_highest(::Type{Float64}) = 710.0
expm1_lowest(::Type{Float32}) = -40.0f0
expm1_lowest(::Type{Float64}) = -80.0

# 2^(mantissa_bits + 2)
subnormal_scale(::Type{Float32}) = 3.3554432f7
subnormal_scale(::Type{Float64}) = 1.8014398509481984e16

# (exp(r) − 1 − r) / r² for abs(r) ≤ log(2)/2
exp_polynomial(::Type{Float32}) =
    (0.5000000085501914f0, 0.16666666797489185f0, 0.04166624738603347f0, 0.008333278400828557f0, 0.001394756996267299f0,
     0.00019911002229959496f0)
exp_polynomial(::Type{Float64}) =
    (0.5, 0.16666666666666685, 0.04166666666666672, 0.008333333333314968, 0.0013888888888861721, 0.00019841269901281318,
     2.4801587367415914e-5, 2.755723012798562e-6, 2.755723853406244e-7, 2.5113644555700476e-8, 2.0925421794585727e-9)

# (log((1+s)/(1−s))/s − 2)/s² in s² for abs(s) ≤ 0.1716
log_polynomial(::Type{Float32}) =
    (0.6666666655358557f0, 0.4000012243915181f0, 0.28550762791110645f0, 0.23331865129705373f0)
log_polynomial(::Type{Float64}) =
    (0.6666666666666666, 0.40000000000000885, 0.28571428570799456, 0.22222222392598603, 0.18181795550579888,
     0.15386244347884767, 0.13268653860320542, 0.13087827627497756)

# (1 − Φ(t)) exp(t²/2) as s times a polynomial in s = 1 / (1 + t · scale), for t ≥ 0
tail_scale(::Type{Float32}) = 0.35f0
tail_scale(::Type{Float64}) = 0.2
tail_polynomial(::Type{Float32}) =
    (0.13961957f0, 0.13989636f0, 0.11956405f0, 0.10663896f0, -0.02593167f0, 0.16347004f0, -0.2596291f0, 0.14593276f0,
     -0.029560994f0)
tail_polynomial(::Type{Float64}) =
    (0.0797884560087205, 0.07978846039228282, 0.07659679843468166, 0.07021586172751502, 0.06099878008039029,
     0.04998601428983903, 0.03631798124827162, 0.031899201118231156, -0.009282069582448454, 0.08232256928502873,
     -0.18448120869198883, 0.3642877725659348, -0.5720386297204926, 0.6958511552483023, -0.6558350369683662,
     0.4594037207032316, -0.22678161865244792, 0.07407541502919102, -0.014370210434980085, 0.0012565879191032247)

# NaN is neither less nor greater, so it passes through.
@inline at_most(x::T, bound::T) where {T<:Float} = ifelse(x > bound, bound, x)
@inline at_least(x::T, bound::T) where {T<:Float} = ifelse(x < bound, bound, x)

@inline power_of_two(::Type{T}, k::Integer) where {T<:Float} =
    reinterpret(T, (k + exponent_bias(T)) << mantissa_bits(T))

"x = k log 2 + r with abs(r) ≤ log(2)/2: k as an integer, and exp(r) − 1."
@inline function reduce_exp(x::T) where {T<:Float}
    shifted = muladd(x, T(1.4426950408889634), rounder(T))
    k = reinterpret(bits(T), shifted) - reinterpret(bits(T), rounder(T))
    n = shifted - rounder(T)
    r = muladd(n, -log2_lower(T), muladd(n, -log2_upper(T), x))
    return k, muladd(r * r, evalpoly(r, exp_polynomial(T)), r)
end

"exp(x)"
@inline function vector_exp(x::T) where {T<:Float}
    k, p = reduce_exp(at_most(at_least(x, exp_lowest(T)), exp_highest(T)))
    half = k >> 1 # 2^k itself may be out of range
    return (p + one(T)) * power_of_two(T, half) * power_of_two(T, k - half)
end

"exp(x) − 1 for x ≤ 80"
@inline function vector_expm1(x::T) where {T<:Float}
    k, p = reduce_exp(at_least(x, expm1_lowest(T)))
    scale = power_of_two(T, k)
    return muladd(scale, p, scale - one(T))
end

"1 / (1 + exp(−x))"
@inline vector_sigmoid(x::T) where {T<:Float} = one(T) / (one(T) + vector_exp(-x))

"tanh(x), of u = exp(2 abs(x)) − 1 as u / (u + 2)"
@inline function vector_tanh(x::T) where {T<:Float}
    u = vector_expm1(at_most(2abs(x), T(40)))
    return copysign(u / (u + 2), x)
end

"log(1 + z) for z from 0 to 1"
@inline function vector_log1p(z::T) where {T<:Float}
    halve = z > T(0.41421356)
    f = ifelse(halve, (z - 1) / 2, z) # 1 + f is 1 + z or half of it, and between √½ and √2
    s = f / (2 + f)
    logarithm = f - s * (f - s * s * evalpoly(s * s, log_polynomial(T)))
    return logarithm + ifelse(halve, T(0.6931471805599453), zero(T))
end

"log(x)"
@inline function vector_log(x::T) where {T<:Float}
    # x is 2^k (1 + f) with 1 + f between √½ and √2; subnormal numbers are made normal first.
    small = x < floatmin(T)
    i = reinterpret(bits(T), ifelse(small, x * subnormal_scale(T), x))
    k = (i - reinterpret(bits(T), T(0.7071067811865476))) >> mantissa_bits(T)
    f = reinterpret(T, i - k << mantissa_bits(T)) - 1
    s = f / (2 + f)
    n = T(k - ifelse(small, bits(T)(mantissa_bits(T) + 2), zero(bits(T))))
    logarithm = f - s * (f - s * s * evalpoly(s * s, log_polynomial(T)))
    finite = muladd(n, log2_upper(T), muladd(n, log2_lower(T), logarithm))
    return ifelse(x > 0, ifelse(x < T(Inf), finite, x), ifelse(x == 0, T(-Inf), T(NaN)))
end

"Φ(x) of the normal distribution, and its density times √(2π). The exponential is all that is slow, and both have it."
@inline function vector_normal(x::T) where {T<:Float}
    power, s = vector_exp(x * x * T(-0.5)), one(T) / muladd(tail_scale(T), abs(x), one(T))
    tail = power * (s * evalpoly(s, tail_polynomial(T)))
    return ifelse(x < 0, tail, one(T) - tail), power
end
