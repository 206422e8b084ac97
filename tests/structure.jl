# What Julia makes of the bytes of a diagram: the other side of tests/julia_structure.py.
module Structure

using DiagramBridge

"Parts of an answer; hexadecimal where they are bytes."
answer(parts...) = join(parts, '\x1f')

function answering(f)
    try
        return f()
    catch e
        e isa BridgeError || rethrow()
        return answer("refused", e.kind, e.element, e.expected, e.found)
    end
end

"The canonical bytes of a diagram, and its identity."
function read_diagram(hex::String)
    answering() do
        d = DiagramBridge.read_bytes(hex2bytes(hex))
        answer("read", bytes2hex(DiagramBridge.write_bytes(d)), DiagramBridge.identity(d))
    end
end

load_file(path::String) = answering(() -> answer("read", DiagramBridge.identity(load(path))))

"The canonical bytes of what an operation on components makes of a diagram."
function operate(hex::String, operation, names...; options...)
    answering() do
        made = operation(DiagramBridge.read_bytes(hex2bytes(hex)), names...; options...)
        answer("read", bytes2hex(DiagramBridge.write_bytes(made)), DiagramBridge.identity(made))
    end
end

"What operations make of diagrams: cases as JSON in a file, answers as JSON in another."
function operate_all(cases::String, answers::String)
    made = [[String(part) for part in split(operated(case), '\x1f')] for case in DiagramBridge.parse_json(read(cases))]
    open(io -> DiagramBridge.write_json(io, made), answers, "w")
end

function operated(case)
    answering() do
        diagrams = [DiagramBridge.read_bytes(hex2bytes(hex)) for hex in case["diagrams"]]
        options = [Symbol(name) => value for (name, value) in case["options"]]
        made = OPERATIONS[case["operation"]](diagrams, case["arguments"], options)
        described(made)
    end
end

described(d::Diagram) = answer("read", bytes2hex(DiagramBridge.write_bytes(d)), DiagramBridge.identity(d))
described(found::Vector{Morphism}) = answer("found", map(described, found)...)
described(m::Morphism) = join(("$kind $old $(names[old])"
                               for (kind, names) in zip(fieldnames(Morphism), DiagramBridge.kinds(m))
                               for old in sort!(collect(keys(names)))), '\n')

one_or_none(found) = Morphism[m for m in (found,) if m !== nothing]

const OPERATIONS = Dict(
    "morphisms" => (diagrams, arguments, options) -> morphisms(diagrams...; options...),
    "embeds" => (diagrams, arguments, options) -> one_or_none(embeds(diagrams...; options...)),
    "isomorphic" => (diagrams, arguments, options) -> one_or_none(isomorphic(diagrams...; options...)),
    "glue" => (diagrams, arguments, options) -> glue(diagrams..., arguments...; options...),
    "rename" => (diagrams, arguments, options) -> rename(diagrams...; options...),
    "restrict" => (diagrams, arguments, options) -> restrict(diagrams...; options...),
    "substitute" => (diagrams, arguments, options) ->
        substitute(diagrams[1], arguments[1], substitute_of(diagrams[2], arguments[2:end]...); options...))

"A diagram itself, one of its components, or the body of one."
substitute_of(diagram, what, name) =
    what == "diagram" ? diagram : what == "component" ? DiagramBridge.component(diagram, name) :
    DiagramBridge.component(diagram, name).body

"The plan of a diagram, and the fragments of its islands."
function plan_diagram(hex::String, placement, driver)
    answering() do
        d = DiagramBridge.read_bytes(hex2bytes(hex))
        p = plan(d, placement, driver)
        fragments = (DiagramBridge.encode(DiagramBridge.fragment(p, d, island)) for island in p.islands)
        answer("planned", bytes2hex(DiagramBridge.write_bytes(p)), map(bytes2hex, fragments)...)
    end
end

"The plan of some of a diagram's outputs, and their registers, counted from 0."
function plan_outputs(hex::String, names, placement, driver)
    answering() do
        d = DiagramBridge.read_bytes(hex2bytes(hex))
        p, registers = DiagramBridge.plan_outputs(d, names, placement, driver)
        answer("planned", bytes2hex(DiagramBridge.write_bytes(p)), (registers .- 1)...)
    end
end

end
