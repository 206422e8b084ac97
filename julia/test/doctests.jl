module Doctests

using Test

const SOURCES = joinpath(@__DIR__, "..", "src")

"The examples of a file: for each block the inputs, with what they print."
function examples(path)
    blocks = Vector{Tuple{String,String}}[]
    for match in eachmatch(r"```jldoctest[^\n]*\n(.*?)```"s, read(path, String))
        steps = split(match.captures[1], r"^julia> "m; keepempty = false)
        push!(blocks, [Tuple(strip.((split(step, '\n'; limit = 2)..., "")[1:2])) for step in steps])
    end
    return blocks
end

"What the prompt shows for an input."
function shown(scope::Module, input)
    output = nothing
    text = mktemp() do path, io
        redirect_stdout(() -> output = Base.include_string(scope, input), io)
        flush(io)
        read(path, String)
    end
    silent = output === nothing || endswith(input, ';')
    return strip(silent ? text : string(text, sprint(show, MIME"text/plain"(), output)))
end

"Run blocks one after the other, as one session of `using DiagramBridge`; returns how many inputs there were."
function run(blocks)
    scope = Module(:Example)
    Core.eval(scope, :(using DiagramBridge; import DiagramBridge))
    for block in blocks, (input, expected) in block
        @test shown(scope, input) == replace(expected, "\\\"" => "\"")
    end
    return sum(length, blocks)
end

@testset "examples of docstrings" begin
    number = 0
    for (folder, _, files) in walkdir(SOURCES), file in files
        for block in examples(joinpath(folder, file))
            number += run([block])
        end
    end
    @test number >= 15
end

@testset "examples of docs/$page" for (page, count) in ("julia.md" => 20, "operations.md" => 12)
    @test run(examples(joinpath(@__DIR__, "..", "..", "docs", page))) >= count
end

end
