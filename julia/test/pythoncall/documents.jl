module TorchDocumentTests

using Test

@testset "sessions of docs/julia.md" begin
    page = read(joinpath(@__DIR__, "..", "..", "..", "docs", "julia.md"), String)
    session = Module(:Session)
    sessions = [match.captures[1] for match in eachmatch(r"```julia\n(.*?)```"s, page)]
    @test length(sessions) == 2
    foreach(code -> Base.include_string(session, code), sessions)
    run(code) = Core.eval(session, Meta.parse(code))
    @test run("history.total[end] < history.total[1]")
    @test run("size(gradients[\"encoder\", \"0.weight\"])") == (64, 16)
end

end
