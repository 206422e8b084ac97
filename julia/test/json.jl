module JSONTests

using DiagramBridge: BridgeError, JSONError, json, parse_json
using Test

parsed(text) = parse_json(Vector{UInt8}(text))

@testset "values" begin
    @test parsed(" {\"a\" : [1, -2.5e1, true,false ,null, \"x\"]}\n") ==
          Dict("a" => Any[1, -25.0, true, false, nothing, "x"])
    @test parsed("[]") == [] && parsed("{}") == Dict() && parsed("\"\"") == ""
    @test parsed("-0") === -0.0 && parsed("0") === 0 && parsed("0.5") === 0.5 && parsed("1E2") === 100.0
    @test parsed("9223372036854775807") === typemax(Int64)
    @test parsed("18446744073709551615") === typemax(UInt64)
    @test parsed("\"\\u00e9\\n\\\\\\\"\\/\\ud83d\\ude00é\"") == "é\n\\\"/😀é"
end

@testset "round trip" begin
    for value in (Dict("b" => Any[1, 2.5, "a\"\\\n\x01é"], "a" => nothing), [true, typemax(UInt64)], 1e-300, "")
        @test parsed(json(value)) == value
    end
    @test json(Dict("b" => 1, "a" => (2, 3.0))) == "{\"a\":[2,3.0],\"b\":1}"
    @test_throws BridgeError json(Inf)
end

# From the list of what RFC 8259 does not allow.
const REFUSED = [
    "", " ", "[", "]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1 \"b\":2}", "[1,]", "[1 2]", "[,1]",
    "tru", "True", "nul", "NaN", "Infinity", "-", "+1", "01", "1.", ".5", "1e", "1e+", "--1", "0x1", "1e400", "1e-400",
    "18446744073709551616", "-9223372036854775809", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"",
    "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\t\"", "\"a\nb\"", "'a'", "1 1", "{} x", "\"\xff\"", "\xef\xbb\xbf{}",
    "{\"a\":1,\"a\":1}", "[{\"b\":{\"a\":1,\"a\":2}}]", "["^40 * "]"^40, "{\"a\":"^1000, "["^100_000,
]
@testset "refused: $(repr(first(text, 20)))" for text in REFUSED
    @test_throws JSONError parsed(text)
end

end
