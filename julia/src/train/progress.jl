# Where a training is, for a person who waits.

"""
A line on a terminal that shows where a training is: its epoch, the steps that are done of `last`, the time that is left and
the loss. It is written at most ten times a second, over itself.
"""
mutable struct ProgressBar
    io::IO
    first::Int # steps that were done before
    last::Int
    steps_of_epoch::Int
    started::Float64
    written::Float64
end

ProgressBar(io::IO, first::Integer, last::Integer, steps_of_epoch::Integer) =
    ProgressBar(io, first, last, steps_of_epoch, time(), -Inf)

const BAR_WIDTH = 30

"Show that `done` steps are done, those before the start among them."
function show_progress!(bar::ProgressBar, done::Int, loss::Real)
    now = time()
    done < bar.last && now - bar.written < 0.1 && return nothing
    bar.written = now
    left = (now - bar.started) / (done - bar.first) * (bar.last - done)
    filled = BAR_WIDTH * done ÷ bar.last
    print(bar.io, "\r\e[Kepoch ", cld(done, bar.steps_of_epoch), ' ', '━'^filled, ' '^(BAR_WIDTH - filled), ' ', done, '/',
          bar.last, ' ', duration(left), " left, loss ", round(loss; sigdigits = 4))
    return nothing
end

"Leave the line as it is, and go to the next."
finish!(bar::ProgressBar) = bar.written == -Inf ? nothing : println(bar.io)

function duration(seconds::Real)
    minutes, rest = divrem(ceil(Int, seconds), 60)
    return minutes < 60 ? string(minutes, ':', lpad(rest, 2, '0')) :
           string(minutes ÷ 60, ':', lpad(minutes % 60, 2, '0'), ':', lpad(rest, 2, '0'))
end
