"""
A plain recurrence (torch.nn.RNN): the state becomes `activation` of W_ih x + b_ih + W_hh h + b_hh.
"""
struct Rnn{F<:Union{Relu,Tanh}} <: Recurrent
    of::Recurrence
    activation::F
end

rnn(a::Attributes) = Rnn(Recurrence(a), attribute(a, "nonlinearity", String) == "relu" ? Relu() : Tanh())

operation(::Rnn) = "rnn"
gates(::Rnn) = 1

function run_steps(
    layer::Rnn, x::Array{T,3}, weight_ih::Matrix{T}, weight_hh::Matrix{T}, biases::Tuple, lengths::Vector{Int},
    initial::Tuple, memory::Memory,
) where {T}
    hidden, (_, steps, batch) = layer.of.hidden, size(x)
    y = output!(memory, 1, T, (hidden, steps, batch))
    xs = in_steps(layer, x, lengths, memory)
    sums = from_inputs(xs, weight_ih, joint_bias(biases, memory), memory)
    h = state_sequence(initial[1], hidden, batch, steps, memory)
    bytes = sizeof(T)
    weight, order, leading = for_steps(weight_hh, steps, memory)
    GC.@preserve y sums h weight for step in 1:steps
        before, time = (step - 1) * batch, time_of(layer, step, steps)
        sums_at, h_at = pointer(sums) + before * hidden * bytes, pointer(h) + before * hidden * bytes
        gemm!(order, 'N', hidden, batch, hidden, pointer(weight), leading, h_at, hidden, one(T), sums_at, hidden)
        parts(batch, least_columns(hidden)) do first, last, _
            for b in first:last
                o, next = (b - 1) * hidden * bytes, (batch + b - 1) * hidden * bytes
                to = pointer(y) + ((b - 1) * steps + time - 1) * hidden * bytes
                if is_over(lengths, b, time)
                    copy_run!(h_at + next, h_at + o, hidden)
                    fill_run!(to, zero(T), hidden)
                else
                    rnn_column!(layer.activation, to, h_at + next, sums_at + o, hidden)
                end
            end
        end
    end
    return (y, last_state(h, 2, memory)), (xs, h)
end

function rnn_column!(activation::Activation, y::Ptr{T}, h::Ptr{T}, sum::Ptr{T}, n::Int) where {T}
    @simd ivdep for j in 1:n
        state = value(activation, unsafe_load(sum, j))
        unsafe_store!(h, state, j)
        unsafe_store!(y, state, j)
    end
end

function pull_steps(layer::Rnn, weight::Matrix, lengths::Vector{Int}, residual::Tuple, dvalues::Tuple, memory::Memory)
    return rnn_gradients(layer, weight, lengths, residual[2], dvalues[1], dvalues[2], memory)
end

function rnn_gradients(
    layer::Rnn, weight::Matrix{T}, lengths::Vector{Int}, h::Array{T,3}, dy::Array{T,3}, dh_last::Matrix{T}, memory::Memory,
) where {T}
    hidden, steps, batch = size(dy)
    dsums = scratch!(memory, T, (hidden, batch, steps))
    dh = copyto!(scratch!(memory, T, (hidden, batch)), dh_last)
    bytes = sizeof(T)
    GC.@preserve weight h dy dsums dh for step in steps:-1:1
        before, time = (step - 1) * batch, time_of(layer, step, steps)
        d_at, h_after = pointer(dsums) + before * hidden * bytes, pointer(h) + (before + batch) * hidden * bytes
        parts(batch, least_columns(hidden)) do first, last, _
            for b in first:last
                o = (b - 1) * hidden * bytes
                if is_over(lengths, b, time)
                    fill_run!(d_at + o, zero(T), hidden)
                else
                    dy_at = pointer(dy) + ((b - 1) * steps + time - 1) * hidden * bytes
                    rnn_column_gradient!(layer.activation, d_at + o, pointer(dh) + o, dy_at, h_after + o, hidden)
                end
            end
        end
        gemm!('N', 'N', hidden, batch, hidden, pointer(weight), hidden, d_at, hidden, one(T), pointer(dh), hidden)
    end
    return dsums, dsums, (dh,)
end

# The derivative of each of the activations follows from its value.
function rnn_column_gradient!(activation::Activation, d::Ptr{T}, dh::Ptr{T}, dy::Ptr{T}, h::Ptr{T}, n::Int) where {T}
    @simd ivdep for j in 1:n
        state = unsafe_load(h, j)
        unsafe_store!(d, gradient(activation, state, state, unsafe_load(dy, j) + unsafe_load(dh, j)), j)
        unsafe_store!(dh, zero(T), j)
    end
end
