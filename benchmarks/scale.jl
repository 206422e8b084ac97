# The least processor seconds that reading, checking and planning a file's bytes take (benchmarks/scale.py):
# `scale.jl WARM_UP FILE ROUNDS`

using DiagramBridge: plan, read_bytes

"Seconds of this process so far; `clock` counts microseconds on every system that POSIX is for."
processor_seconds() = ccall(:clock, Clong, ()) / 1_000_000

function measure(path, rounds)
    data, best = read(path), Inf
    for _ in 1:rounds
        GC.gc()
        started = processor_seconds()
        plan(read_bytes(data))
        best = min(best, processor_seconds() - started)
    end
    return best
end

measure(ARGS[1], 1)
println(measure(ARGS[2], parse(Int, ARGS[3])))
