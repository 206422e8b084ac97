module CheckpointTests

using DiagramBridge:
    BridgeError, Checkpoint, Optimizer, read_checkpoint, read_tensors, state_slots, step!, write_checkpoint, write_tensors
using Random
using Test

const FOLDER = mktempdir()
const PATH = joinpath(FOLDER, "file.safetensors")

"What a file says that has this header and these bytes behind it."
function read_file(header::String, data = UInt8[]; stated = sizeof(header))
    write(PATH, htol(UInt64(stated)), header, data)
    return read_tensors(PATH)
end

refusal(f) = try f(); nothing catch e; e isa BridgeError ? e.element : rethrow() end
named(rest) = "file '$PATH'$rest"

@testset "the format's own example" begin
    # One F32 matrix of two rows and three columns, row-major, as the format's page describes a file.
    header = "{\"__metadata__\":{\"k\":\"v\"},\"t\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}   "
    tensors, metadata = read_file(header, reinterpret(UInt8, Float32[1, 2, 3, 4, 5, 6]))
    @test tensors["t"] == Float32[1 4; 2 5; 3 6] && tensors["t"] isa Matrix{Float32}
    @test metadata == Dict("k" => "v")
    @test read_file("{}") == (Dict(), Dict())
end

@testset "round trip" begin
    tensors = Dict{String,Array}(
        "f" => randn(3, 0, 2), "é \"\\" => Float32[1 2; 3 4], "s" => fill(NaN), "b" => [true, false, true],
        "i" => Int64[-1, typemin(Int64)], "u" => UInt8[255], "h" => Float16[1.5, -0.0],
    )
    write_tensors(PATH, tensors, Dict("a" => "b\n"))
    found, metadata = read_tensors(PATH)
    @test isequal(found, tensors) && all(name -> typeof(found[name]) === typeof(tensors[name]), keys(tensors))
    @test metadata == Dict("a" => "b\n")
    @test readdir(FOLDER) == ["file.safetensors"]
    before = read(PATH)
    @test_throws BridgeError write_tensors(PATH, Dict("c" => [1im]), Dict{String,String}())
    @test refusal(() -> write_tensors(joinpath(FOLDER, "no", "x"), tensors, Dict{String,String}())) ==
          "file '$(joinpath(FOLDER, "no", "x"))'"
    @test read(PATH) == before && readdir(FOLDER) == ["file.safetensors"]
end

info(; dtype = "\"U8\"", shape = "[2]", offsets = "[0,2]") =
    "{\"dtype\":$dtype,\"shape\":$shape,\"data_offsets\":$offsets}"
one(; given...) = "{\"t\":$(info(; given...))}"
two(first, second) = "{\"t\":$(info(offsets = first)),\"u\":$(info(offsets = second))}"

@testset "refusals" begin
    bytes = UInt8[1, 2]
    @test read_file(one(), bytes)[1] == Dict("t" => bytes)
    @test read_file(two("[0,2]", "[2,4]"), UInt8[1, 2, 3, 4])[1] == Dict("t" => [1, 2], "u" => [3, 4])
    cases = [
        (one(), UInt8[], ", tensor 't'"), (one(), UInt8[1], ", tensor 't'"), (one(), UInt8[1, 2, 3], ""),
        ("[$(one())]", bytes, ", header"), (" $(one())", bytes, ", header"), ("$(one())x", bytes, ", header"),
        ("{\"t\":$(info()),\"t\":$(info())}", bytes, ", header"),
        ("{\"__metadata__\":{\"a\":1},\"t\":$(info())}", bytes, ", metadata"), ("{\"t\":[]}", bytes, ", tensor 't'"),
        ("{\"t\":{\"dtype\":\"U8\",\"shape\":[2]}}", bytes, ", tensor 't'"),
        (two("[0,2]", "[0,2]"), bytes, ", tensor 'u'"), (two("[0,2]", "[1,3]"), UInt8[1, 2, 3], ", tensor 'u'"),
        (two("[0,2]", "[3,5]"), UInt8[1, 2, 3, 4, 5], ", tensor 'u'"),
    ]
    for dtype in ("\"F8\"", "\"u8\"", "\"I16\"", "1", "null")
        push!(cases, (one(dtype = dtype), bytes, ", tensor 't'"))
    end
    for shape in ("[3]", "[]", "[-2]", "[2.0]", "[true,2]", "2", "[0]", "[4611686018427387904,4611686018427387904]",
                  "[18446744073709551615]", "[$(join(fill("1", 40), ",")),2]")
        push!(cases, (one(shape = shape), bytes, ", tensor 't'"))
    end
    for offsets in ("[2,0]", "[0]", "[0,2,2]", "[-1,1]", "[0.0,2]", "[1,3]", "[0,9223372036854775807]", "0", "[0,null]")
        push!(cases, (one(offsets = offsets), bytes, ", tensor 't'"))
    end
    @testset "$header, $(length(data)) bytes" for (header, data, element) in cases
        @test refusal(() -> read_file(header, data)) == named(element)
    end
    for stated in (0, 3, 200, 100_000_001, typemax(UInt64))
        @test refusal(() -> read_file(one(), bytes, stated = stated)) == named(", header")
    end
    for size in 0:7
        write(PATH, zeros(UInt8, size))
        @test refusal(() -> read_tensors(PATH)) == named("")
    end
    @test refusal(() -> read_tensors(FOLDER)) == "file '$FOLDER'"
end

"A checkpoint of two trained parameters, one of them shared."
function sound()
    weights = Dict{Tuple{String,String},Array}(("f", "0.weight") => ones(2, 3), ("f", "0.bias") => ones(2))
    optimizer = Optimizer("adam", lr = 0.25, betas = (0.5, 0.75))
    step!(optimizer, [(key..., weight, copy(weight)) for (key, weight) in weights])
    return Checkpoint(
        diagram = "ab"^32, epoch = 2, position = 1, seed = typemax(UInt64), parameters = weights,
        buffers = Dict{Tuple{String,String},Array}(("f", "a/b") => [1]), optimizer = "adam",
        options = Dict{String,Any}("lr" => 0.25, "betas" => [0.5, 0.75]), slots = state_slots(optimizer),
        aliases = Dict(("g", "weight") => ("f", "0.weight")),
    )
end

@testset "a checkpoint" begin
    write_checkpoint(PATH, sound())
    found = read_checkpoint(PATH, diagram = "ab"^32)
    for name in fieldnames(Checkpoint)
        @test getfield(found, name) == getfield(sound(), name)
    end
    @test refusal(() -> read_checkpoint(PATH, diagram = "cd"^32)) == named(", diagram")
    optimizer = Optimizer(found)
    @test optimizer.rule.lr == 0.25 && optimizer.rule.betas == (0.5, 0.75) && optimizer.rule.eps == 1e-8
    @test state_slots(optimizer) == sound().slots
    @test Optimizer(Checkpoint(diagram = "ab"^32)) === nothing
    write_tensors(PATH, Dict("parameters/f/w" => [1.0]), Dict("format" => "pt"))
    @test refusal(() -> read_checkpoint(PATH)) == named(", metadata")
end

@testset "any bytes spoiled: a checkpoint or a refusal" begin
    write_checkpoint(PATH, sound())
    bytes, rng = read(PATH), MersenneTwister(1)
    outcomes = map(1:3000) do _
        spoiled = copy(bytes)
        for _ in 1:rand(rng, 1:3)
            spoiled[rand(rng, 1:length(bytes)-150)] = rand(rng, UInt8)
        end
        write(PATH, rand(rng, Bool) ? spoiled : spoiled[1:rand(rng, 1:end)])
        refusal(() -> read_checkpoint(PATH)) === nothing
    end
    @test any(outcomes) && !all(outcomes)
end

end
