# How a correlation is cut into products of matrices, and who makes them. Where each thread can take images of its own, it
# does; what it gathers then stays in its own cache, and nobody waits for anybody.

# What is gathered should be in a cache still when it is multiplied. In products that threads make together they wait for
# each other, so there should be few; a thread's own products are as fast one image at a time if images are not small.
const BLOCK_BYTES = 2^22
const OWN_BLOCK_BYTES = 2^20
const ENOUGH_POSITIONS = 256

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
The images `first:last`, counted from 0, which are part number `part` of a batch, and how `who` cuts them into blocks: of
`images` images or of `rows` rows, with room for the columns and the staged outputs of the largest one. Without columns the
planes of one image are their own; outputs are staged where a block has several images, whose planes of one channel do not
follow each other.
"""
struct Images{T,Who}
    who::Who
    part::Int
    first::Int
    last::Int
    images::Int
    rows::Int
    columns::Ptr{T}
    staged::Ptr{T}
end

has_columns(images::Images) = images.columns != C_NULL
is_staged(images::Images) = images.staged != C_NULL

"How many parts with a thread each the images are cut into: one if threads are to do them together."
function image_parts(c::Correlation, ::Type{T}) where {T}
    # Of a thread that is one of a team, only torch's BLAS is known to ask for no other threads.
    shares_threads() && gemm_address(T) != C_NULL || return 1
    # Each thread reads, or writes, the whole weight for each block.
    c.groups * c.outputs * elements(c) * sizeof(T) > OWN_BLOCK_BYTES && return 1
    count = part_count(c.batch, cld(LEAST_PART, max(1, positions(c) * elements(c))))
    return c.batch % count == 0 || c.batch >= 4count ? count : 1
end

"Call `body(images)` for each of `count` parts of a batch."
function with_images(body::F, c::Correlation, memory::Memory, ::Type{T}, count::Int) where {F,T}
    block = largest_block(c, sizeof(T), count)
    columns = block.images == 1 && is_pointwise(c) ? 0 : positions(c, block) * elements(c)
    staged = block.images == 1 ? 0 : positions(c, block) * c.outputs
    room = scratch!(memory, T, ((columns + staged) * count,))
    GC.@preserve room if count == 1
        body(Images(Together(), 0, 1, c, block, pointer(room), columns, staged))
    else
        start = pointer(room)
        share(k -> body(Images(Alone(), k - 1, count, c, block, start, columns, staged)), count)
    end
    release!(memory, room)
    return nothing
end

"Part number `part` of `count`, each with room for so many elements of columns and of staged outputs."
function Images(
    who::Who, part::Int, count::Int, c::Correlation, block::ImageBlock, room::Ptr{T}, columns::Int, staged::Int,
) where {T,Who}
    own = room + part * (columns + staged) * sizeof(T)
    return Images{T,Who}(who, part, part * c.batch ÷ count, (part + 1) * c.batch ÷ count - 1, block.images, block.rows,
                         columns == 0 ? Ptr{T}(C_NULL) : own, staged == 0 ? Ptr{T}(C_NULL) : own + columns * sizeof(T))
end

"The first block, which is the largest one."
function largest_block(c::Correlation, bytes::Int, count::Int)
    image_bytes, most_bytes = positions(c) * elements(c) * bytes, count == 1 ? BLOCK_BYTES : OWN_BLOCK_BYTES
    batch = cld(c.batch, count)
    images = count > 1 && positions(c) >= ENOUGH_POSITIONS ? 1 : min(batch, max(1, most_bytes ÷ image_bytes))
    images > 1 && return ImageBlock(0, cld(batch, cld(batch, images)), 0, c.to[2]) # blocks of about one size
    return ImageBlock(0, 1, 0, is_pointwise(c) ? c.to[2] : cld(c.to[2], cld(image_bytes, most_bytes)))
end

"Call `body(block, group)` for every group in every block of the images."
@inline function each_block(body::F, c::Correlation, images::Images) where {F}
    for image in images.first:images.images:images.last, row in 0:images.rows:(c.to[2] - 1)
        block = ImageBlock(image, min(images.images, images.last + 1 - image), row, min(images.rows, c.to[2] - row))
        for group in 0:(c.groups - 1)
            body(block, group)
        end
    end
end

Gathering(c::Correlation, b::ImageBlock) =
    Gathering(c.windows, c.from, c.to, c.inputs, b.images, c.groups * c.inputs * prod(c.from), b.first_row, b.rows)

# Where the part of a block and a group lies.
input_place(x::Ptr{T}, c::Correlation, b::ImageBlock, group::Int) where {T} =
    x + (b.first_image * c.groups + group) * c.inputs * prod(c.from) * sizeof(T)
output_place(y::Ptr{T}, c::Correlation, b::ImageBlock, group::Int) where {T} =
    y + ((b.first_image * c.groups + group) * c.outputs * positions(c) + b.first_row * c.to[1]) * sizeof(T)
weight_place(weight::Ptr{T}, c::Correlation, group::Int) where {T} =
    weight + group * c.outputs * elements(c) * sizeof(T)

"The columns of a block as a matrix: where it is, and its leading size."
function block_columns!(images::Images, x::Ptr, c::Correlation, b::ImageBlock, group::Int)
    place = input_place(x, c, b, group)
    has_columns(images) || return place, positions(c)
    gather_columns!(images.columns, place, Gathering(c, b), images.who)
    return images.columns, positions(c, b)
end

"The outputs of a block as a matrix, likewise."
function block_outputs!(images::Images, y::Ptr, c::Correlation, b::ImageBlock, group::Int)
    is_staged(images) || return output_place(y, c, b, group), positions(c)
    each_staged_plane(images, y, c, b, group) do staged, plane
        copy_elements!(staged, plane, positions(c))
    end
    return images.staged, positions(c, b)
end

"Call `body(staged, plane)` with the place of each output plane of a block in the matrix and in `y`."
@inline function each_staged_plane(
    body::F, images::Images{T}, y::Ptr{T}, c::Correlation, b::ImageBlock, group::Int,
) where {F,T}
    size, place = positions(c), output_place(y, c, b, group)
    parts(images.who, b.images * c.outputs, cld(LEAST_PART, size)) do first, last, _
        for k in (first - 1):(last - 1)
            output, image = divrem(k, b.images)
            plane = place + (image * c.groups * c.outputs + output) * size * sizeof(T)
            body(images.staged + k * size * sizeof(T), plane)
        end
    end
end
