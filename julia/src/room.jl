"Memory of `bytes` bytes at `data` that the caller gives for a value."
struct Room
    value::Int
    data::Ptr{Cvoid}
    bytes::UInt64
end

function given_rooms(island::StepIsland, out::Ptr{Slot})
    rooms = Room[]
    for k in 1:length(island.outputs)
        s = unsafe_load(slot(out, k))
        s.tensor.data == C_NULL || push!(rooms, Room(island.output_places[k], s.tensor.data, s.value))
    end
    return rooms
end
