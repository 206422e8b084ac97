module OptimizerTests

using DiagramBridge: Adam, AdamW, BridgeError, Optimizer, RMSProp, SGD, rule_name, rule_options, state_slots, step!
using Test

"The parameter after one step for each gradient, from 1."
function stepped(optimizer::Optimizer, gradients...)
    p = [1.0]
    foreach(g -> step!(optimizer, [("f", "p", p, [g])]), gradients)
    return p[1]
end

# Each by hand, from the formula in the docstring.
@testset "formulas" begin
    @test stepped(Optimizer("sgd", lr = 0.5), 1.0, 2.0) ≈ 1 - 0.5 - 1.0
    @test stepped(Optimizer("sgd", lr = 0.5, momentum = 0.5), 1.0, 2.0) ≈ 1 - 0.5 - 0.5 * (0.5 + 2.0)
    @test stepped(Optimizer("sgd", lr = 0.5, momentum = 0.5, dampening = 0.1), 1.0, 2.0) ≈ 1 - 0.5 - 0.5 * (0.5 + 0.9 * 2)
    @test stepped(Optimizer("sgd", lr = 0.5, momentum = 0.5, nesterov = true), 1.0) ≈ 1 - 0.5 * (1 + 0.5)
    @test stepped(Optimizer("sgd", lr = 0.5, weight_decay = 0.1, maximize = true), 1.0) ≈ 1 - 0.5 * (-1 + 0.1)
    @test stepped(Optimizer("adam", lr = 0.5), 3.0) ≈ 0.5
    m, v = 0.9 * 0.1 * 3 + 0.1, 0.999 * 0.001 * 9 + 0.001
    second = 0.5 * (m / (1 - 0.9^2)) / (sqrt(v / (1 - 0.999^2)) + 0.1)
    @test stepped(Optimizer("adam", lr = 0.5, eps = 0.1), 3.0, 1.0) ≈ 1 - 0.5 * 3 / (3 + 0.1) - second
    @test stepped(Optimizer("adam", lr = 0.5, amsgrad = true, betas = (0.9, 0.5)), 3.0, 0.0) ≈
          0.5 - 0.5 * (0.9 * 0.3 / (1 - 0.81)) / sqrt(4.5 / 0.75)
    @test stepped(Optimizer("adamw", lr = 0.5, weight_decay = 0.1), 3.0) ≈ 0.95 - 0.5
    @test stepped(Optimizer("rmsprop", lr = 0.5, eps = 0.1), 3.0) ≈ 1 - 0.5 * 3 / (0.3 + 0.1)
    @test stepped(Optimizer("rmsprop", lr = 0.5, eps = 0, centered = true), 3.0) ≈ 1 - 0.5 * 3 / sqrt(0.09 - 0.0009)
    @test stepped(Optimizer("rmsprop", lr = 0.5, eps = 0, momentum = 0.5), 3.0, 0.0) ≈ 1 - 5 - 2.5
end

@testset "state" begin
    optimizer = Optimizer("adam")
    early, late = ones(Float32, 2, 3), ones()
    step!(optimizer, [("f", "early", early, early)])
    step!(optimizer, [("f", "early", early, early), ("f", "late", late, late)])
    slots = state_slots(optimizer)
    @test slots["f", "early", "step"] == fill(2) && slots["f", "late", "step"] == fill(1)
    @test slots["f", "early", "exp_avg"] isa Matrix{Float32} && slots["f", "late", "exp_avg_sq"] isa Array{Float64,0}
    @test length(slots) == 6
    @test isempty(state_slots(Optimizer("sgd", momentum = 0.9)))
end

@testset "names and options" begin
    @test map(rule_name, (SGD(), Adam(), AdamW(), RMSProp())) == ("sgd", "adam", "adamw", "rmsprop")
    @test rule_options(Adam(lr = 1))["lr"] === 1.0 && rule_options(Adam())["betas"] == [0.9, 0.999]
    @test_throws BridgeError Optimizer("lion")
    @test_throws BridgeError Optimizer("adam", momentum = 0.9)
    @test_throws BridgeError Optimizer("sgd", lr = -1)
    @test_throws BridgeError Optimizer("sgd", nesterov = true)
end

end
