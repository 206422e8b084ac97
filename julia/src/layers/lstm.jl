"""
A long short-term memory with torch's equations (torch.nn.LSTM): with the gates i, f, o = σ(…) and g = tanh(…) of
W_ih x + b_ih + W_hh h + b_hh, rows in the order i, f, g, o, the cell becomes f·c + i·g and the hidden state o·tanh(c).
"""
struct Lstm <: Recurrent
    of::Recurrence
end

Lstm(a::Attributes) = Lstm(Recurrence(a))

operation(::Lstm) = "lstm"
gates(::Lstm) = 4
states(::Lstm) = 2

function run_steps(
    layer::Lstm, x::Array{T,3}, weight_ih::Matrix{T}, weight_hh::Matrix{T}, biases::Tuple, lengths::Vector{Int},
    initial::Tuple, memory::Memory,
) where {T}
    hidden, (_, steps, batch) = layer.of.hidden, size(x)
    y = output!(memory, 1, T, (hidden, steps, batch))
    xs = in_steps(layer, x, lengths, memory)
    activated = from_inputs(xs, weight_ih, joint_bias(biases, memory), memory)
    h = state_sequence(initial[1], hidden, batch, steps, memory)
    c = state_sequence(initial[2], hidden, batch, steps, memory)
    tanh_c = scratch!(memory, T, (hidden, batch, steps))
    rows, bytes = 4hidden, sizeof(T)
    weight, order, leading = for_steps(weight_hh, steps, memory)
    GC.@preserve y activated h c tanh_c weight for step in 1:steps
        before, time = (step - 1) * batch, time_of(layer, step, steps)
        gates_at, h_at = pointer(activated) + before * rows * bytes, pointer(h) + before * hidden * bytes
        c_at, tanh_at = pointer(c) + before * hidden * bytes, pointer(tanh_c) + before * hidden * bytes
        gemm!(order, 'N', rows, batch, hidden, pointer(weight), leading, h_at, hidden, one(T), gates_at, rows)
        parts(batch, least_columns(hidden)) do first, last, _
            for b in first:last
                o, next = (b - 1) * hidden * bytes, (batch + b - 1) * hidden * bytes
                to = pointer(y) + ((b - 1) * steps + time - 1) * hidden * bytes
                if is_over(lengths, b, time)
                    copy_run!(h_at + next, h_at + o, hidden)
                    copy_run!(c_at + next, c_at + o, hidden)
                    fill_run!(to, zero(T), hidden)
                else
                    lstm_column!(to, h_at + next, c_at + next, tanh_at + o, gates_at + 4o, c_at + o, hidden)
                end
            end
        end
    end
    return (y, last_state(h, 2, memory), last_state(c, 3, memory)), (xs, h, activated, c, tanh_c)
end

"One step of one sequence: `gates` has what the gates get, and then their values."
function lstm_column!(y::Ptr{T}, h::Ptr{T}, c::Ptr{T}, tanh_c::Ptr{T}, gates::Ptr{T}, c_before::Ptr{T}, n::Int) where {T}
    @simd ivdep for j in 1:2n
        unsafe_store!(gates, vector_sigmoid(unsafe_load(gates, j)), j)
    end
    @simd ivdep for j in 2n+1:3n
        unsafe_store!(gates, vector_tanh(unsafe_load(gates, j)), j)
    end
    @simd ivdep for j in 1:n
        o = vector_sigmoid(unsafe_load(gates, 3n + j))
        cell = unsafe_load(gates, n + j) * unsafe_load(c_before, j) + unsafe_load(gates, j) * unsafe_load(gates, 2n + j)
        t = vector_tanh(cell)
        unsafe_store!(gates, o, 3n + j)
        unsafe_store!(c, cell, j)
        unsafe_store!(tanh_c, t, j)
        unsafe_store!(h, o * t, j)
        unsafe_store!(y, o * t, j)
    end
end

function pull_steps(layer::Lstm, weight::Matrix, lengths::Vector{Int}, residual::Tuple, dvalues::Tuple, memory::Memory)
    _, _, activated, c, tanh_c = residual
    return lstm_gradients(layer, weight, lengths, activated, c, tanh_c, dvalues..., memory)
end

function lstm_gradients(
    layer::Lstm, weight::Matrix{T}, lengths::Vector{Int}, activated::Array{T,3}, c::Array{T,3}, tanh_c::Array{T,3},
    dy::Array{T,3}, dh_last::Matrix{T}, dc_last::Matrix{T}, memory::Memory,
) where {T}
    hidden, steps, batch = size(dy)
    dgates = scratch!(memory, T, size(activated))
    dh, dc = copyto!(scratch!(memory, T, (hidden, batch)), dh_last), copyto!(scratch!(memory, T, (hidden, batch)), dc_last)
    rows, bytes = 4hidden, sizeof(T)
    GC.@preserve weight activated c tanh_c dy dgates dh dc for step in steps:-1:1
        before, time = (step - 1) * batch, time_of(layer, step, steps)
        gates_at, d_at = pointer(activated) + before * rows * bytes, pointer(dgates) + before * rows * bytes
        c_at, tanh_at = pointer(c) + before * hidden * bytes, pointer(tanh_c) + before * hidden * bytes
        parts(batch, least_columns(hidden)) do first, last, _
            for b in first:last
                o = (b - 1) * hidden * bytes
                if is_over(lengths, b, time)
                    fill_run!(d_at + 4o, zero(T), rows)
                else
                    dy_at = pointer(dy) + ((b - 1) * steps + time - 1) * hidden * bytes
                    lstm_column_gradient!(d_at + 4o, pointer(dh) + o, pointer(dc) + o, dy_at, gates_at + 4o, c_at + o,
                                          tanh_at + o, hidden)
                end
            end
        end
        gemm!('N', 'N', hidden, batch, rows, pointer(weight), hidden, d_at, rows, one(T), pointer(dh), hidden)
    end
    return dgates, dgates, (dh, dc)
end

# `dh` becomes 0, to which the product with the weight is added; the gradient of a state that a step only hands on stays.
function lstm_column_gradient!(
    d::Ptr{T}, dh::Ptr{T}, dc::Ptr{T}, dy::Ptr{T}, gates::Ptr{T}, c_before::Ptr{T}, tanh_c::Ptr{T}, n::Int,
) where {T}
    @simd ivdep for j in 1:n
        i, f, g, o = unsafe_load(gates, j), unsafe_load(gates, n + j), unsafe_load(gates, 2n + j), unsafe_load(gates, 3n + j)
        t, dh_here = unsafe_load(tanh_c, j), unsafe_load(dy, j) + unsafe_load(dh, j)
        dc_here = unsafe_load(dc, j) + dh_here * o * (1 - t * t)
        unsafe_store!(d, dc_here * g * i * (1 - i), j)
        unsafe_store!(d, dc_here * unsafe_load(c_before, j) * f * (1 - f), n + j)
        unsafe_store!(d, dc_here * i * (1 - g * g), 2n + j)
        unsafe_store!(d, dh_here * t * o * (1 - o), 3n + j)
        unsafe_store!(dc, dc_here * f, j)
        unsafe_store!(dh, zero(T), j)
    end
end
