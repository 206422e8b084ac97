# Elements that lie two apart, eight at a time. Loops over them stay scalar, or become gathers: of tuples of `VecElement`
# LLVM makes vectors, and of tuples of their elements shuffles.

const LANES = 8

const Lanes{T} = NTuple{LANES,VecElement{T}}

@inline load_lanes(place::Ptr{T}, before::Int) where {T} = unsafe_load(Ptr{Lanes{T}}(place + before * sizeof(T)))

@inline store_lanes!(place::Ptr{T}, lanes::Lanes{T}, before::Int) where {T} =
    unsafe_store!(Ptr{Lanes{T}}(place + before * sizeof(T)), lanes)

"The first, third, … of the elements of `a` and then `b`."
@inline first_of_pairs(a::Lanes, b::Lanes) = (a[1], a[3], a[5], a[7], b[1], b[3], b[5], b[7])

"The second, fourth, … of them."
@inline second_of_pairs(a::Lanes, b::Lanes) = (a[2], a[4], a[6], a[8], b[2], b[4], b[6], b[8])

"The elements of `a` and `b` in turns: the first eight."
@inline first_in_turns(a::Lanes, b::Lanes) = (a[1], b[1], a[2], b[2], a[3], b[3], a[4], b[4])

"The last eight."
@inline last_in_turns(a::Lanes, b::Lanes) = (a[5], b[5], a[6], b[6], a[7], b[7], a[8], b[8])

@inline added(a::Lanes, b::Lanes) = map((x, y) -> VecElement(x.value + y.value), a, b)

"Split `n` pairs from `pairs` on: what comes first in each goes to `first`, the rest to `second`."
function split_pairs!(first::Ptr{T}, second::Ptr{T}, pairs::Ptr{T}, n::Int) where {T}
    done = 0
    while done + LANES <= n
        a, b = load_lanes(pairs, 2done), load_lanes(pairs, 2done + LANES)
        store_lanes!(first, first_of_pairs(a, b), done)
        store_lanes!(second, second_of_pairs(a, b), done)
        done += LANES
    end
    for i in (done + 1):n
        unsafe_store!(first, unsafe_load(pairs, 2i - 1), i)
        unsafe_store!(second, unsafe_load(pairs, 2i), i)
    end
end

"Set `n` pairs to those that `split_pairs!` would split so."
function join_pairs!(pairs::Ptr{T}, first::Ptr{T}, second::Ptr{T}, n::Int) where {T}
    done = 0
    while done + LANES <= n
        a, b = load_lanes(first, done), load_lanes(second, done)
        store_lanes!(pairs, first_in_turns(a, b), 2done)
        store_lanes!(pairs, last_in_turns(a, b), 2done + LANES)
        done += LANES
    end
    for i in (done + 1):n
        unsafe_store!(pairs, unsafe_load(first, i), 2i - 1)
        unsafe_store!(pairs, unsafe_load(second, i), 2i)
    end
end

# The second of the last pair may lie outside of what `pairs` has, and so is in no block of these two.

"Copy what comes first in each of `n` pairs."
function copy_first!(to::Ptr{T}, pairs::Ptr{T}, n::Int) where {T}
    done = 0
    while done + LANES < n
        store_lanes!(to, first_of_pairs(load_lanes(pairs, 2done), load_lanes(pairs, 2done + LANES)), done)
        done += LANES
    end
    for i in (done + 1):n
        unsafe_store!(to, unsafe_load(pairs, 2i - 1), i)
    end
end

"Add to what comes first in each of `n` pairs."
function add_first!(pairs::Ptr{T}, from::Ptr{T}, n::Int) where {T}
    done = 0
    while done + LANES < n
        a, b = load_lanes(pairs, 2done), load_lanes(pairs, 2done + LANES)
        sums, seconds = added(first_of_pairs(a, b), load_lanes(from, done)), second_of_pairs(a, b)
        store_lanes!(pairs, first_in_turns(sums, seconds), 2done)
        store_lanes!(pairs, last_in_turns(sums, seconds), 2done + LANES)
        done += LANES
    end
    for i in (done + 1):n
        unsafe_store!(pairs, unsafe_load(pairs, 2i - 1) + unsafe_load(from, i), 2i - 1)
    end
end
