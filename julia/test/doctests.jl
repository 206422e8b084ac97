module Doctests

using Test

const SOURCES = joinpath(@__DIR__, "..", "src")

"The examples of a file: for each block the inputs, with what they print."
function examples(path)
    blocks = Vector{Tuple{String,String}}[]
    for match in eachmatch(r"```jldoctest[^\n]*\n(.*?)```"s, read(path, String))
        steps = split(match.captures[1], r"^julia> "m; keepempty = false)
        push!(blocks, map(input_and_output, steps))
    end
    return blocks
end

"What is typed at a prompt, whose further lines are indented as far as the prompt, and what is printed."
function input_and_output(step)
    lines = split(step, '\n')
    further = something(findfirst(line -> !startswith(line, ' '^7), lines[2:end]), length(lines)) - 1
    return join(lines[1:(1 + further)], '\n'), strip(join(lines[(2 + further):end], '\n'))
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
