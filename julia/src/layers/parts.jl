"""
    parts(body, n, least)

Call `body(first, last, part)` for consecutive parts of `1:n`, one for each thread (`thread_count`) as long as each part
has at least `least` elements. With one thread, or few elements, that is one plain call; what a body must not do otherwise
is what `share` says.
"""
@inline function parts(body::F, n::Int, least::Int) where {F}
    count = part_count(n, least)
    count == 1 ? body(1, n, 1) : share(part -> body((part - 1) * n ÷ count + 1, part * n ÷ count, part), count)
    return nothing
end

# Loops within the part of a larger loop are done by its thread.
"Who does a loop: all threads."
struct Together end

"Who does a loop: the thread that comes to it, while others have parts of their own to do."
struct Alone end

@inline parts(body::F, ::Together, n::Int, least::Int) where {F} = parts(body, n, least)
@inline parts(body::F, ::Alone, n::Int, least::Int) where {F} = (body(1, n, 1); nothing)

part_count(n::Int, least::Int) = n < 2least ? 1 : min(thread_count(), n ÷ least)

# Elements that are worth a thread of their own: some ten microseconds of work.
const LEAST_PART = 32768
