# What islands and tapes have in common.

"""
A fragment of a plan, made ready to run: a `ComponentIsland` where it is one component of the user's, else a `StepIsland`.
It has `inputs`, `parameters`, `buffers` and `outputs`, and methods of `run_forward` and `run_backward`, which answer the
slots of a call. The arguments of a call are inputs, parameters and buffers.
"""
abstract type Island end

number_of_arguments(island::Island) = length(island.inputs) + length(island.parameters) + length(island.buffers)

"""
What a forward pass leaves for its backward passes, in its `island`. None of it is changed by them: PyTorch may ask twice.
"""
abstract type Tape end
