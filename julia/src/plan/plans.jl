"""
Plans: the straight-line program that a diagram compiles to, given a placement and a driver. The same program, byte for byte,
as `bridge.plan` in Python makes.
"""
module Plans

using ..DiagramBridge: Agreement, ColumnTerm, Component, DetachTerm, Diagram, Divergence, JuliaReference, LayerGraph,
                       OutputTerm, Schema, Space, Term, TorchReference, arguments, arrow, arrows_by_name, columns_by_name,
                       component, component_of, components_by_name, digest, element, encode, expand, has_buffers, inside,
                       is_frozen, listing, message, quoted, refuse, refuse_unknown, sorted, space, trains
import ..DiagramBridge: write_bytes

export Plan, fragment, plan, plan_outputs

include("program.jl")
include("schedule.jl")
include("registers.jl")
include("compile.jl")
include("encode.jl")

end
