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

# In each product threads wait for each other, so there should be few; and what was gathered should be in a cache still.
const BLOCK_BYTES = 2^22

"What is gathered and multiplied at a time: `images` whole images, or some rows of windows of one image."
struct ImageBlock
    first_image::Int
    images::Int
    first_row::Int
    rows::Int
end

positions(c::Correlation, b::ImageBlock) = b.images * b.rows * c.to[1]

# Windows of one element, one at each place, are the planes themselves.
is_pointwise(c::Correlation) = c.windows.kernel == c.windows.stride == (1, 1) && c.windows.padding == (0, 0)

"""
How a correlation is cut into blocks, with scratch for the largest one. Without columns the planes of one image are their
own; outputs are staged where a block has several images, whose planes of one channel do not follow each other.
"""
struct ImageBlocks{T}
    images::Int
    rows::Int
    columns::Vector{T}
    staged::Vector{T}
end

function ImageBlocks(c::Correlation, memory::Memory, ::Type{T}) where {T}
    image_bytes = positions(c) * elements(c) * sizeof(T)
    images = min(c.batch, max(1, BLOCK_BYTES ÷ image_bytes))
    if images > 1
        images = cld(c.batch, cld(c.batch, images)) # blocks of about one size
        columns = scratch!(memory, T, (images * positions(c) * elements(c),))
        return ImageBlocks{T}(images, c.to[2], columns, scratch!(memory, T, (images * positions(c) * c.outputs,)))
    end
    is_pointwise(c) && return ImageBlocks{T}(1, c.to[2], T[], T[])
    rows = cld(c.to[2], cld(image_bytes, BLOCK_BYTES))
    return ImageBlocks{T}(1, rows, scratch!(memory, T, (rows * c.to[1] * elements(c),)), T[])
end

function release!(memory::Memory, blocks::ImageBlocks)
    release!(memory, blocks.columns)
    release!(memory, blocks.staged)
end

"Call `body(block, group)` for every group in every block of the batch."
@inline function each_block(body::F, c::Correlation, blocks::ImageBlocks) where {F}
    for image in 0:blocks.images:(c.batch - 1), row in 0:blocks.rows:(c.to[2] - 1)
        block = ImageBlock(image, min(blocks.images, c.batch - image), row, min(blocks.rows, c.to[2] - row))
        foreach(group -> body(block, group), 0:(c.groups - 1))
    end
end

Gathering(c::Correlation, b::ImageBlock) =
    Gathering(c.windows, c.from, c.to, c.inputs, b.images, c.groups * c.inputs * prod(c.from), b.first_row, b.rows)

# Where the part of a block and a group lies.
input_place(x::Array{T}, c::Correlation, b::ImageBlock, group::Int) where {T} =
    pointer(x) + (b.first_image * c.groups + group) * c.inputs * prod(c.from) * sizeof(T)
output_place(y::Array{T}, c::Correlation, b::ImageBlock, group::Int) where {T} =
    pointer(y) + ((b.first_image * c.groups + group) * c.outputs * positions(c) + b.first_row * c.to[1]) * sizeof(T)
weight_place(weight::Array{T}, c::Correlation, group::Int) where {T} =
    pointer(weight) + group * c.outputs * elements(c) * sizeof(T)

"The columns of a block as a matrix: where it is, and its leading size."
function block_columns!(blocks::ImageBlocks, x::Array, c::Correlation, b::ImageBlock, group::Int)
    place = input_place(x, c, b, group)
    isempty(blocks.columns) && return place, positions(c)
    gather_columns!(pointer(blocks.columns), place, Gathering(c, b))
    return pointer(blocks.columns), positions(c, b)
end

"The outputs of a block as a matrix, likewise."
function block_outputs!(blocks::ImageBlocks, y::Array, c::Correlation, b::ImageBlock, group::Int)
    isempty(blocks.staged) && return output_place(y, c, b, group), positions(c)
    each_staged_plane(blocks, y, c, b, group) do staged, plane
        copy_elements!(staged, plane, positions(c))
    end
    return pointer(blocks.staged), positions(c, b)
end

"Call `body(staged, plane)` with the place of each output plane of a block in the matrix and in `y`."
@inline function each_staged_plane(
    body::F, blocks::ImageBlocks{T}, y::Array{T}, c::Correlation, b::ImageBlock, group::Int,
) where {F,T}
    size, place = positions(c), output_place(y, c, b, group)
    parts(b.images * c.outputs, cld(LEAST_PART, size)) do first, last, _
        for k in (first - 1):(last - 1)
            output, image = divrem(k, b.images)
            plane = place + (image * c.groups * c.outputs + output) * size * sizeof(T)
            body(pointer(blocks.staged) + k * size * sizeof(T), plane)
        end
    end
end

"""
    correlate!(y, x, weight, bias, c, memory)

y = correlation of x with the weight + bias, which may be `nothing`.
"""
function correlate!(
    y::Array{T}, x::Array{T}, weight::Array{T}, bias::Union{Vector{T},Nothing}, c::Correlation, memory::Memory,
) where {T}
    is_planewise(c) && return correlate_planes!(y, x, weight, bias, c, memory)
    blocks, k, beta = ImageBlocks(c, memory, T), elements(c), T(bias !== nothing)
    GC.@preserve y x weight bias blocks each_block(c, blocks) do b, group
        a, lda = block_columns!(blocks, x, c, b, group)
        staged, m = !isempty(blocks.staged), positions(c, b)
        place, ldc = staged ? (pointer(blocks.staged), m) : (output_place(y, c, b, group), positions(c))
        if bias !== nothing
            for output in 0:(c.outputs - 1)
                fill_elements!(place + output * ldc * sizeof(T), m, bias[group * c.outputs + output + 1])
            end
        end
        gemm!('N', 'N', m, c.outputs, k, a, lda, weight_place(weight, c, group), k, beta, place, ldc)
        staged && each_staged_plane(blocks, y, c, b, group) do from, to
            copy_elements!(to, from, positions(c))
        end
    end
    release!(memory, blocks)
    return y
end

"""
    spread!(x, y, weight, c, memory)

Add to x what its elements have to do with y: x += the transpose of `correlate!` applied to y.
"""
function spread!(x::Array{T}, y::Array{T}, weight::Array{T}, c::Correlation, memory::Memory) where {T}
    is_planewise(c) && return spread_planes!(x, y, weight, c, memory)
    blocks, k = ImageBlocks(c, memory, T), elements(c)
    GC.@preserve x y weight blocks each_block(c, blocks) do b, group
        place, ld = block_outputs!(blocks, y, c, b, group)
        m, target, w = positions(c, b), input_place(x, c, b, group), weight_place(weight, c, group)
        if isempty(blocks.columns)
            gemm!('N', 'T', m, k, c.outputs, place, ld, w, k, one(T), target, positions(c))
        else
            gemm!('N', 'T', m, k, c.outputs, place, ld, w, k, zero(T), pointer(blocks.columns), m)
            add_columns!(target, pointer(blocks.columns), Gathering(c, b))
        end
    end
    release!(memory, blocks)
    return x
end

"""
    correlate_weight!(dweight, x, dy, c, memory)

The gradient for the weight of `correlate!`, where dy is that for its value.
"""
function correlate_weight!(dweight::Array{T}, x::Array{T}, dy::Array{T}, c::Correlation, memory::Memory) where {T}
    is_planewise(c) && return correlate_plane_weight!(dweight, x, dy, c, memory)
    blocks, k, transposed = ImageBlocks(c, memory, T), elements(c), c.outputs in TRANSPOSED_OUTPUTS
    sum = fill!(transposed ? scratch!(memory, T, (length(dweight),)) : dweight, zero(T))
    GC.@preserve sum x dy blocks each_block(c, blocks) do b, group
        a, lda = block_columns!(blocks, x, c, b, group)
        place, ld = block_outputs!(blocks, dy, c, b, group)
        m, product = positions(c, b), weight_place(sum, c, group)
        transposed ? gemm!('T', 'N', c.outputs, k, m, place, ld, a, lda, one(T), product, c.outputs) :
        gemm!('T', 'N', k, c.outputs, m, a, lda, place, ld, one(T), product, k)
    end
    release!(memory, blocks)
    transposed && transpose_groups!(dweight, sum, c)
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
