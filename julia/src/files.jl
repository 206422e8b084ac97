# Files as the system has them: read where they are regular, and written as a whole or not at all.

"""
    open_regular(f, path, where, mode = "r")

What `f` makes of the file at `path`, opened. Throws a `BridgeError` of kind "file" about `where` for what can't be opened or
read, and for what is no regular file: a pipe would be waited for, and a device may never end.
"""
function open_regular(f, path::AbstractString, where::AbstractString, mode = "r")
    expected = "a file that can be read"
    return refusing_system_errors(where, expected) do
        '\0' in path && refuse_file(where, expected, "a NUL in its name")
        isfile(path) || refuse_file(where, expected, ispath(path) ? "something else" : "none")
        open(f, path, mode)
    end
end

"""
    replace_file(f, path, where)

Write a new file beside `path`, what `f` writes to it with `write_all`, and put it in `path`'s place once it is on the disk.
If anything is thrown, what was written is removed and `path` is as before. Throws a `BridgeError` of kind "file" about
`where` for a path that can't be written.
"""
function replace_file(f, path::AbstractString, where::AbstractString)
    expected = "a path that can be written"
    return refusing_system_errors(where, expected) do
        '\0' in path && refuse_file(where, expected, "a NUL in its name")
        target = ispath(path) ? realpath(path) : abspath(path) # a link stays a link
        # No random name: the default generator is the caller's.
        partial = joinpath(dirname(target), ".$(basename(target)).$(getpid())-$(time_ns())")
        try
            open(io -> (f(io); flush(io); reach_disk(io)), partial, "w")
            # `mv` would remove the target first, and `rename` copies where it can't.
            Base.uv_error("rename", ccall(:jl_fs_rename, Int32, (Cstring, Cstring), partial, target))
        catch
            ispath(partial) && rm(partial)
            rethrow()
        end
        return nothing
    end
end

"Write all of `data`, as Julia's own `write` does not when the disk is full: it returns how much it wrote."
function write_all(io::IO, data)
    systemerror("write", write(io, data) != sizeof(data))
    return nothing
end

reach_disk(io::IO) = Sys.isunix() && systemerror("fsync", ccall(:fsync, Cint, (Cint,), Base.fd(io)) != 0)

function refusing_system_errors(f, where::AbstractString, expected::AbstractString)
    try
        return f()
    catch e
        e isa Union{SystemError,Base.IOError} || rethrow()
        refuse_file(where, expected, e isa SystemError ? Base.Libc.strerror(e.errnum) : e.msg)
    end
end
