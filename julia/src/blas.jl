# Matrix products through a BLAS that the caller names by address, so that Julia and torch share one thread pool.

const SGEMM = Ref{Ptr{Cvoid}}(C_NULL)
const DGEMM = Ref{Ptr{Cvoid}}(C_NULL)

gemm_address(::Type{Float32}) = SGEMM[]
gemm_address(::Type{Float64}) = DGEMM[]

"""
    blas_name() -> String

Where matrix products come from: `"caller"` after a successful `set_blas!`, else `"julia"` (Julia's own library). Where only
the portable layers of this package use the caller's, though Julia's linear algebra could: `"caller, native engine only"`.
"""
function blas_name()
    SGEMM[] == C_NULL && return "julia"
    return VERSION >= v"1.7" && !SHARED[] ? "caller, native engine only" : "caller"
end

# Whether Julia's `LinearAlgebra` uses the caller's library as well (shared_blas.jl).
const SHARED = Ref(false)

"""
    set_blas!(sgemm::Ptr, dgemm::Ptr) -> Bool

Use the Fortran functions at these addresses, which take 64-bit integers (torch exports `sgemm_64_` and `dgemm_64_`).

Each is first compared with a plain product, in every transposition; if one is wrong both are left alone and the
answer is `false`. Null addresses go back to LinearAlgebra's BLAS.
"""
function set_blas!(sgemm::Ptr, dgemm::Ptr)
    if sgemm == C_NULL || dgemm == C_NULL
        SGEMM[] = DGEMM[] = C_NULL
        return sgemm == dgemm
    end
    trusted = is_product(Float32, times_at(Ptr{Cvoid}(sgemm))) && is_product(Float64, times_at(Ptr{Cvoid}(dgemm)))
    if trusted
        SGEMM[], DGEMM[] = sgemm, dgemm
    end
    return trusted
end

"The function at an address as `c += op(a) op(b)`."
function times_at(gemm::Ptr{Cvoid})
    return function (ta, tb, a, b, c)
        m, n, k = size(c, 1), size(c, 2), ta == 'N' ? size(a, 2) : size(a, 1)
        GC.@preserve a b c begin
            call_gemm(gemm, ta, tb, m, n, k, pointer(a), size(a, 1), pointer(b), size(b, 1), one(eltype(c)), pointer(c), m)
        end
    end
end

"Whether `times!(ta, tb, a, b, c)` adds products of matrices of sizes that fill its blocks and that leave remainders."
function is_product(::Type{T}, times!) where {T}
    for (m, n, k) in ((1, 1, 1), (33, 17, 50), (96, 64, 128)), ta in "NT", tb in "NT"
        # Small integers: every order of summation gives the same bits, and so does the plain product.
        a = [T((5i + 3j) % 7 - 3) for i in 1:(ta == 'N' ? m : k), j in 1:(ta == 'N' ? k : m)]
        b = [T((2i + 7j) % 5 - 2) for i in 1:(tb == 'N' ? k : n), j in 1:(tb == 'N' ? n : k)]
        c = [T((i + j) % 3) for i in 1:m, j in 1:n]
        expected = c .+ plain_product(ta == 'N' ? a : permutedims(a), tb == 'N' ? b : permutedims(b))
        times!(ta, tb, a, b, c)
        c == expected || return false
    end
    return true
end

plain_product(a::Matrix, b::Matrix) =
    [sum(a[i, l] * b[l, j] for l in axes(a, 2)) for i in axes(a, 1), j in axes(b, 2)]

for (T, name) in ((:Float32, "sgemm"), (:Float64, "dgemm"))
    @eval function call_gemm(
        gemm::Ptr{Cvoid}, ta::Char, tb::Char, m::Int, n::Int, k::Int,
        a::Ptr{$T}, lda::Int, b::Ptr{$T}, ldb::Int, beta::$T, c::Ptr{$T}, ldc::Int, alpha::$T = one($T),
    )
        # The last two are the lengths of the two texts, which Fortran passes by value.
        ccall(
            gemm, Cvoid,
            (
                Ref{UInt8}, Ref{UInt8}, Ref{Int64}, Ref{Int64}, Ref{Int64}, Ref{$T}, Ptr{$T}, Ref{Int64},
                Ptr{$T}, Ref{Int64}, Ref{$T}, Ptr{$T}, Ref{Int64}, Csize_t, Csize_t,
            ),
            ta % UInt8, tb % UInt8, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 1, 1,
        )
    end
end

"""
    gemm!(ta, tb, m, n, k, a, b, beta, c)

`c = op(a) op(b) + beta c`, with `c` of m × n and the inner size k; op is the identity for 'N', the transpose for 'T'.
Arrays are taken as matrices with the leading size that follows, whatever their rank: `a` has m rows for 'N', else k.
"""
function gemm!(ta::Char, tb::Char, m::Int, n::Int, k::Int, a::Array{T}, b::Array{T}, beta::T, c::Array{T}) where {T}
    lda, ldb = ta == 'N' ? m : k, tb == 'N' ? k : n
    GC.@preserve a b c gemm!(ta, tb, m, n, k, pointer(a), lda, pointer(b), ldb, beta, pointer(c), m)
    return c
end

"""
    gemm!(ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc, alpha = 1)

The same, with `alpha` times the product, for matrices within larger ones: `lda`, `ldb` and `ldc` elements lie from one
column to the next.
"""
function gemm!(
    ta::Char, tb::Char, m::Int, n::Int, k::Int, a::Ptr{T}, lda::Int, b::Ptr{T}, ldb::Int, beta::T, c::Ptr{T}, ldc::Int,
    alpha::T = one(T),
) where {T}
    (m == 0 || n == 0) && return nothing
    if k == 0
        for j in 0:n-1, i in 1:m
            unsafe_store!(c, iszero(beta) ? zero(T) : beta * unsafe_load(c, j * ldc + i), j * ldc + i)
        end
        return nothing
    end
    gemm = gemm_address(T)
    call_gemm(gemm == C_NULL ? own_gemm(T) : gemm, ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc, alpha)
    return nothing
end

# The functions that `BLAS.gemm!` calls, which takes no leading sizes.
const BLAS_LIBRARY = isdefined(BLAS, :libblastrampoline) ? BLAS.libblastrampoline : BLAS.libblas

own_gemm(::Type{Float32}) = cglobal((BLAS.@blasfunc(sgemm_), BLAS_LIBRARY))
own_gemm(::Type{Float64}) = cglobal((BLAS.@blasfunc(dgemm_), BLAS_LIBRARY))
