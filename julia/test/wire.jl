module WireTests

using DiagramBridge: Schema, Wire, decode, encode
using DiagramBridge.Wire: WireError
using Random
using Test

# A message that contains itself: the schema has none, so that its depth is bounded without the reader's own limit.
Base.@kwdef mutable struct Nested <: Wire.Message
    inner::Union{Nothing,Nested} = nothing
    number::UInt32 = 0
end
Wire.numbers(::Type{Nested}) = (1, 2)

"The messages of wire_golden.txt, as pairs of a type and bytes."
function golden()
    return map(eachline(joinpath(@__DIR__, "wire_golden.txt"))) do line
        name, text = split(line * " ", " "; limit = 2)
        getfield(Schema, Symbol(name)), hex(strip(text))
    end
end

hex(text::AbstractString) = hex2bytes(replace(text, " " => ""))

"What decoding gives: a message, or the WireError. Any other exception fails the test."
function attempt(T, bytes)
    try
        return decode(T, bytes)
    catch e
        e isa WireError || rethrow()
        return e
    end
end

linear = Schema.Layer(
    operation = "linear", version = 1,
    attributes = [
        Schema.Attribute(name = "in", kind = Schema.ATTRIBUTE_KIND_INTEGER, integers = [64]),
        Schema.Attribute(name = "eps", kind = Schema.ATTRIBUTE_KIND_REAL, real = -0.5),
        Schema.Attribute(name = "bias", kind = Schema.ATTRIBUTE_KIND_BOOLEAN, boolean = true),
    ],
)

@testset "wire" begin
    @testset "what Python writes" begin
        for (T, bytes) in golden()
            message = decode(T, bytes)
            @test encode(message) == bytes
            @test decode(T, encode(message)) == message
            @test hash(decode(T, bytes)) == hash(message)
        end
    end

    @testset "fields by hand" begin
        # protobuf's own documentation: field 1 as a varint of 150 is 08 96 01
        @test encode(Schema.TermReference(term = 150)) == hex("089601")
        @test decode(Schema.TermReference, hex("089601")).term === UInt32(150)
        bytes = vcat(
            hex("0a066c696e656172 1001"),
            hex("1a0a 0a02696e 1001 1a028001"),
            hex("1a10 0a03657073 1002 21000000000000e0bf"),
            hex("1a0a 0a0462696173 1004 3001"),
        )
        @test encode(linear) == bytes
        @test decode(Schema.Layer, bytes) == linear
        @test decode(Schema.Layer, bytes) != Schema.Layer()
        @test encode(Schema.Layer()) == UInt8[]
        signed = [-1, typemin(Int64)]
        @test decode(Schema.Attribute, encode(Schema.Attribute(integers = signed))).integers == signed
        @test encode(Schema.Attribute(real = -0.0)) == hex("210000000000000080")
        empty = encode(Schema.Component(graph = Schema.LayerGraph()))
        @test decode(Schema.Component, empty).graph == Schema.LayerGraph()
    end

    @testset "as protobuf reads" begin
        @test decode(Schema.Node, hex("180118021803")).inputs == [1, 2, 3] # not packed
        @test decode(Schema.Node, hex("1a0201021803")).inputs == [1, 2, 3] # both
        @test decode(Schema.TermReference, hex("08010802")).term == 2 # the last one wins
        merged = decode(Schema.Node, vcat(encode(Schema.Node(layer = linear)), encode(Schema.Node(layer = linear))))
        @test length(merged.layer.attributes) == 6
        both = vcat(
            encode(Schema.Component(graph = Schema.LayerGraph(inputs = 1))),
            encode(Schema.Component(torch = Schema.Reference(name = "m"))),
        )
        component = decode(Schema.Component, both) # one member of a oneof
        @test component.graph === nothing && component.torch.name == "m"
        @test decode(Schema.Layer, view(encode(linear), :)) == linear
    end

    @testset "refused" begin
        for (T, text) in (
            (Schema.TermReference, "1001"),                   # an unknown field
            (Schema.TermReference, "00"),                     # field 0
            (Schema.TermReference, "0d00000000"),             # 4 bytes for a varint
            (Schema.TermReference, "0a0101"),                 # a length for a scalar
            (Schema.TermReference, "0b0c"),                   # groups
            (Schema.TermReference, "888000"),                 # a key longer than it needs
            (Schema.TermReference, "088000"),                 # a value longer than it needs
            (Schema.TermReference, "08ffffffff1f"),           # 33 bits
            (Schema.TermReference, "08ffffffffffffffffffff01"), # 11 bytes
            (Schema.TermReference, "08ffffffffffffffffff02"), # 65 bits
            (Schema.Layer, "0a01ff"),                         # not UTF-8
            (Schema.Layer, "0a03eda080"),                     # a surrogate
            (Schema.Layer, "0a02c080"),                       # an overlong 0
            (Schema.Layer, "0a0561"),                         # a length past the end
            (Schema.Layer, "0affffffffffffffffff01"),         # a length of 2^64 − 1
            (Schema.Layer, "1a020a05"),                       # a length past its message's end
            (Schema.Attribute, "1006"),                       # an unknown kind
            (Schema.Attribute, "3002"),                       # a boolean of 2
            (Schema.Attribute, "21000000000000"),             # 7 bytes of a double
            (Schema.Node, "1a0180"),                          # a packed value past its list's end
            (Schema.Node, "1d00000000"),                      # 4 bytes for an element
        )
            @test_throws WireError decode(T, hex(text))
        end
        unknown = attempt(Schema.Node, hex("1203 1a01 1001"))
        @test unknown.element == "Node, layer.attributes[0].kind"
    end

    @testset "truncated" begin
        for (T, bytes) in golden(), cut in 0:length(bytes)-1
            part = attempt(T, bytes[1:cut])
            # A cut between fields leaves a message, which then has to be of these very fields.
            @test part isa WireError || encode(part) == bytes[1:cut] || length(encode(part)) < cut
        end
    end

    @testset "depth" begin
        nest(n) = (m = Nested(number = 7); for _ in 1:n; m = Nested(inner = m); end; m)
        @test decode(Nested, encode(nest(60))) == nest(60)
        varint(number) = encode(Schema.Axis(size = number))[2:end]
        deep = hex("1007")
        while length(deep) < 100_000
            deep = vcat(0x0a, varint(length(deep)), deep)
        end
        @test_throws WireError decode(Nested, deep)
    end

    @testset "random bytes" begin
        generator = MersenneTwister(3)
        cases = golden()
        readable = 0
        for _ in 1:20_000
            T, bytes = rand(generator, cases)
            fresh = isempty(bytes) || rand(generator) < 0.1
            bytes = fresh ? rand(generator, UInt8, rand(generator, 0:40)) : copy(bytes)
            for _ in 1:rand(generator, 1:3)
                isempty(bytes) || (bytes[rand(generator, 1:length(bytes))] = rand(generator, UInt8))
            end
            message = attempt(T, bytes)
            message isa WireError && continue
            readable += 1
            @test decode(T, encode(message)) == message
        end
        @test readable > 1000
    end
end

end
