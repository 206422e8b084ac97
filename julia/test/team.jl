# Loops of layers in teams of three threads, whatever their size: the threads are played by one, after each other, so that
# what a body allocates is seen. On torch's threads it would end the process before Julia 1.9.
module Team

using DiagramBridge
using DiagramBridge: OPENMP

const THREADS = 3
const NUMBER, SIZE = Ref{Cint}(0), Ref{Cint}(1)
const LOOPS, ALLOCATED = Ref(0), Ref(0)

function play(share::Ptr{Cvoid}, loop::Ptr{Cvoid}, threads::Cuint, flags::Cuint)
    SIZE[] = threads
    for number in 0:Int(threads)-1
        NUMBER[] = number
        before = Base.gc_bytes()
        ccall(share, Cvoid, (Ptr{Cvoid},), loop)
        ALLOCATED[] += Base.gc_bytes() - before
    end
    NUMBER[], SIZE[] = 0, 1
    LOOPS[] += 1
    return nothing
end

most_threads() = Cint(THREADS)
number() = NUMBER[]
size() = SIZE[]

"Have all loops from here on done by teams."
function play!()
    OPENMP.parallel = @cfunction(play, Cvoid, (Ptr{Cvoid}, Ptr{Cvoid}, Cuint, Cuint))
    OPENMP.thread_number, OPENMP.team_size = @cfunction(number, Cint, ()), @cfunction(size, Cint, ())
    OPENMP.most_threads = @cfunction(most_threads, Cint, ())
    @eval DiagramBridge part_count(n::Int, least::Int) = clamp(n, 1, $THREADS)
    return nothing
end

end
