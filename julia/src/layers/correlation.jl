# Correlation of planes with kernels, and its gradients, as products of matrices: the elements of the windows (columns.jl)
# times the weight. Convolutions of both directions are made of these three functions.

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

# A product of fewer rows than this keeps no processor busy.
const LEAST_POSITIONS = 192
# What is gathered at a time should be in the cache still when it is multiplied.
const BLOCK_BYTES = 2^19

"What is gathered and multiplied at a time: `images` whole images, or some rows of windows of one image."
struct Block
    first_image::Int
    images::Int
    first_row::Int
    rows::Int
end

function block_sizes(c::Correlation, ::Type{T}) where {T}
    wanted = max(LEAST_POSITIONS, BLOCK_BYTES ÷ (elements(c) * sizeof(T)))
    positions(c) < LEAST_POSITIONS && return clamp(cld(LEAST_POSITIONS, positions(c)), 1, max(1, c.batch)), c.to[2]
    return 1, clamp(wanted ÷ c.to[1], 1, c.to[2])
end

"Call `body(block)` for every block of the batch; `images` and `rows` are the sizes of a whole block."
@inline function each_block(body::F, c::Correlation, images::Int, rows::Int) where {F}
    for image in 0:images:(c.batch - 1), row in 0:rows:(c.to[2] - 1)
        body(Block(image, min(images, c.batch - image), row, min(rows, c.to[2] - row)))
    end
end

positions(c::Correlation, b::Block) = b.images * b.rows * c.to[1]

# Windows of one element, one at each place: the planes are their own columns.
function is_pointwise(c::Correlation)
    w = c.windows
    return w.kernel == w.stride == (1, 1) && w.padding == (0, 0) && positions(c) >= LEAST_POSITIONS
end

"Scratch for the columns of a block, and for the outputs of one that has several images."
function block_scratch(c::Correlation, memory::Memory, ::Type{T}) where {T}
    images, rows = is_pointwise(c) ? (1, c.to[2]) : block_sizes(c, T)
    positions = images * rows * c.to[1]
    columns = scratch!(memory, T, (is_pointwise(c) ? 0 : positions * elements(c),))
    return images, rows, columns, scratch!(memory, T, (images > 1 ? positions * c.outputs : 0,))
end

Gathering(c::Correlation, b::Block) =
    Gathering(c.windows, c.from, c.to, c.inputs, b.images, c.groups * c.inputs * prod(c.from), b.first_row, b.rows)

# Where things lie, in elements.
input_place(c::Correlation, image::Int, group::Int) = (image * c.groups + group) * c.inputs * prod(c.from)
output_place(c::Correlation, b::Block, image::Int, group::Int) =
    ((b.first_image + image) * c.groups + group) * c.outputs * positions(c) + b.first_row * c.to[1]
weight_place(c::Correlation, group::Int) = group * c.outputs * elements(c)

"The columns of a block as a matrix: where it is, and its leading size."
function block_columns!(columns::Ptr{T}, x::Ptr{T}, c::Correlation, b::Block, group::Int) where {T}
    is_pointwise(c) && return x + input_place(c, b.first_image, group) * sizeof(T), positions(c)
    gather_columns!(columns, x + input_place(c, b.first_image, group) * sizeof(T), Gathering(c, b))
    return columns, positions(c, b)
end

"The outputs of a block, one image after the other in each column, in place of image by image."
function stage_outputs!(staged::Ptr{T}, y::Ptr{T}, c::Correlation, b::Block, group::Int) where {T}
    for image in 0:(b.images - 1), output in 0:(c.outputs - 1)
        copy_elements!(staged + (output * b.images + image) * positions(c) * sizeof(T),
                       y + (output_place(c, b, image, group) + output * positions(c)) * sizeof(T), positions(c))
    end
end

function unstage_outputs!(y::Ptr{T}, staged::Ptr{T}, c::Correlation, b::Block, group::Int) where {T}
    for image in 0:(b.images - 1), output in 0:(c.outputs - 1)
        copy_elements!(y + (output_place(c, b, image, group) + output * positions(c)) * sizeof(T),
                       staged + (output * b.images + image) * positions(c) * sizeof(T), positions(c))
    end
end

"""
    correlate!(y, x, weight, c, beta, memory)

y = correlation of x with the weight + beta y, where beta is 0 or 1.
"""
function correlate!(y::Array{T}, x::Array{T}, weight::Array{T}, c::Correlation, beta::T, memory::Memory) where {T}
    is_planewise(c) && return correlate_planes!(y, x, weight, c, beta, memory)
    images, rows, columns, staged = block_scratch(c, memory, T)
    GC.@preserve y x weight columns staged begin
        each_block(c, images, rows) do b
            for group in 0:(c.groups - 1)
                a, lda = block_columns!(pointer(columns), pointer(x), c, b, group)
                w = pointer(weight) + weight_place(c, group) * sizeof(T)
                if images == 1
                    place = pointer(y) + output_place(c, b, 0, group) * sizeof(T)
                    gemm!('N', 'N', positions(c, b), c.outputs, elements(c), a, lda, w, elements(c), beta, place, positions(c))
                else
                    iszero(beta) || stage_outputs!(pointer(staged), pointer(y), c, b, group)
                    gemm!('N', 'N', positions(c, b), c.outputs, elements(c), a, lda, w, elements(c), beta, pointer(staged),
                          positions(c, b))
                    unstage_outputs!(pointer(y), pointer(staged), c, b, group)
                end
            end
        end
    end
    return y
end

"""
    spread!(x, y, weight, c, memory)

Add to x what its elements have to do with y: x += the transpose of `correlate!` applied to y.
"""
function spread!(x::Array{T}, y::Array{T}, weight::Array{T}, c::Correlation, memory::Memory) where {T}
    is_planewise(c) && return spread_planes!(x, y, weight, c, memory)
    images, rows, columns, staged = block_scratch(c, memory, T)
    GC.@preserve x y weight columns staged begin
        each_block(c, images, rows) do b
            for group in 0:(c.groups - 1)
                w = pointer(weight) + weight_place(c, group) * sizeof(T)
                place, ld = block_outputs!(pointer(staged), pointer(y), c, b, group)
                m, k = positions(c, b), elements(c)
                if is_pointwise(c)
                    gemm!('N', 'T', m, k, c.outputs, place, ld, w, k, one(T),
                          pointer(x) + input_place(c, b.first_image, group) * sizeof(T), m)
                    continue
                end
                gemm!('N', 'T', m, k, c.outputs, place, ld, w, k, zero(T), pointer(columns), m)
                add_columns!(pointer(x) + input_place(c, b.first_image, group) * sizeof(T), pointer(columns), Gathering(c, b))
            end
        end
    end
    return x
end

"The outputs of a block as a matrix: where it is, and its leading size."
function block_outputs!(staged::Ptr{T}, y::Ptr{T}, c::Correlation, b::Block, group::Int) where {T}
    b.images == 1 && return y + output_place(c, b, 0, group) * sizeof(T), positions(c)
    stage_outputs!(staged, y, c, b, group)
    return staged, positions(c, b)
end

"""
    correlate_weight!(dweight, x, dy, c, memory)

The gradient for the weight of `correlate!`, where dy is that for its value.
"""
function correlate_weight!(dweight::Array{T}, x::Array{T}, dy::Array{T}, c::Correlation, memory::Memory) where {T}
    is_planewise(c) && return correlate_plane_weight!(dweight, x, dy, c, memory)
    images, rows, columns, staged = block_scratch(c, memory, T)
    k, transposed = elements(c), c.outputs in TRANSPOSED_OUTPUTS
    sum = fill!(transposed ? scratch!(memory, T, (length(dweight),)) : dweight, zero(T))
    GC.@preserve sum x dy columns staged begin
        each_block(c, images, rows) do b
            for group in 0:(c.groups - 1)
                a, lda = block_columns!(pointer(columns), pointer(x), c, b, group)
                place, ld = block_outputs!(pointer(staged), pointer(dy), c, b, group)
                product = pointer(sum) + weight_place(c, group) * sizeof(T)
                m = positions(c, b)
                transposed ? gemm!('T', 'N', c.outputs, k, m, place, ld, a, lda, one(T), product, c.outputs) :
                gemm!('T', 'N', k, c.outputs, m, a, lda, place, ld, one(T), product, k)
            end
        end
    end
    transposed && transpose_groups!(dweight, sum, c)
    return dweight
end

# MKL's products of a transposed matrix with one of so few columns are two to three times slower than with the roles exchanged.
const TRANSPOSED_OUTPUTS = 16:63

function transpose_groups!(dweight::Array{T}, sum::Array{T}, c::Correlation) where {T}
    k = elements(c)
    @inbounds for group in 0:(c.groups - 1), output in 0:(c.outputs - 1), i in 0:(k - 1)
        place = weight_place(c, group) + 1
        dweight[place + output * k + i] = sum[place + i * c.outputs + output]
    end
end
