module TorchDocumentTests

using Test

"Run the blocks of Julia in a file of this repository, as one session."
function session(path...)
    text = read(joinpath(@__DIR__, "..", "..", "..", path...), String)
    blocks = [match.captures[1] for match in eachmatch(r"```julia\n(.*?)```"s, text)]
    scope = Module(:Session)
    foreach(code -> Base.include_string(scope, code), blocks)
    return length(blocks), scope
end

@testset "sessions of docs/julia.md" begin
    blocks, scope = session("docs", "julia.md")
    @test blocks == 2
    run(code) = Core.eval(scope, Meta.parse(code))
    @test run("history.total[end] < history.total[1]")
    @test run("size(gradients[\"encoder\", \"0.weight\"])") == (64, 16)
end

@testset "example of TorchModule" begin
    @test session("julia", "src", "torch", "module.jl")[1] == 1
end

end
