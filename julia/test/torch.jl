module TorchTests

using DiagramBridge
using Test

refusal(f) = try f(); nothing catch e; e end

@testset "PyTorch's components where there is no Python" begin
    d = Builder("taught")
    x = space!(d, "x", Float64; k = 2)
    data = source!(d, "data"; x = x)
    student = arrow!(d, "student", x, x, Layers.linear(2, 2))
    agree!(d, student(data.x), arrow!(d, "teacher", x, x, TorchReference("teacher"))(data.x); by = mse())
    e = refusal(() -> compile(d))
    @test (e.element, e.found) == ("component 'teacher'", "a PyTorch module, which Julia alone can't run")
    @test occursin("PythonCall", e.expected)
    @test refusal(() -> compile(d; components = ("teacher" => sin,))).element == "component 'teacher'"
    alone = Builder("alone")
    x = space!(alone, "x", Float64; k = 2)
    data = source!(alone, "data"; x = x)
    agree!(alone, arrow!(alone, "student", x, x, Layers.linear(2, 2))(data.x), data.x; by = mse())
    @test refusal(() -> compile(alone; placement = ("student" => TORCH,))).found == "a placement on 'torch'"
    e = refusal(() -> TorchModule(sin))
    @test e isa BridgeError && occursin("PythonCall", e.expected)
end

end
