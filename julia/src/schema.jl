# Written by scripts/generate.py from proto/. Do not edit.
"The messages of the schema, as proto/ declares them."
module Schema

import ..Wire

@enum AttributeKind::Int32 begin
    ATTRIBUTE_KIND_UNSPECIFIED = 0
    ATTRIBUTE_KIND_INTEGER = 1
    ATTRIBUTE_KIND_REAL = 2
    ATTRIBUTE_KIND_TEXT = 3
    ATTRIBUTE_KIND_BOOLEAN = 4
    ATTRIBUTE_KIND_INTEGERS = 5
end

@enum DataType::Int32 begin
    DATA_TYPE_UNSPECIFIED = 0
    DATA_TYPE_FLOAT32 = 1
    DATA_TYPE_FLOAT64 = 2
    DATA_TYPE_INT32 = 3
    DATA_TYPE_INT64 = 4
    DATA_TYPE_BOOL = 5
end

@enum Training::Int32 begin
    TRAINING_UNSPECIFIED = 0
    TRAINING_TRAINABLE = 1
    TRAINING_FROZEN = 2
    TRAINING_FROZEN_TRAIN_MODE = 3
end

@enum TermKind::Int32 begin
    TERM_KIND_UNSPECIFIED = 0
    TERM_KIND_COLUMN = 1
    TERM_KIND_OUTPUT = 2
    TERM_KIND_DETACH = 3
end

@enum Pairing::Int32 begin
    PAIRING_UNSPECIFIED = 0
    PAIRING_STAR = 1
    PAIRING_ALL = 2
end

@enum Runtime::Int32 begin
    RUNTIME_UNSPECIFIED = 0
    RUNTIME_TORCH = 1
    RUNTIME_JULIA = 2
end

@enum Operation::Int32 begin
    OPERATION_UNSPECIFIED = 0
    OPERATION_LOAD = 1
    OPERATION_APPLY = 2
    OPERATION_DETACH = 3
    OPERATION_DIVERGE = 4
    OPERATION_SUM = 5
end

"""
One resolved attribute of a layer or a divergence. Defaults are written out, so that a later release with another
default reads the same function.
"""
Base.@kwdef mutable struct Attribute <: Wire.Message
    name::String = ""
    kind::AttributeKind = ATTRIBUTE_KIND_UNSPECIFIED
    integers::Vector{Int64} = Int64[]
    real::Float64 = 0.0
    text::String = ""
    boolean::Bool = false
end
Wire.numbers(::Type{Attribute}) = (1, 2, 3, 4, 5, 6)

"An operation of the portable layer set. Attributes are sorted by name (UTF-8 bytes)."
Base.@kwdef mutable struct Layer <: Wire.Message
    operation::String = ""
    version::UInt32 = 0
    attributes::Vector{Attribute} = Attribute[]
end
Wire.numbers(::Type{Layer}) = (1, 2, 3)

"""
A node applies a layer to values. Values are numbered: the graph's inputs first, then the outputs of each node in order.
"""
Base.@kwdef mutable struct Node <: Wire.Message
    name::String = ""
    layer::Union{Nothing,Layer} = nothing
    inputs::Vector{UInt32} = UInt32[]
    outputs::UInt32 = 0
end
Wire.numbers(::Type{Node}) = (1, 2, 3, 4)

"A parameter or buffer that is another one, which comes before it: \"2.weight\" is \"0.weight\"."
Base.@kwdef mutable struct Tie <: Wire.Message
    path::String = ""
    owner::String = ""
end
Wire.numbers(::Type{Tie}) = (1, 2)

"A straight-line program of layers."
Base.@kwdef mutable struct LayerGraph <: Wire.Message
    inputs::UInt32 = 0
    nodes::Vector{Node} = Node[]
    outputs::Vector{UInt32} = UInt32[]
    ties::Vector{Tie} = Tie[]
end
Wire.numbers(::Type{LayerGraph}) = (1, 2, 3, 4)

"One named axis of a sample. Its size is `size`, or bound per batch where `variable` is given."
Base.@kwdef mutable struct Axis <: Wire.Message
    name::String = ""
    size::UInt64 = 0
    variable::String = ""
end
Wire.numbers(::Type{Axis}) = (1, 2, 3)

"The type of one sample: no batch axis, row-major."
Base.@kwdef mutable struct Space <: Wire.Message
    name::String = ""
    data_type::DataType = DATA_TYPE_UNSPECIFIED
    axes::Vector{Axis} = Axis[]
    classes::UInt64 = 0
end
Wire.numbers(::Type{Space}) = (1, 2, 3, 4)

Base.@kwdef mutable struct Column <: Wire.Message
    name::String = ""
    space::String = ""
end
Wire.numbers(::Type{Column}) = (1, 2)

"A data set. Its columns have the same first size in every batch."
Base.@kwdef mutable struct Source <: Wire.Message
    name::String = ""
    columns::Vector{Column} = Column[]
end
Wire.numbers(::Type{Source}) = (1, 2)

"""
A component that only a runtime can make, found by a reference that the caller registers (\"teacher\") or in a module
that the caller trusts (\"package.module:Name\"). Never code.
"""
Base.@kwdef mutable struct Reference <: Wire.Message
    name::String = ""
end
Wire.numbers(::Type{Reference}) = (1,)

Base.@kwdef mutable struct Component <: Wire.Message
    name::String = ""
    training::Training = TRAINING_UNSPECIFIED
    has_parameters::Bool = false
    graph::Union{Nothing,LayerGraph} = nothing
    torch::Union{Nothing,Reference} = nothing
    julia::Union{Nothing,Reference} = nothing
end
Wire.numbers(::Type{Component}) = (1, 2, 3, 4, 5, 6)
function Wire.alternatives(::Type{Component}, index::Int)
    index in (4, 5, 6) && return filter(!=(index), (4, 5, 6))
    return ()
end

"An arrow from the product of its sources to the product of its targets."
Base.@kwdef mutable struct Arrow <: Wire.Message
    name::String = ""
    sources::Vector{String} = String[]
    targets::Vector{String} = String[]
    component::String = ""
end
Wire.numbers(::Type{Arrow}) = (1, 2, 3, 4)

"A composite. Arguments come before the terms that use them."
Base.@kwdef mutable struct Term <: Wire.Message
    kind::TermKind = TERM_KIND_UNSPECIFIED
    source::String = ""
    column::String = ""
    arrow::String = ""
    output::UInt32 = 0
    arguments::Vector{UInt32} = UInt32[]
end
Wire.numbers(::Type{Term}) = (1, 2, 3, 4, 5, 6)

"A term that may be absent."
Base.@kwdef mutable struct TermReference <: Wire.Message
    term::UInt32 = 0
end
Wire.numbers(::Type{TermReference}) = (1,)

Base.@kwdef mutable struct Divergence <: Wire.Message
    name::String = ""
    attributes::Vector{Attribute} = Attribute[]
end
Wire.numbers(::Type{Divergence}) = (1, 2)

"Two parallel terms that should agree: left is the prediction, right the target."
Base.@kwdef mutable struct Agreement <: Wire.Message
    name::String = ""
    left::UInt32 = 0
    right::UInt32 = 0
    divergence::Union{Nothing,Divergence} = nothing
    weight::Float64 = 0.0
    mask::Union{Nothing,TermReference} = nothing
end
Wire.numbers(::Type{Agreement}) = (1, 2, 3, 4, 5, 6)

"Every path from the start to the target space agrees."
Base.@kwdef mutable struct Commute <: Wire.Message
    name::String = ""
    source::String = ""
    start::Union{Nothing,TermReference} = nothing
    target::String = ""
    arrows::Vector{String} = String[]
    divergence::Union{Nothing,Divergence} = nothing
    weight::Float64 = 0.0
    pairing::Pairing = PAIRING_UNSPECIFIED
    max_length::UInt64 = 0
    max_paths::UInt64 = 0
end
Wire.numbers(::Type{Commute}) = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)

"A term that is not part of the loss but wanted by name, such as a prediction."
Base.@kwdef mutable struct Output <: Wire.Message
    name::String = ""
    term::UInt32 = 0
end
Wire.numbers(::Type{Output}) = (1, 2)

Base.@kwdef mutable struct Diagram <: Wire.Message
    format::String = ""
    schema_version::UInt32 = 0
    name::String = ""
    spaces::Vector{Space} = Space[]
    sources::Vector{Source} = Source[]
    components::Vector{Component} = Component[]
    arrows::Vector{Arrow} = Arrow[]
    terms::Vector{Term} = Term[]
    agreements::Vector{Agreement} = Agreement[]
    commutes::Vector{Commute} = Commute[]
    outputs::Vector{Output} = Output[]
end
Wire.numbers(::Type{Diagram}) = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)

Base.@kwdef mutable struct Placement <: Wire.Message
    component::String = ""
    runtime::Runtime = RUNTIME_UNSPECIFIED
end
Wire.numbers(::Type{Placement}) = (1, 2)

"Registers are assigned once. `dead` are those, ascending, that nothing reads afterwards."
Base.@kwdef mutable struct Instruction <: Wire.Message
    operation::Operation = OPERATION_UNSPECIFIED
    runtime::Runtime = RUNTIME_UNSPECIFIED
    inputs::Vector{UInt32} = UInt32[]
    outputs::Vector{UInt32} = UInt32[]
    dead::Vector{UInt32} = UInt32[]
    tape::Bool = false
    source::String = ""
    column::String = ""
    arrow::String = ""
    application::UInt32 = 0
    agreement::UInt32 = 0
end
Wire.numbers(::Type{Instruction}) = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)

"What a DIVERGE instruction measures; a commute is expanded into several."
Base.@kwdef mutable struct PlannedAgreement <: Wire.Message
    name::String = ""
    divergence::Union{Nothing,Divergence} = nothing
    weight::Float64 = 0.0
end
Wire.numbers(::Type{PlannedAgreement}) = (1, 2, 3)

"A maximal run of instructions on the runtime that is not the driver: one crossing, one tape."
Base.@kwdef mutable struct Island <: Wire.Message
    first::UInt32 = 0
    count::UInt32 = 0
    inputs::Vector{UInt32} = UInt32[]
    outputs::Vector{UInt32} = UInt32[]
    components::Vector{String} = String[]
end
Wire.numbers(::Type{Island}) = (1, 2, 3, 4, 5)

Base.@kwdef mutable struct Plan <: Wire.Message
    format::String = ""
    schema_version::UInt32 = 0
    diagram::Vector{UInt8} = UInt8[]
    driver::Runtime = RUNTIME_UNSPECIFIED
    placements::Vector{Placement} = Placement[]
    registers::UInt32 = 0
    instructions::Vector{Instruction} = Instruction[]
    agreements::Vector{PlannedAgreement} = PlannedAgreement[]
    islands::Vector{Island} = Island[]
end
Wire.numbers(::Type{Plan}) = (1, 2, 3, 4, 5, 6, 7, 8, 9)

"What crosses to the other runtime when an island is loaded."
Base.@kwdef mutable struct Fragment <: Wire.Message
    components::Vector{Component} = Component[]
    arrows::Vector{Arrow} = Arrow[]
    spaces::Vector{Space} = Space[]
    instructions::Vector{Instruction} = Instruction[]
    inputs::Vector{UInt32} = UInt32[]
    outputs::Vector{UInt32} = UInt32[]
    sourceless::Vector{UInt32} = UInt32[]
end
Wire.numbers(::Type{Fragment}) = (1, 2, 3, 4, 5, 6, 7)

"A C function or object of the caller's, by its name in the C library that defines it."
Base.@kwdef mutable struct Symbol <: Wire.Message
    name::String = ""
    address::UInt64 = 0
end
Wire.numbers(::Type{Symbol}) = (1, 2)

"What the caller measured of itself; the answer says the same of the callee."
Base.@kwdef mutable struct Hello <: Wire.Message
    abi_version::UInt32 = 0
    descriptor_size::UInt32 = 0
    mode_size::UInt32 = 0
    slot_size::UInt32 = 0
    symbols::Vector{Symbol} = Symbol[]
end
Wire.numbers(::Type{Hello}) = (1, 2, 3, 4, 5)

"A component that the callee's language defines, made ready for use."
Base.@kwdef mutable struct Instantiate <: Wire.Message
    reference::String = ""
    copy::Bool = false
    graph::Union{Nothing,LayerGraph} = nothing
    data_type::DataType = DATA_TYPE_UNSPECIFIED
end
Wire.numbers(::Type{Instantiate}) = (1, 2, 3, 4)

Base.@kwdef mutable struct Load <: Wire.Message
    fragment::Union{Nothing,Fragment} = nothing
    instances::Vector{UInt64} = UInt64[]
    constant_buffers::Bool = false
end
Wire.numbers(::Type{Load}) = (1, 2, 3)

Base.@kwdef mutable struct Unload <: Wire.Message
    island::UInt64 = 0
end
Wire.numbers(::Type{Unload}) = (1,)

"Collects garbage and gives pooled memory back."
Base.@kwdef mutable struct Collect <: Wire.Message
    full::Bool = false
end
Wire.numbers(::Type{Collect}) = (1,)

Base.@kwdef mutable struct Statistics <: Wire.Message
    reset::Bool = false
end
Wire.numbers(::Type{Statistics}) = (1,)

"Asks for the failure behind the last status ERROR."
Base.@kwdef mutable struct LastError <: Wire.Message
    clear::Bool = false
end
Wire.numbers(::Type{LastError}) = (1,)

"A parameter or buffer whose storage is an array of the callee's."
Base.@kwdef mutable struct Variable <: Wire.Message
    path::String = ""
    data_type::DataType = DATA_TYPE_UNSPECIFIED
    shape::Vector{UInt64} = UInt64[]
    address::UInt64 = 0
    buffer::Bool = false
end
Wire.numbers(::Type{Variable}) = (1, 2, 3, 4, 5)

"One of these three is set."
Base.@kwdef mutable struct BoundComponent <: Wire.Message
    component::String = ""
    reference::String = ""
    instance::UInt64 = 0
    variables::Vector{Variable} = Variable[]
end
Wire.numbers(::Type{BoundComponent}) = (1, 2, 3, 4)

"An objective that Julia drives. Its components lie where Python says."
Base.@kwdef mutable struct Compile <: Wire.Message
    diagram::Vector{UInt8} = UInt8[]
    placements::Vector{Placement} = Placement[]
    components::Vector{BoundComponent} = BoundComponent[]
end
Wire.numbers(::Type{Compile}) = (1, 2, 3)

"One column of a batch or of a data set, in memory of Python's."
Base.@kwdef mutable struct Samples <: Wire.Message
    source::String = ""
    column::String = ""
    values::Union{Nothing,Variable} = nothing
end
Wire.numbers(::Type{Samples}) = (1, 2, 3)

"The losses on a batch and, if asked for, the gradient of the total for each parameter that trains."
Base.@kwdef mutable struct Differentiate <: Wire.Message
    objective::UInt64 = 0
    columns::Vector{Samples} = Samples[]
    train::Bool = false
    seed::UInt64 = 0
    gradients::Bool = false
end
Wire.numbers(::Type{Differentiate}) = (1, 2, 3, 4, 5)

"The value of a named output in test mode."
Base.@kwdef mutable struct Evaluate <: Wire.Message
    objective::UInt64 = 0
    output::String = ""
    diagram::Vector{UInt8} = UInt8[]
    columns::Vector{Samples} = Samples[]
    seed::UInt64 = 0
end
Wire.numbers(::Type{Evaluate}) = (1, 2, 3, 4, 5)

Base.@kwdef mutable struct BatchSize <: Wire.Message
    source::String = ""
    size::UInt64 = 0
end
Wire.numbers(::Type{BatchSize}) = (1, 2)

"What the optimizer keeps for one parameter, in memory of Python's, and how many steps it has made."
Base.@kwdef mutable struct ParameterState <: Wire.Message
    component::String = ""
    path::String = ""
    steps::UInt64 = 0
    slots::Vector{Variable} = Variable[]
end
Wire.numbers(::Type{ParameterState}) = (1, 2, 3, 4)

"A training of whole data sets, to be advanced step by step."
Base.@kwdef mutable struct Prepare <: Wire.Message
    objective::UInt64 = 0
    columns::Vector{Samples} = Samples[]
    batch_sizes::Vector{BatchSize} = BatchSize[]
    order_seed::UInt64 = 0
    draw_seed::UInt64 = 0
    optimizer::String = ""
    options::String = ""
    states::Vector{ParameterState} = ParameterState[]
end
Wire.numbers(::Type{Prepare}) = (1, 2, 3, 4, 5, 6, 7, 8)

"Makes `steps` steps from the step `first`, counted from 0 over all epochs."
Base.@kwdef mutable struct Advance <: Wire.Message
    training::UInt64 = 0
    first::UInt64 = 0
    steps::UInt64 = 0
    options::String = ""
end
Wire.numbers(::Type{Advance}) = (1, 2, 3, 4)

Base.@kwdef mutable struct Request <: Wire.Message
    hello::Union{Nothing,Hello} = nothing
    instantiate::Union{Nothing,Instantiate} = nothing
    load::Union{Nothing,Load} = nothing
    unload::Union{Nothing,Unload} = nothing
    collect::Union{Nothing,Collect} = nothing
    statistics::Union{Nothing,Statistics} = nothing
    last_error::Union{Nothing,LastError} = nothing
    compile::Union{Nothing,Compile} = nothing
    differentiate::Union{Nothing,Differentiate} = nothing
    evaluate::Union{Nothing,Evaluate} = nothing
    prepare::Union{Nothing,Prepare} = nothing
    advance::Union{Nothing,Advance} = nothing
end
Wire.numbers(::Type{Request}) = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
function Wire.alternatives(::Type{Request}, index::Int)
    index in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) && return filter(!=(index), (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
    return ()
end

Base.@kwdef mutable struct Handshake <: Wire.Message
    abi_version::UInt32 = 0
    descriptor_size::UInt32 = 0
    mode_size::UInt32 = 0
    slot_size::UInt32 = 0
    engine::String = ""
    engine_version::String = ""
    julia_version::String = ""
    data_types::Vector{DataType} = DataType[]
    blas::String = ""
end
Wire.numbers(::Type{Handshake}) = (1, 2, 3, 4, 5, 6, 7, 8, 9)

Base.@kwdef mutable struct Instantiated <: Wire.Message
    id::UInt64 = 0
    variables::Vector{Variable} = Variable[]
end
Wire.numbers(::Type{Instantiated}) = (1, 2)

Base.@kwdef mutable struct Loaded <: Wire.Message
    island::UInt64 = 0
    outputs_filled::Vector{Bool} = Bool[]
    gradients_filled::Vector{Bool} = Bool[]
    inputs_retained::Vector{Bool} = Bool[]
    outputs_retained::Vector{Bool} = Bool[]
end
Wire.numbers(::Type{Loaded}) = (1, 2, 3, 4, 5)

Base.@kwdef mutable struct Counts <: Wire.Message
    islands::UInt64 = 0
    tapes::UInt64 = 0
    owners::UInt64 = 0
    forwards::UInt64 = 0
    backwards::UInt64 = 0
    crossed_bytes::UInt64 = 0
    copies::UInt64 = 0
    copied_bytes::UInt64 = 0
end
Wire.numbers(::Type{Counts}) = (1, 2, 3, 4, 5, 6, 7, 8)

"An error of the callee's, whole."
Base.@kwdef mutable struct Failure <: Wire.Message
    kind::String = ""
    message::String = ""
    stacktrace::String = ""
    element::String = ""
    expected::String = ""
    found::String = ""
    exception::UInt64 = 0
end
Wire.numbers(::Type{Failure}) = (1, 2, 3, 4, 5, 6, 7)

Base.@kwdef mutable struct Compiled <: Wire.Message
    objective::UInt64 = 0
end
Wire.numbers(::Type{Compiled}) = (1,)

"`values.path` is the parameter's; its memory is Julia's until `owner` is released."
Base.@kwdef mutable struct Gradient <: Wire.Message
    component::String = ""
    values::Union{Nothing,Variable} = nothing
    owner::UInt64 = 0
end
Wire.numbers(::Type{Gradient}) = (1, 2, 3)

Base.@kwdef mutable struct Differentiated <: Wire.Message
    data_type::DataType = DATA_TYPE_UNSPECIFIED
    total::Float64 = 0.0
    agreements::Vector{Float64} = Float64[]
    gradients::Vector{Gradient} = Gradient[]
end
Wire.numbers(::Type{Differentiated}) = (1, 2, 3, 4)

Base.@kwdef mutable struct Evaluated <: Wire.Message
    values::Union{Nothing,Variable} = nothing
    owner::UInt64 = 0
end
Wire.numbers(::Type{Evaluated}) = (1, 2)

Base.@kwdef mutable struct Prepared <: Wire.Message
    training::UInt64 = 0
end
Wire.numbers(::Type{Prepared}) = (1,)

Base.@kwdef mutable struct Advanced <: Wire.Message
    totals::Vector{Float64} = Float64[]
    agreements::Vector{Float64} = Float64[]
    steps::Vector{UInt64} = UInt64[]
end
Wire.numbers(::Type{Advanced}) = (1, 2, 3)

Base.@kwdef mutable struct Response <: Wire.Message
    handshake::Union{Nothing,Handshake} = nothing
    instantiated::Union{Nothing,Instantiated} = nothing
    loaded::Union{Nothing,Loaded} = nothing
    counts::Union{Nothing,Counts} = nothing
    failure::Union{Nothing,Failure} = nothing
    compiled::Union{Nothing,Compiled} = nothing
    differentiated::Union{Nothing,Differentiated} = nothing
    evaluated::Union{Nothing,Evaluated} = nothing
    prepared::Union{Nothing,Prepared} = nothing
    advanced::Union{Nothing,Advanced} = nothing
end
Wire.numbers(::Type{Response}) = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)

end
