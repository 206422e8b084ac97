# Loops of layers in teams of three threads, whatever their size. The threads are played by one, after each other, so that it
# is seen whether a body allocates: before Julia 1.9 such a one is left to one thread.
module Team

using DiagramBridge
using DiagramBridge: OPENMP

const THREADS = 3
const NUMBER, SIZE = Ref{Cint}(0), Ref{Cint}(1)
const LOOPS, ALLOCATED = Ref(0), Ref(0)
const OWN_IMAGES = Ref(true) # or all threads multiply each block of images together

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
    @eval DiagramBridge image_parts(c::Correlation, ::Type{T}) where {T} = $OWN_IMAGES[] ? clamp(c.batch, 1, $THREADS) : 1
    return nothing
end

"The bodies that were seen to allocate, of those that ran more than once."
function allocating()
    known = first(methods(DiagramBridge.readiness)).specializations
    signatures = [Base.unwrap_unionall(known[i].specTypes) for i in 1:length(known) if isassigned(known, i)]
    bodies = [only(s.parameters[2].parameters) for s in signatures if !isempty(s.parameters[2].parameters)]
    return filter(F -> F isa DataType && DiagramBridge.readiness(F).allocates, bodies)
end

end
