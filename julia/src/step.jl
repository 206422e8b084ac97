# The steps of an island.

"How a step runs: with the objective's mode, or with one that its frozen component imposes."
@enum ModeRule FOLLOW TEST TRAIN

"The instruction that cuts gradients off."
struct Detach end

"""
One thing to do: a layer, a component of the user's or a detach, applied to numbered values. `parameters` are places among
the island's parameters, `buffers` among its buffers; `expected` is what the outputs of a component of the user's have to
be. `application` is its number in the plan, `layer` counts the nodes of its graph before this one.
"""
struct Step
    arrow::String
    operation::Any
    inputs::Vector{Int}
    outputs::Vector{Int}
    parameters::Union{UnitRange{Int},Vector{Int}}
    buffers::Union{UnitRange{Int},Vector{Int}}
    mode::ModeRule
    expected::Vector{Expectation}
    application::Int
    layer::Int
end
