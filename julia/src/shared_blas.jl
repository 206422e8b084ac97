# One BLAS for the whole process: from Julia 1.7 on its linear algebra, and so Flux's, goes to the library that torch uses.
# Two libraries have two pools of threads, which fight over the cores when the languages take turns.

"Use the products of the caller's BLAS, if its addresses are among these, everywhere that they can be used."
function use_blas!(addresses::Dict{String,UInt64})
    haskey(addresses, "sgemm_64_") && haskey(addresses, "dgemm_64_") || return nothing
    set_blas!(Ptr{Cvoid}(addresses["sgemm_64_"]), Ptr{Cvoid}(addresses["dgemm_64_"]))
    SHARED[] = VERSION >= v"1.7" && blas_name() != "julia" && share_blas!(Ptr{Cvoid}(addresses["sgemm_64_"]))
    return nothing
end

"""
    share_blas!(address) -> Bool

Let Julia's `LinearAlgebra` use the BLAS of the library that the function at `address` lies in, whose integers have 64 bits
and whose names end in `64_`; what it does not export stays Julia's own. `false`, with nothing changed, where the library
can't be told or where it gets a product wrong.
"""
function share_blas!(address::Ptr{Cvoid})
    library = library_of(address)
    isempty(library) && return false
    loaded() = [l.libname for l in BLAS.get_config().loaded_libs]
    before = loaded()
    any(name -> basename(name) == basename(library), before) && return true
    without_c_output() do
        BLAS.lbt_forward(library; clear = false, suffix_hint = "64_")
    end
    all(T -> is_product(T, times_by_julia!), (Float32, Float64)) && return true
    for (k, name) in enumerate(before)
        BLAS.lbt_forward(name; clear = k == 1)
    end
    return false
end

"The path of the library that an address lies in, \"\" where the platform does not say."
function library_of(address::Ptr{Cvoid})
    Sys.isunix() || return ""
    found = Ref((C_NULL, C_NULL, C_NULL, C_NULL)) # <dlfcn.h>'s Dl_info begins with the path
    ccall(:dladdr, Cint, (Ptr{Cvoid}, Ptr{Cvoid}), address, found) == 0 && return ""
    path = Ptr{UInt8}(found[][1])
    return path == C_NULL ? "" : unsafe_string(path)
end

times_by_julia!(ta::Char, tb::Char, a::Matrix{T}, b::Matrix{T}, c::Matrix{T}) where {T} =
    BLAS.gemm!(ta, tb, one(T), a, b, one(T), c)

"""
Run `f` while what C code prints is thrown away: libblastrampoline finds out about a library by calling it with a wrong
argument, of which Intel's MKL complains on the standard output.
"""
function without_c_output(f)
    Libc.flush_cstdio()
    kept = ccall(:dup, Cint, (Cint,), 1)
    return open("/dev/null", "w") do nowhere
        ccall(:dup2, Cint, (Cint, Cint), fd(nowhere), 1)
        try
            f()
        finally
            Libc.flush_cstdio()
            ccall(:dup2, Cint, (Cint, Cint), kept, 1)
            ccall(:close, Cint, (Cint,), kept)
        end
    end
end
