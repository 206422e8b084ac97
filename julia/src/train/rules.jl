# The portable optimizers: torch's formulas with torch's defaults, and its order of operations, so that both languages
# agree to the last bits.

"""
How an optimizer steps one parameter. A rule's fields are its options, under torch's names and in the order in which
they are written. `slot_names(rule)` are the arrays it keeps for each parameter, under torch's names.
"""
abstract type Rule end

"""
    SGD(; lr = 0.001, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false, maximize = false)

p ← p − lr b with b ← momentum b + (1 − dampening) g; the first b is g. With `nesterov` it is g + momentum b.
(`torch.optim.SGD`)
"""
struct SGD <: Rule
    lr::Float64
    momentum::Float64
    dampening::Float64
    weight_decay::Float64
    nesterov::Bool
    maximize::Bool
end

SGD(; lr = 0.001, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false, maximize = false) =
    accepted(SGD(lr, momentum, dampening, weight_decay, nesterov, maximize))

"""
    Adam(; lr = 0.001, betas = (0.9, 0.999), eps = 1e-8, weight_decay = 0, amsgrad = false, maximize = false)

Kingma and Ba, arXiv 1412.6980, with ε outside the root; `amsgrad` as in Reddi, Kale and Kumar, arXiv 1904.09237.
(`torch.optim.Adam`)
"""
struct Adam <: Rule
    lr::Float64
    betas::Tuple{Float64,Float64}
    eps::Float64
    weight_decay::Float64
    amsgrad::Bool
    maximize::Bool
end

Adam(; lr = 0.001, betas = (0.9, 0.999), eps = 1e-8, weight_decay = 0, amsgrad = false, maximize = false) =
    accepted(Adam(lr, Tuple(betas), eps, weight_decay, amsgrad, maximize))

"""
    AdamW(; lr = 0.001, betas = (0.9, 0.999), eps = 1e-8, weight_decay = 0.01, amsgrad = false, maximize = false)

Adam whose weight decay is p ← (1 − lr weight_decay) p, apart from the gradient. (Loshchilov and Hutter, arXiv
1711.05101; `torch.optim.AdamW`)
"""
struct AdamW <: Rule
    lr::Float64
    betas::Tuple{Float64,Float64}
    eps::Float64
    weight_decay::Float64
    amsgrad::Bool
    maximize::Bool
end

AdamW(; lr = 0.001, betas = (0.9, 0.999), eps = 1e-8, weight_decay = 0.01, amsgrad = false, maximize = false) =
    accepted(AdamW(lr, Tuple(betas), eps, weight_decay, amsgrad, maximize))

"""
    RMSProp(; lr = 0.01, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0, centered = false, maximize = false)

p ← p − lr g / (√v + ε) with v ← alpha v + (1 − alpha) g²; `centered` takes the square of the mean gradient from v.
(`torch.optim.RMSprop`)
"""
struct RMSProp <: Rule
    lr::Float64
    alpha::Float64
    eps::Float64
    weight_decay::Float64
    momentum::Float64
    centered::Bool
    maximize::Bool
end

RMSProp(;
    lr = 0.01, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0, centered = false, maximize = false,
) = accepted(RMSProp(lr, alpha, eps, weight_decay, momentum, centered, maximize))

"By the name that files and callers use."
const RULES = Dict{String,Type{<:Rule}}("sgd" => SGD, "adam" => Adam, "adamw" => AdamW, "rmsprop" => RMSProp)

"""
    rule_name(rule::Rule) -> String

The name of a rule in files: "sgd", "adam", "adamw" or "rmsprop".
"""
rule_name(rule::Rule) = lowercase(string(nameof(typeof(rule))))

slot_names(rule::SGD) = rule.momentum == 0 ? () : ("momentum_buffer",)
slot_names(rule::Union{Adam,AdamW}) =
    rule.amsgrad ? ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") : ("exp_avg", "exp_avg_sq")
slot_names(rule::RMSProp) = (
    "square_avg", (rule.momentum > 0 ? ("momentum_buffer",) : ())..., (rule.centered ? ("grad_avg",) : ())...,
)

"Whether torch keeps a count of steps for each parameter."
counts_steps(::Rule) = true
counts_steps(::SGD) = false

"The rule, if torch would take its options."
function accepted(rule::Rule)
    at_least_zero(option, value) = value >= 0 ||
        throw(BridgeError("optimizer '$(rule_name(rule))', option '$option'", "a number from 0", string(value)))
    for option in (:lr, :eps, :weight_decay, :momentum, :alpha)
        hasfield(typeof(rule), option) && at_least_zero(option, getfield(rule, option))
    end
    if rule isa Union{Adam,AdamW} && !all(beta -> 0 <= beta < 1, rule.betas)
        element = "optimizer '$(rule_name(rule))', option 'betas'"
        throw(BridgeError(element, "two numbers from 0 to below 1", string(rule.betas)))
    end
    if rule isa SGD && rule.nesterov && (rule.momentum <= 0 || rule.dampening != 0)
        throw(BridgeError("optimizer 'sgd', option 'nesterov'", "a momentum and no dampening",
                          "momentum $(rule.momentum), dampening $(rule.dampening)"))
    end
    return rule
end

"""
    rule(name, options) -> Rule

The rule of a name, with options by name (torch's); those that are not given have torch's defaults.

```jldoctest
julia> DiagramBridge.rule("sgd", Dict{String,Any}("lr" => 0.5)).lr
0.5
```
"""
function rule(name::String, options::Dict{String,Any})
    haskey(RULES, name) || throw(BridgeError("the optimizer", "one of $(sort!(collect(keys(RULES))))", "'$name'"))
    R = RULES[name]
    for (option, value) in options
        element = "optimizer '$name', option '$option'"
        Symbol(option) in fieldnames(R) ||
            throw(BridgeError(element, "one of $(join(fieldnames(R), ", "))", "none of them"))
        check_option(fieldtype(R, Symbol(option)), value, element)
    end
    return R(; (Symbol(option) => value for (option, value) in options)...)
end

check_option(::Type{Bool}, value, element::String) =
    value isa Bool || throw(BridgeError(element, "true or false", repr(value)))
check_option(::Type{Float64}, value, element::String) =
    is_number(value) || throw(BridgeError(element, "a number", repr(value)))
function check_option(::Type{Tuple{Float64,Float64}}, value, element::String)
    value isa Union{Tuple,Vector} && length(value) == 2 && all(is_number, value) ||
        throw(BridgeError(element, "two numbers", repr(value)))
end

is_number(x) = x isa Real && !(x isa Bool)

"""
    rule_options(rule::Rule) -> Dict{String,Any}

The options of a rule by name: numbers, truth values, and a vector of two for `betas`.
"""
rule_options(rule::Rule) = Dict{String,Any}(
    string(name) => (value = getfield(rule, name); value isa Tuple ? collect(value) : value)
    for name in fieldnames(typeof(rule))
)
