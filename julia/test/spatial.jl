module SpatialTests

isdefined(Main, :GradientCheck) || Base.include(Main, joinpath(@__DIR__, "gradient_check.jl"))

using DiagramBridge: BridgeError, Heap, LayerMode, Memory, build, forward, parameter_shapes, pullback
using Main.GradientCheck: check
using Random
using Test
import DiagramBridge

const X = MersenneTwister(6)

layer(operation, attributes...) = build(operation, 1, Dict{String,Any}(attributes...))
values_of(f, parameters, x) = forward(f, parameters, (x,), Heap(), LayerMode(true))

function gradients(f, parameters, x, dy)
    values, residual = values_of(f, parameters, x)
    needs = (true,), map(_ -> true, parameters)
    dinputs, dparameters = pullback(f, parameters, (x,), values, residual, (dy,), needs..., Heap())
    return (dinputs..., dparameters...)
end

convolution(operation, inputs, outputs, kernel, stride, padding, dilation, groups, more...) = layer(
    operation, "in" => inputs, "out" => outputs, "kernel" => kernel, "stride" => stride, "padding" => padding,
    "dilation" => dilation, "groups" => groups, "bias" => true, "init" => "zeros", more...)

# Where there are teams (team.jl): whether threads take images of their own.
take_own_images!(own::Bool) = isdefined(Main, :Team) && (Main.Team.OWN_IMAGES[] = own)

# Of each way that a correlation is computed: one element a window, planes laid out for few channels, products of matrices.
const CONVOLUTIONS = [
    ([3, 2], [1, 1], [1, 0], [1, 1], 1), ([1, 1], [1, 1], [0, 0], [1, 1], 1), ([1, 1], [2, 3], [1, 0], [1, 1], 1),
    ([2, 3], [2, 1], [0, 2], [1, 2], 2), ([3, 3], [1, 1], [1, 1], [1, 1], 4), ([3, 2], [2, 3], [2, 1], [2, 1], 4),
]

@testset "gradients of convolutions, batch of $batch, own images: $own" for batch in (0, 2), own in (false, true)
    take_own_images!(own)
    @testset "$kernel $stride $padding $dilation $groups" for (kernel, stride, padding, dilation, groups) in CONVOLUTIONS
        sizes = (kernel, stride, padding, dilation, groups)
        check(convolution("conv2d", 4, 8, sizes...), (randn(X, 5, 7, 4, batch),))
        check(convolution("conv_transpose2d", 4, 8, sizes..., "output_padding" => [0, 0]), (randn(X, 3, 4, 4, batch),))
        line = map(first, sizes[1:4])
        check(convolution("conv1d", 4, 4, map(n -> [n], line)..., groups), (randn(X, 6, 4, batch),))
        more = "output_padding" => [max(line[2], line[4]) - 1]
        check(convolution("conv_transpose1d", 4, 4, map(n -> [n], line)..., groups, more), (randn(X, 4, 4, batch),))
    end
end

windows(kernel, stride, padding) = ("kernel" => kernel, "stride" => stride, "padding" => padding)

@testset "gradients of pooling and resampling, batch of $batch" for batch in (0, 2)
    for (kernel, stride, padding) in (([2, 2], [2, 2], [0, 0]), ([3, 2], [1, 3], [1, 1]), ([4, 3], [2, 1], [2, 0]))
        x = randn(X, 6, 5, 2, batch)
        check(layer("max_pool2d", windows(kernel, stride, padding)...), (x,))
        for counted in (true, false)
            check(layer("mean_pool2d", windows(kernel, stride, padding)..., "count_padding" => counted), (x,))
        end
        line = windows(kernel[1:1], stride[1:1], padding[1:1])
        check(layer("max_pool1d", line...), (randn(X, 6, 2, batch),))
        check(layer("mean_pool1d", line..., "count_padding" => false), (randn(X, 6, 2, batch),))
    end
    for size in ([2, 3], [1, 1], [7, 4]), kind in ("max", "mean")
        check(layer("adaptive_$(kind)_pool2d", "size" => size), (randn(X, 5, 4, 2, batch),))
        check(layer("adaptive_$(kind)_pool1d", "size" => size[1:1]), (randn(X, 5, 2, batch),))
    end
    for factor in ([1, 1], [2, 3], [4, 1])
        for (mode, corners) in (("nearest", false), ("bilinear", false), ("bilinear", true))
            up = layer("upsample2d", "factor" => factor, "mode" => mode, "align_corners" => corners)
            check(up, (randn(X, 3, 4, 2, batch),))
            check(up, (randn(X, 1, 1, 1, batch),))
        end
    end
    for (before, after) in (([1], [0]), ([0, 2], [1, 1]), ([1, 0, 2], [0, 0, 0]))
        check(layer("pad", "before" => before, "after" => after, "value" => 0.5), (randn(X, 2, 3, 2, batch),))
    end
end

# torch: the first of equal maxima, row by row, but the last NaN.
@testset "which maximum, in $T" for T in (Float32, Float64)
    pool = layer("max_pool2d", windows([2, 3], [2, 3], [0, 0])...)
    plane(rows...) = reshape(permutedims(T.(vcat(rows...))), 3, 2, 1, 1)
    function takes(x, value, gradient)
        y = values_of(pool, (), x)[1][1]
        @test isequal(y, fill(T(value), 1, 1, 1, 1))
        @test gradients(pool, (), x, fill(T(7), 1, 1, 1, 1))[1] == 7 .* gradient
    end
    takes(plane([1 5 2], [5 0 5]), 5, plane([0 1 0], [0 0 0]))
    takes(plane([-3 -3 -4], [-3 -5 -3]), -3, plane([1 0 0], [0 0 0]))
    takes(plane([-Inf -Inf -Inf], [-Inf -Inf -Inf]), -Inf, plane([1 0 0], [0 0 0]))
    takes(plane([1 NaN 2], [NaN 0 9]), NaN, plane([0 0 0], [1 0 0]))
    padded = layer("max_pool2d", windows([2, 2], [2, 2], [1, 1])...)
    x = T.(fill(-1, 2, 2, 1, 1))
    @test values_of(padded, (), x)[1][1] == x
    @test gradients(padded, (), x, T.(reshape(1:4, 2, 2, 1, 1)))[1] == reshape(1:4, 2, 2, 1, 1)
end

"A memory that fills what it gives with NaN: each destination has to be written as a whole."
struct Poisoned <: Memory end

poisoned(::Type{T}, dims) where {T} = fill(T(NaN), dims)
DiagramBridge.output!(::Poisoned, k::Int, ::Type{T}, dims::Dims{N}) where {T,N} = poisoned(T, dims)::Array{T,N}
DiagramBridge.scratch!(::Poisoned, ::Type{T}, dims::Dims{N}) where {T,N} = poisoned(T, dims)::Array{T,N}
DiagramBridge.input_gradient!(::Poisoned, i::Int, ::Type{T}, dims::Dims{N}) where {T,N} = poisoned(T, dims)::Array{T,N}
DiagramBridge.parameter_gradient!(::Poisoned, j::Int, ::Type{T}, dims::Dims{N}) where {T,N} = poisoned(T, dims)::Array{T,N}

# Large enough for several blocks of rows, and for several threads where Julia has them; and images so small that several are
# multiplied together. Sums in another order are other by rounding errors.
const BATCHES = (randn(X, Float32, 40, 50, 16, 6), randn(X, Float32, 7, 7, 16, 37))

@testset "$(size(x)) image by image, own images: $own" for x in BATCHES, own in (false, true)
    take_own_images!(own)
    @testset "$operation of $groups groups" for (operation, outputs, groups) in
                                                (("conv2d", 32, 1), ("conv2d", 16, 16), ("conv_transpose2d", 16, 2))
        more = operation == "conv2d" ? () : ("output_padding" => [0, 0],)
        f = convolution(operation, 16, outputs, [3, 3], [1, 1], [1, 1], [1, 1], groups, more...)
        parameters = map(shape -> randn(X, Float32, reverse(shape)), parameter_shapes(f))
        values, residual = forward(f, parameters, (x,), Poisoned(), LayerMode(true))
        dy = randn(X, Float32, size(values[1]))
        needs = (true,), (true, true)
        (dx,), (dweight, dbias) = pullback(f, parameters, (x,), values, residual, (dy,), needs..., Poisoned())
        images = [(x[:, :, :, k:k], dy[:, :, :, k:k]) for k in 1:size(x, 4)]
        alone = [gradients(f, parameters, one...) for one in images]
        @test values[1] ≈ cat((values_of(f, parameters, first(one))[1][1] for one in images)..., dims = 4)
        @test dx ≈ cat((g[1] for g in alone)..., dims = 4)
        @test dweight ≈ sum(g[2] for g in alone)
        @test dbias ≈ sum(g[3] for g in alone)
    end
end

@testset "nothing is left to chance in $f" for (f, x) in (
    (layer("max_pool2d", windows([3, 3], [2, 2], [1, 1])...), randn(X, 300, 120, 2, 2)),
    (layer("mean_pool2d", windows([3, 3], [2, 2], [1, 1])..., "count_padding" => true), randn(X, 300, 120, 2, 2)),
    (layer("adaptive_mean_pool2d", "size" => [7, 5]), randn(X, 300, 120, 2, 2)),
    (layer("upsample2d", "factor" => [2, 3], "mode" => "nearest", "align_corners" => false), randn(X, 90, 80, 2, 2)),
    (layer("upsample2d", "factor" => [2, 3], "mode" => "bilinear", "align_corners" => true), randn(X, 90, 80, 2, 2)),
    (layer("pad", "before" => [1, 2], "after" => [0, 3], "value" => 0.0), randn(X, 90, 80, 2, 2)),
)
    values, residual = forward(f, (), (x,), Poisoned(), LayerMode(true))
    @test values[1] == values_of(f, (), x)[1][1]
    dy = randn(X, size(values[1]))
    (dx,), _ = pullback(f, (), (x,), values, residual, (dy,), (true,), (), Poisoned())
    @test dx == gradients(f, (), x, dy)[1]
    @test dx[:, :, 1:1, 1:1] == gradients(f, (), x[:, :, 1:1, 1:1], dy[:, :, 1:1, 1:1])[1]
end

@testset "inputs that do not fit" begin
    f = convolution("conv2d", 3, 4, [3, 3], [1, 1], [0, 0], [1, 1], 1)
    weights = randn(3, 3, 3, 4), randn(4)
    @test_throws BridgeError values_of(f, weights, randn(5, 5, 2, 1))
    @test_throws BridgeError values_of(f, weights, randn(2, 5, 3, 1))
    @test_throws BridgeError values_of(f, weights, randn(5, 3, 1))
    @test_throws BridgeError values_of(f, (randn(3, 3, 3, 3), randn(4)), randn(5, 5, 3, 1))
    @test_throws BridgeError values_of(layer("max_pool1d", windows([4], [1], [0])...), (), randn(3, 2, 1))
    @test_throws BridgeError values_of(layer("max_pool1d", windows([2], [1], [0])...), (), randn(3, 2, 2, 1))
    @test_throws BridgeError values_of(layer("adaptive_mean_pool2d", "size" => [1, 1]), (), randn(3, 2, 1))
    @test_throws BridgeError values_of(layer("pad", "before" => [1, 1], "after" => [1, 1], "value" => 0.0), (), randn(3, 1))
end

end
