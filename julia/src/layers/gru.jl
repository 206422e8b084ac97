"""
A gated recurrent unit with torch's equations (torch.nn.GRU): with r, z = σ(W_ih x + b_ih + W_hh h + b_hh) and
n = tanh(W_ih x + b_ih + r·(W_hh h + b_hh)), rows in the order r, z, n, the state becomes (1 − z)·n + z·h.
"""
struct Gru <: Recurrent
    of::Recurrence
end

Gru(a::Attributes) = Gru(Recurrence(a))

operation(::Gru) = "gru"
gates(::Gru) = 3

function run_steps(
    layer::Gru, x::Array{T,3}, weight_ih::Matrix{T}, weight_hh::Matrix{T}, biases::Tuple, lengths::Vector{Int},
    initial::Tuple, memory::Memory,
) where {T}
    hidden, (_, steps, batch) = layer.of.hidden, size(x)
    y = output!(memory, 1, T, (hidden, steps, batch))
    xs = in_steps(layer, x, lengths, memory)
    activated = from_inputs(xs, weight_ih, biases[1], memory)
    h = state_sequence(initial[1], hidden, batch, steps, memory)
    # What the gates get from the state before; of it the part for n is kept for the way back.
    from_state, of_n = scratch!(memory, T, (3hidden, batch)), scratch!(memory, T, (hidden, batch, steps))
    bias = biases[2]
    rows, bytes = 3hidden, sizeof(T)
    weight, order, leading = for_steps(weight_hh, steps, memory)
    GC.@preserve y activated h from_state of_n weight for step in 1:steps
        before = (step - 1) * batch
        gates_at, h_at = pointer(activated) + before * rows * bytes, pointer(h) + before * hidden * bytes
        of_n_at, time = pointer(of_n) + before * hidden * bytes, time_of(layer, step, steps)
        isempty(bias) || fill_columns!(from_state, bias, batch)
        gemm!(order, 'N', rows, batch, hidden, pointer(weight), leading, h_at, hidden, T(!isempty(bias)),
              pointer(from_state), rows)
        parts(batch, least_columns(hidden)) do first, last, _
            for b in first:last
                o, next = (b - 1) * hidden * bytes, (batch + b - 1) * hidden * bytes
                to = pointer(y) + ((b - 1) * steps + time - 1) * hidden * bytes
                if is_over(lengths, b, time)
                    copy_run!(h_at + next, h_at + o, hidden)
                    fill_run!(to, zero(T), hidden)
                else
                    gru_column!(to, h_at + next, of_n_at + o, gates_at + 3o, pointer(from_state) + 3o, h_at + o, hidden)
                end
            end
        end
    end
    return (y, last_state(h, 2, memory)), (xs, h, activated, of_n)
end

"One step of one sequence: `gates` has what the gates get from the input, and then their values."
function gru_column!(
    y::Ptr{T}, h::Ptr{T}, of_n::Ptr{T}, gates::Ptr{T}, from_state::Ptr{T}, h_before::Ptr{T}, n::Int,
) where {T}
    @simd ivdep for j in 1:2n
        unsafe_store!(gates, vector_sigmoid(unsafe_load(gates, j) + unsafe_load(from_state, j)), j)
    end
    @simd ivdep for j in 1:n
        r, z, s = unsafe_load(gates, j), unsafe_load(gates, n + j), unsafe_load(from_state, 2n + j)
        new = vector_tanh(unsafe_load(gates, 2n + j) + r * s)
        state = (unsafe_load(h_before, j) - new) * z + new
        unsafe_store!(gates, new, 2n + j)
        unsafe_store!(of_n, s, j)
        unsafe_store!(h, state, j)
        unsafe_store!(y, state, j)
    end
end

function pull_steps(layer::Gru, weight::Matrix, lengths::Vector{Int}, residual::Tuple, dvalues::Tuple, memory::Memory)
    _, h, activated, of_n = residual
    return gru_gradients(layer, weight, lengths, h, activated, of_n, dvalues[1], dvalues[2], memory)
end

function gru_gradients(
    layer::Gru, weight::Matrix{T}, lengths::Vector{Int}, h::Array{T,3}, activated::Array{T,3}, of_n::Array{T,3},
    dy::Array{T,3}, dh_last::Matrix{T}, memory::Memory,
) where {T}
    hidden, steps, batch = size(dy)
    # For r and z both are the same; n gets what it gets from the state through r.
    from_input, from_state = scratch!(memory, T, size(activated)), scratch!(memory, T, size(activated))
    dh = copyto!(scratch!(memory, T, (hidden, batch)), dh_last)
    rows, bytes = 3hidden, sizeof(T)
    GC.@preserve weight h activated of_n dy from_input from_state dh for step in steps:-1:1
        before, time = (step - 1) * batch, time_of(layer, step, steps)
        gates_at, h_at = pointer(activated) + before * rows * bytes, pointer(h) + before * hidden * bytes
        of_n_at = pointer(of_n) + before * hidden * bytes
        input_at, state_at = pointer(from_input) + before * rows * bytes, pointer(from_state) + before * rows * bytes
        parts(batch, least_columns(hidden)) do first, last, _
            for b in first:last
                o = (b - 1) * hidden * bytes
                if is_over(lengths, b, time)
                    fill_run!(input_at + 3o, zero(T), rows)
                    fill_run!(state_at + 3o, zero(T), rows)
                else
                    dy_at = pointer(dy) + ((b - 1) * steps + time - 1) * hidden * bytes
                    gru_column_gradient!(input_at + 3o, state_at + 3o, pointer(dh) + o, dy_at, gates_at + 3o, of_n_at + o,
                                         h_at + o, hidden)
                end
            end
        end
        gemm!('N', 'N', hidden, batch, rows, pointer(weight), hidden, state_at, rows, one(T), pointer(dh), hidden)
    end
    return from_input, from_state, (dh,)
end

# `dh` becomes what goes round the weight; the product with the weight is added to it.
function gru_column_gradient!(
    from_input::Ptr{T}, from_state::Ptr{T}, dh::Ptr{T}, dy::Ptr{T}, gates::Ptr{T}, of_n::Ptr{T}, h_before::Ptr{T}, n::Int,
) where {T}
    @simd ivdep for j in 1:n
        r, z, new = unsafe_load(gates, j), unsafe_load(gates, n + j), unsafe_load(gates, 2n + j)
        d = unsafe_load(dy, j) + unsafe_load(dh, j)
        dn = d * (1 - z) * (1 - new * new)
        dz = d * (unsafe_load(h_before, j) - new) * z * (1 - z)
        dr = dn * unsafe_load(of_n, j) * r * (1 - r)
        unsafe_store!(from_input, dr, j)
        unsafe_store!(from_input, dz, n + j)
        unsafe_store!(from_input, dn, 2n + j)
        unsafe_store!(from_state, dr, j)
        unsafe_store!(from_state, dz, n + j)
        unsafe_store!(from_state, dn * r, 2n + j)
        unsafe_store!(dh, d * z, j)
    end
end
