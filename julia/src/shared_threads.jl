# torch's threads for Julia's loops too. Two pools fight over the cores when the languages take turns: after its loop each
# has threads look for more work for some milliseconds, on the cores that the other's loop needs by then.

"""
Addresses of C functions of the OpenMP runtime that torch uses, null without one: `GOMP_parallel`, which runs a function on a
team of threads (libgomp, "Implementing PARALLEL construct"), and the standard's `omp_get_thread_num`, `omp_get_num_threads`
and `omp_get_max_threads`.
"""
mutable struct OpenMP
    parallel::Ptr{Cvoid}
    thread_number::Ptr{Cvoid}
    team_size::Ptr{Cvoid}
    most_threads::Ptr{Cvoid}
end

const OPENMP = OpenMP(C_NULL, C_NULL, C_NULL, C_NULL)

const OPENMP_SYMBOLS = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads", "omp_get_max_threads")

"Run loops on the caller's threads, if the addresses of all of `OPENMP_SYMBOLS` are among these."
function use_threads!(addresses::Dict{String,UInt64})
    all(name -> get(addresses, name, UInt64(0)) != 0, OPENMP_SYMBOLS) || return nothing
    for (name, field) in zip(OPENMP_SYMBOLS, fieldnames(OpenMP))
        setfield!(OPENMP, field, Ptr{Cvoid}(addresses[name]))
    end
    return nothing
end

shares_threads() = OPENMP.parallel != C_NULL

"How many threads a loop may have: torch's number (`torch.set_num_threads`) where they are shared, else that of Julia's."
thread_count() = shares_threads() ? Int(ccall(OPENMP.most_threads, Cint, ())) : Threads.nthreads()

"A loop over `1:count`, which a team of threads does together."
mutable struct Loop{F}
    body::F
    count::Int
end

# The loop is given by its address: for any other type a C function of Julia's may have to make an object.
"What a thread of the team does of the loop: all of them call this at once. Without a team it is the whole loop."
@noinline function run_share(address::Ptr{Loop{F}}) where {F}
    loop = unsafe_pointer_to_objref(address)::Loop{F}
    i = Int(ccall(OPENMP.thread_number, Cint, ())) + 1
    team = Int(ccall(OPENMP.team_size, Cint, ()))
    while i <= loop.count
        loop.body(i)
        i += team
    end
    return nothing
end

"""
    share(body, count)

Call `body(i)` for each `i` of `1:count`, at the same time where there are threads for it. The body must not throw, and has
to be ready for a team (`Readiness`), else this thread calls it alone.
"""
@noinline function share(body::F, count::Int) where {F}
    loop = Loop{F}(body, count)
    if shares_threads()
        in_team(loop)
    else
        Threads.@threads for i in 1:count
            loop.body(i)
        end
    end
    return nothing
end

# Before 1.9 a thread that Julia did not start can't allocate, nor compile, which looking for a method may come to.
const MEETS_THREADS = VERSION >= v"1.9"

"""
Whether threads that are not Julia's may run the loops of a body: `address` is `run_share` as a C function, of the methods
that were there in `world`. Before Julia 1.9 this thread runs the first two loops alone, and again when methods were added:
the first compiles whatever is left to compile, the second shows whether anything is allocated.
"""
mutable struct Readiness
    address::Ptr{Cvoid}
    world::UInt
    loops::Int
    allocates::Bool
end

@generated readiness(::Type{F}) where {F} = Readiness(C_NULL, 0, 0, false)

function in_team(loop::Loop{F}) where {F}
    ready = readiness(F)
    ready.world == Base.get_world_counter() || start_again!(ready)
    if ready.loops == 2 && !ready.allocates || MEETS_THREADS && ready.loops == 1
        call_team(ready.address, loop)
    else
        GC.@preserve loop alone!(ready, Ptr{Loop{F}}(pointer_from_objref(loop)))
    end
    return nothing
end

function start_again!(ready::Readiness)
    ready.loops = 0
    ready.world = Base.get_world_counter()
    return nothing
end

# A C function looks for its method at each call unless that was compiled before it.
function alone!(ready::Readiness, loop::Ptr{Loop{F}}) where {F}
    if ready.loops == 0
        run_share(loop)
        ready.address = Base.invokelatest(c_function, F)
        ready.loops = 1
    else
        before = Base.gc_bytes()
        ccall(ready.address, Cvoid, (Ptr{Cvoid},), loop)
        ready.allocates = Base.gc_bytes() != before
        ready.loops = 2
    end
    return nothing
end

c_function(::Type{F}) where {F} = @cfunction(run_share, Cvoid, (Ptr{Loop{F}},))

# From 1.9 on a thread that Julia meets may want to collect garbage, and does not have to wait for this one then.
function call_team(address::Ptr{Cvoid}, loop::Loop)
    GC.@preserve loop begin
        state = MEETS_THREADS ? ccall(:jl_gc_safe_enter, Int8, ()) : Int8(0)
        ccall(OPENMP.parallel, Cvoid, (Ptr{Cvoid}, Ptr{Cvoid}, Cuint, Cuint),
              address, pointer_from_objref(loop), min(loop.count, thread_count()) % Cuint, 0)
        MEETS_THREADS && ccall(:jl_gc_safe_leave, Cvoid, (Int8,), state)
    end
    return nothing
end
