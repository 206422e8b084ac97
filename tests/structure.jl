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
