module GoldenTests

using DiagramBridge
using DiagramBridge: Runtime, identity, read_bytes, write_bytes
using Test

const FOLDER = joinpath(@__DIR__, "..", "..", "tests", "files", "golden")

"The lines of the manifest, split: a diagram's name and identity, then its plans' drivers, placements and bytes."
function manifest()
    entries = Tuple{String,String,Vector{Vector{String}}}[]
    for line in eachline(joinpath(FOLDER, "manifest.txt"))
        parts = String.(split(line))
        startswith(line, ' ') ? push!(entries[end][3], parts) : push!(entries, (parts[1], parts[2], Vector{String}[]))
    end
    return entries
end

@testset "golden files" begin
    entries = manifest()
    @test length(entries) >= 40
    @test sort(first.(entries)) == sort([first(splitext(name)) for name in readdir(FOLDER) if endswith(name, ".pb")])
    @testset "$name" for (name, digest, plans) in entries
        bytes = read(joinpath(FOLDER, "$name.pb"))
        d = load(joinpath(FOLDER, "$name.pb"))
        @test write_bytes(d) == bytes
        @test identity(d) == digest
        @test read_bytes(bytes) == d
        for (driver, placed, hex) in plans
            placement = placed == "-" ? String[] : split(placed, ',')
            made = plan(d, [String(name) => JULIA for name in placement], driver == "torch" ? TORCH : JULIA)
            @test write_bytes(made) == hex2bytes(hex)
        end
    end
end

end
