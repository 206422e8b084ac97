# Activations made of exp, tanh and the normal distribution.

"1 / (1 + exp(−x))."
struct Sigmoid <: Activation end

@inline value(::Sigmoid, x::T) where {T} = vector_sigmoid(x)
@inline gradient(::Sigmoid, x::T, y::T, dy::T) where {T} = dy * (1 - y) * y

"tanh(x)."
struct Tanh <: Activation end

@inline value(::Tanh, x::T) where {T} = vector_tanh(x)
@inline gradient(::Tanh, x::T, y::T, dy::T) where {T} = dy * (1 - y * y)

"x where x > 0, else alpha · (exp(x / width) − 1): `elu` has the width 1, `celu` the width alpha."
struct Elu <: Activation
    alpha::Float64
    width::Float64
end

@inline function value(f::Elu, x::T) where {T}
    ifelse(x > 0, x, T(f.alpha) * vector_expm1(at_most(x, zero(T)) * T(1 / f.width)))
end

# At 0 it is the left derivative, as in torch, which rounds the width to Float32 here in every precision.
@inline function gradient(f::Elu, x::T, y::T, dy::T) where {T}
    inverse = T(1 / Float64(Float32(f.width)))
    return ifelse(x > 0, dy, dy * inverse * T(f.alpha) * vector_exp(at_most(x, zero(T)) * inverse))
end

"x / (1 + exp(−x))."
struct Silu <: Activation end

@inline value(::Silu, x::T) where {T} = x / (1 + vector_exp(-x))
@inline function gradient(::Silu, x::T, y::T, dy::T) where {T}
    s = vector_sigmoid(x)
    return dy * s * (1 + x * (1 - s))
end

"log(1 + exp(x)), and x itself above 20."
struct Softplus <: Activation end

@inline function value(::Softplus, x::T) where {T}
    ifelse(x > 20, x, at_least(x, zero(T)) + vector_log1p(vector_exp(-abs(x))))
end
@inline function gradient(::Softplus, x::T, y::T, dy::T) where {T}
    e = vector_exp(at_most(x, T(20)))
    return ifelse(x > 20, dy, dy * (e / (1 + e)))
end

"x · tanh(log(1 + exp(x)))."
struct Mish <: Activation end

# With u = exp(x) (exp(x) + 2) the tanh is u / (u + 2). Above 30 it is 1, and u would overflow.
@inline mish_u(x::T) where {T} = (e = vector_exp(at_most(x, T(30))); e * (e + 2))

@inline function value(::Mish, x::T) where {T}
    u = mish_u(x)
    return x * (u / (u + 2))
end

@inline function gradient(::Mish, x::T, y::T, dy::T) where {T}
    u = mish_u(x)
    t = u / (u + 2)
    return dy * (t + x * vector_sigmoid(x) * (1 - t * t))
end

"x · Φ(x) with the normal distribution function Φ."
struct Gelu <: Activation end

@inline value(::Gelu, x::T) where {T} = x * vector_normal(x)[1]
@inline function gradient(::Gelu, x::T, y::T, dy::T) where {T}
    below, power = vector_normal(x)
    return dy * muladd(x * T(0.3989422804014327), power, below) # 1/√(2π)
end

"x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): torch's `approximate=\"tanh\"`."
struct TanhGelu <: Activation end

@inline gelu_tanh(x::T) where {T} = vector_tanh(T(0.7978845608028654) * (x + T(0.044715) * (x * x * x)))

@inline value(::TanhGelu, x::T) where {T} = x / 2 * (1 + gelu_tanh(x))
@inline function gradient(::TanhGelu, x::T, y::T, dy::T) where {T}
    t = gelu_tanh(x)
    inner = T(0.7978845608028654) * (1 + T(3 * 0.044715) * (x * x))
    return dy * ((1 + t) / 2 + x / 2 * (1 - t * t) * inner)
end

gelu(attributes::Attributes) = attribute(attributes, "approximate", String) == "tanh" ? TanhGelu() : Gelu()
