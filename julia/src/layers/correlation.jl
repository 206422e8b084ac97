# Correlation of planes with kernels, and its gradients, as products of matrices: the elements of the windows (columns.jl)
# times the weight. Convolutions of both directions are made of these three functions. Their loops take places and not
# arrays: a closure with an array in it, called from a loop, is an object that Julia before 1.9 can't make in a team.

"""
The sizes of a correlation: of each of `batch` samples `groups` groups of `inputs` planes of size `from` become as many
groups of `outputs` planes of size `to`. A weight has, for each output, the elements of its windows on all inputs.
"""
struct Correlation
    windows::Windows
    groups::Int
    inputs::Int
    outputs::Int
    from::Tuple{Int,Int}
    to::Tuple{Int,Int}
    batch::Int
end

elements(c::Correlation) = prod(c.windows.kernel) * c.inputs # of the windows at one place
positions(c::Correlation) = prod(c.to)

"""
    correlate!(y, x, weight, bias, c, memory)

y = correlation of x with the weight + bias, which may be `nothing`.
"""
function correlate!(
    y::Array{T}, x::Array{T}, weight::Array{T}, bias::Union{Vector{T},Nothing}, c::Correlation, memory::Memory,
) where {T}
    is_planewise(c) && return correlate_planes!(y, x, weight, bias, c, memory)
    k, beta, (to, from, factors), starts = elements(c), T(bias !== nothing), map(pointer, (y, x, weight)), start_place(bias)
    GC.@preserve y x weight bias with_images(c, memory, T, image_parts(c, T)) do images
        each_block(c, images) do b, group
            a, lda = block_columns!(images, from, c, b, group)
            staged, m = is_staged(images), positions(c, b)
            place, ldc = staged ? (images.staged, m) : (output_place(to, c, b, group), positions(c))
            if starts !== nothing
                for output in 0:(c.outputs - 1)
                    fill_elements!(place + output * ldc * sizeof(T), m, start_at(starts, group * c.outputs + output))
                end
            end
            gemm!('N', 'N', m, c.outputs, k, a, lda, weight_place(factors, c, group), k, beta, place, ldc)
            staged && each_staged_plane(images, to, c, b, group) do from, to
                copy_elements!(to, from, positions(c))
            end
        end
    end
    return y
end

"""
    spread!(x, y, weight, bias, c, memory)

x = the transpose of `correlate!` applied to y: what its elements have to do with y, + bias, which may be `nothing`.
"""
function spread!(
    x::Array{T}, y::Array{T}, weight::Array{T}, bias::Union{Vector{T},Nothing}, c::Correlation, memory::Memory,
) where {T}
    is_planewise(c) && return spread_planes!(x, y, weight, bias, c, memory)
    k, (to, from, factors), starts = elements(c), map(pointer, (x, y, weight)), start_place(bias)
    GC.@preserve x y weight bias with_images(c, memory, T, image_parts(c, T)) do images
        each_block(c, images) do b, group
            place, ld = block_outputs!(images, from, c, b, group)
            m, target, w = positions(c, b), input_place(to, c, b, group), weight_place(factors, c, group)
            start(input) = start_at(starts, group * c.inputs + input)
            if has_columns(images)
                gemm!('N', 'T', m, k, c.outputs, place, ld, w, k, zero(T), images.columns, m)
                add_columns!(target, images.columns, Gathering(c, b), images.who, start)
            else
                for input in 0:(c.inputs - 1)
                    fill_elements!(target + input * positions(c) * sizeof(T), positions(c), start(input))
                end
                gemm!('N', 'T', m, k, c.outputs, place, ld, w, k, one(T), target, positions(c))
            end
        end
    end
    return x
end

"""
    correlate_weight!(dweight, x, dy, c, memory)

The gradient for the weight of `correlate!`, where dy is that for its value.
"""
function correlate_weight!(dweight::Array{T}, x::Array{T}, dy::Array{T}, c::Correlation, memory::Memory) where {T}
    is_planewise(c) && return correlate_plane_weight!(dweight, x, dy, c, memory)
    k, n, transposed = elements(c), length(dweight), c.outputs in TRANSPOSED_OUTPUTS
    count = image_parts(c, T) # each with a sum of its own
    total = fill!(transposed ? scratch!(memory, T, (n,)) : dweight, zero(T))
    sums = fill!(scratch!(memory, T, ((count - 1) * n,)), zero(T))
    first_sum, other_sums, planes, results = map(pointer, (total, sums, x, dy))
    GC.@preserve total sums x dy with_images(c, memory, T, count) do images
        sum = images.part == 0 ? first_sum : other_sums + (images.part - 1) * n * sizeof(T)
        each_block(c, images) do b, group
            a, lda = block_columns!(images, planes, c, b, group)
            place, ld = block_outputs!(images, results, c, b, group)
            m, product = positions(c, b), weight_place(sum, c, group)
            transposed ? gemm!('T', 'N', c.outputs, k, m, place, ld, a, lda, one(T), product, c.outputs) :
            gemm!('T', 'N', k, c.outputs, m, a, lda, place, ld, one(T), product, k)
        end
    end
    add_arrays!(total, sums)
    release!(memory, sums)
    if transposed
        transpose_groups!(dweight, total, c)
        release!(memory, total)
    end
    return dweight
end

# With the roles exchanged, MKL multiplies a transposed matrix by one of so few columns two to three times as fast.
const TRANSPOSED_OUTPUTS = 16:63

function transpose_groups!(dweight::Array{T}, sum::Array{T}, c::Correlation) where {T}
    k = elements(c)
    @inbounds for group in 0:(c.groups - 1), output in 0:(c.outputs - 1), i in 1:k
        place = group * c.outputs * k
        dweight[place + output * k + i] = sum[place + (i - 1) * c.outputs + output + 1]
    end
end

"Add to `total` all arrays of its length that lie in `others` one after the other."
function add_arrays!(total::Array{T}, others::Vector{T}) where {T}
    n, to, from = length(total), pointer(total), pointer(others)
    count = n == 0 ? 0 : length(others) ÷ n
    GC.@preserve total others parts(n, cld(LEAST_PART, max(1, count))) do first, last, _
        for other in 0:(count - 1)
            add_elements!(to + (first - 1) * sizeof(T), from + (other * n + first - 1) * sizeof(T), last - first + 1)
        end
    end
end

# What planes of channel `k`, counted from 0, begin with: an element of the bias, where there is one.
start_place(bias::Vector) = pointer(bias)
start_place(::Nothing) = nothing
start_at(starts::Ptr, k::Int) = unsafe_load(starts, k + 1)
start_at(::Nothing, ::Int) = false
