"""
    parts(body, n, least)

Call `body(first, last, part)` for consecutive parts of `1:n`, one for each of Julia's threads as long as each part
has at least `least` elements. With one thread, or few elements, that is one plain call.
"""
@inline function parts(body::F, n::Int, least::Int) where {F}
    count = part_count(n, least)
    count == 1 ? body(1, n, 1) : threaded_parts(body, n, count)
    return nothing
end

part_count(n::Int, least::Int) = max(1, min(Threads.nthreads(), n ÷ least))

@noinline function threaded_parts(body::F, n::Int, count::Int) where {F}
    Threads.@threads for part in 1:count
        body((part - 1) * n ÷ count + 1, part * n ÷ count, part)
    end
end

# Elements that are worth a thread of their own: some ten microseconds of work.
const LEAST_PART = 32768
