# PyTorch in a Julia process, where PythonCall and Flux can be loaded.

missing_packages = filter(name -> Base.find_package(name) === nothing, ["Flux", "PythonCall"])

if VERSION < v"1.9" || !isempty(missing_packages)
    reason = VERSION < v"1.9" ? "package extensions need Julia 1.9" :
             "not in the active project: $(join(missing_packages, ", "))"
    @testset "PythonCall (skipped: $reason)" begin
        @test_skip "PythonCall"
    end
else
    using Flux, PythonCall
    include("pythoncall/python.jl")
    include("pythoncall/objectives.jl")
    include("pythoncall/modules.jl")
    include("pythoncall/documents.jl")
end
