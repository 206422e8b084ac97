# How each message type is written: looked up by field number while bytes are read, instead of compiled for each type.

@enum Kind MESSAGE TEXT OCTETS NATURAL LONG_NATURAL INTEGER TRUTH CHOICE REAL

kind(::Type{<:Message}) = MESSAGE
kind(::Type{String}) = TEXT
kind(::Type{Vector{UInt8}}) = OCTETS
kind(::Type{UInt32}) = NATURAL
kind(::Type{UInt64}) = LONG_NATURAL
kind(::Type{Int64}) = INTEGER
kind(::Type{Bool}) = TRUTH
kind(::Type{<:Enum}) = CHOICE
kind(::Type{Float64}) = REAL

wire_type(kind::Kind) = kind == REAL ? FIXED64 : kind in (MESSAGE, TEXT, OCTETS) ? DELIMITED : VARINT

"A field of a message: where it lies in the struct, and how its values are written."
mutable struct Field # mutable, so that it is passed by reference
    name::String
    number::Int
    index::Int
    repeated::Bool
    type::DataType # of one value
    kind::Kind
    wire::Int
    most::UInt64   # the highest varint
    instances::Vector{Any} # of an enumeration, …
    codes::Vector{UInt64}  # … and their numbers
    layout::Any            # of a message, else nothing
    others::Vector{Int}    # the places of the other members of its oneof
end

mutable struct Layout
    type::DataType
    make::Function
    fields::Vector{Field}
    places::Vector{Int} # of the field of each number, or 0
end

highest(::Type{UInt32}) = UInt64(typemax(UInt32))
highest(::Type{Bool}) = UInt64(1)
highest(::Type{<:Enum}) = UInt64(typemax(Int32))
highest(::Type) = typemax(UInt64)

value_type(F::Type) = F isa Union ? present(F) : F <: Vector && F !== Vector{UInt8} ? eltype(F) : F

present(::Type{Union{Nothing,M}}) where {M<:Message} = M

# A function of its own for each type: all constructors share one table, and looking one up takes microseconds.
maker(::Type{M}) where {M<:Message} = () -> M()

# Those that are known when the package is precompiled come with it: making them all takes Julia 1.5 six seconds. An `IdDict`
# is hashed anew when it is loaded.
const LAYOUTS = IdDict{DataType,Layout}()

"The layout of a message type, made at the first look-up."
function layout(@nospecialize(M::Type))
    known = get(LAYOUTS, M, nothing)
    known === nothing || return known
    made = Layout(M, maker(M), Field[], Int[])
    LAYOUTS[M] = made # before its fields: a message may contain itself
    for (index, number) in enumerate(numbers(M))
        F = fieldtype(M, index)
        T = value_type(F)
        values = T <: Enum ? Any[instances(T)...] : Any[]
        others = Int[other for other in alternatives(M, index) if other != index]
        push!(made.fields, Field(String(fieldname(M, index)), number, index, F <: Vector && F !== Vector{UInt8}, T, kind(T),
                                 wire_type(kind(T)), highest(T), values, UInt64[Integer(value) for value in values],
                                 T <: Message ? layout(T) : nothing, others))
        append!(made.places, zeros(Int, max(0, number - length(made.places))))
        made.places[number] = index
    end
    return made
end

"The place of the field of a number, 0 where there is none."
place(l::Layout, number::UInt64) = 1 <= number <= length(l.places) ? l.places[number] : 0
