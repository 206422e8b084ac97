# Recurrent layers. Flux's own cells are others: they have one bias, torch's two, of which a GRU's gate r multiplies one.

"""
A cell with torch's weights, rows in torch's order, and biases or `false`; `kind` is the portable layer, which says what a
step makes. `cell(state, x)` is the next state, of the features (inputs, batch) that `from_input` has multiplied.
"""
struct TorchCell{L<:DiagramBridge.Recurrent,W,V,B,C}
    kind::L
    weight_ih::W
    weight_hh::V
    bias_ih::B
    bias_hh::C
end

Flux.@layer TorchCell trainable=(weight_ih, weight_hh, bias_ih, bias_hh)

TorchCell(kind, weight_ih, weight_hh) = TorchCell(kind, weight_ih, weight_hh, false, false)
TorchCell(kind, weight_ih, weight_hh, bias_ih) = TorchCell(kind, weight_ih, weight_hh, bias_ih, false)

"What all steps get from their inputs, (rows, time, batch)."
function from_input(cell::TorchCell, x::AbstractArray)
    product = transpose(cell.weight_ih) * reshape(x, size(x, 1), size(x, 2) * size(x, 3))
    return reshape(product .+ cell.bias_ih, size(product, 1), size(x, 2), size(x, 3))
end

from_state(cell::TorchCell, h::AbstractMatrix) = transpose(cell.weight_hh) * h .+ cell.bias_hh

"The part of a gate, from 1, in the rows."
gate(rows::AbstractMatrix, k::Int, hidden::Int) = rows[((k - 1) * hidden + 1):(k * hidden), :]

function (cell::TorchCell{DiagramBridge.Lstm})((h, c), x)
    rows, n = x .+ from_state(cell, h), cell.kind.of.hidden
    i, f, o = map(k -> NNlib.sigmoid_fast.(gate(rows, k, n)), (1, 2, 4))
    next = f .* c .+ i .* NNlib.tanh_fast.(gate(rows, 3, n))
    return o .* NNlib.tanh_fast.(next), next
end

function (cell::TorchCell{DiagramBridge.Gru})((h,), x)
    rows, n = from_state(cell, h), cell.kind.of.hidden
    r, z = map(k -> NNlib.sigmoid_fast.(gate(x, k, n) .+ gate(rows, k, n)), (1, 2))
    new = NNlib.tanh_fast.(gate(x, 3, n) .+ r .* gate(rows, 3, n))
    return ((h .- new) .* z .+ new,)
end

(cell::TorchCell{<:DiagramBridge.Rnn})((h,), x) = (elementwise(cell.kind.activation)(x .+ from_state(cell, h)),)

"The states at all times, (hidden, time, batch), and the last state. `within`, (time, batch), is `nothing` where all is."
function run_cell(cell::TorchCell, x::AbstractArray, within, state::Tuple)
    size(x, 2) == 0 && return zeros(eltype(x), cell.kind.of.hidden, 0, size(x, 3)), state...
    # What lies after the end of a sequence may be NaN, which no product with 0 takes away.
    x = within === nothing ? x : ifelse.(reshape(within, 1, size(within)...), x, zero(eltype(x)))
    rows, steps = Flux.unstack(from_input(cell, x); dims = 2), size(x, 2)
    times = cell.kind.of.reverse ? (steps:-1:1) : (1:steps)
    made = []
    for time in times
        next = cell(state, rows[time])
        state = within === nothing ? next : map((new, old) -> ifelse.(within[time:time, :], new, old), next, state)
        made = vcat(made, [within === nothing ? state[1] : state[1] .* within[time:time, :]])
    end
    return stack(cell.kind.of.reverse ? reverse(made) : made; dims = 2), state...
end

function in_flux(layer::DiagramBridge.Recurrent)
    count = length(DiagramBridge.input_kinds(layer))
    function call(arguments...)
        inputs, parameters = arguments[1:count], arguments[(count + 1):end]
        x = inputs[1]
        lengths, initial = DiagramBridge.other_inputs(layer, inputs)
        within = lengths === nothing ? nothing : (1:size(x, 2)) .<= transpose(lengths)
        start = isempty(initial) ? ntuple(_ -> zeros(eltype(x), layer.of.hidden, size(x, 3)), DiagramBridge.states(layer)) :
                initial
        return run_cell(TorchCell(layer, parameters...), x, within, start)
    end
    return FluxLayer(layer, call)
end

function check_inputs(layer::DiagramBridge.Recurrent, parameters::Tuple, inputs::Tuple)
    DiagramBridge.check_inputs(layer, parameters, inputs)
    DiagramBridge.sequence_lengths(layer, inputs)
end

# The way back through tanh looks at the last cell.
DiagramBridge.reads(::FluxLayer{<:DiagramBridge.Recurrent}) =
    (inputs = true, values = true, parameters = Iterators.repeated(true))
