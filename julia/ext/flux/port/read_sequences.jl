# Recurrent layers and attention of Flux's as portable layers.

const OneState = Union{Flux.RNN{false},Flux.LSTM{false},Flux.GRU{false}}
const AllStates = Union{Flux.RNN{true},Flux.LSTM{true},Flux.GRU{true}}

"Flux has one bias, torch two: the portable layer has one here."
function recurrent_of(w::Writer, at::Place, r)
    cell = r.cell
    hidden, inputs = size(cell.Wh, 2), size(cell.Wi, 2)
    bias = cell isa Flux.GRUCell ? cell.b : cell.bias
    options = (biases = Int(bias !== false),)
    weights = ("weight_ih" => transposed(cell.Wi), "weight_hh" => transposed(cell.Wh), "bias_ih" => bias)
    r isa Flux.LSTM && return Layers.lstm(inputs, hidden; options...), weights
    r isa Flux.GRU && return Layers.gru(inputs, hidden; options...), weights
    kind = cell.σ in (tanh, NNlib.tanh_fast) ? "tanh" : cell.σ === NNlib.relu ? "relu" :
           refuse_layer(at, r, "tanh or relu in a plain recurrence", string(cell.σ))
    return Layers.rnn(inputs, hidden; nonlinearity = kind, options...), weights
end

function read_layer!(w::Writer, at::Place, r::OneState, value)
    layer, weights = recurrent_of(w, at, r)
    return add!(w, at, r, layer, (single(w, at, r, value),), weights...)[1]
end

read_layer!(w::Writer, at::Place, r::AllStates, value) =
    refuse_layer(at, r, "the sequence alone (return_state = false)", "return_state = true")

read_layer!(w::Writer, at::Place, r::Flux.GRUv3, value) =
    refuse_layer(at, r, "Flux.GRU, whose reset gate multiplies the product as torch's does",
                 "GRUv3, whose gate multiplies the state before it")

read_layer!(w::Writer, at::Place, m::Flux.MultiHeadAttention, value::Int) = read_layer!(w, at, m, (value, value, value))

function read_layer!(w::Writer, at::Place, m::Flux.MultiHeadAttention, value::Tuple)
    length(value) == 2 && (value = (value[1], value[2], value[2]))
    width, query = size(m.q_proj.weight)
    keys, (values, of_value) = size(m.k_proj.weight, 2), size(m.v_proj.weight)
    out = size(m.out_proj.weight, 1)
    width == query == values == out ||
        refuse_layer(at, m, "one width of queries, heads and outputs", "$query => ($width, $values) => $out")
    m.attn_drop.p == 0 || refuse_layer(at, m, "no dropout of attention weights", "dropout_prob = $(m.attn_drop.p)")
    biases = map(d -> d.bias !== false, (m.q_proj, m.k_proj, m.v_proj, m.out_proj))
    allequal(biases) || refuse_layer(at, m, "all projections with a bias, or none", "some with one")
    all(d -> d.σ === identity, (m.q_proj, m.k_proj, m.v_proj, m.out_proj)) ||
        refuse_layer(at, m, "projections without activations", "some with one")
    layer = Layers.multi_head_attention(width, m.nheads; key_width = keys, value_width = of_value, bias = biases[1])
    sides = ("q" => m.q_proj, "k" => m.k_proj, "v" => m.v_proj, "out" => m.out_proj)
    weights = (("$(side)_weight" => transposed(dense.weight) for (side, dense) in sides)...,
               ("$(side)_bias" => dense.bias for (side, dense) in sides)...)
    return (add!(w, at, m, layer, value, weights...), nothing)
end
