# The line that shows where a training is.

@testset "progress" begin
    io = IOBuffer()
    bar = DiagramBridge.ProgressBar(io, 4, 10, 5)
    foreach(done -> DiagramBridge.show_progress!(bar, done, 0.123456), 5:10)
    DiagramBridge.finish!(bar)
    lines = split(String(take!(io)), "\r\e[K"; keepempty = false)
    @test startswith(lines[1], "epoch 1 ━") && occursin(" 5/10 ", lines[1])
    @test lines[end] == "epoch 2 $("━"^30) 10/10 0:00 left, loss 0.1235\n" # the last step is shown however soon it comes
    @test length(lines) < 6
    @test map(DiagramBridge.duration, (0, 59.1, 3599, 3600.5)) == ("0:00", "1:00", "59:59", "1:00:01")

    shown = DiagramBridge.ProgressBar(io, 0, 10, 5)
    DiagramBridge.finish!(shown)
    @test isempty(take!(io))

    d = Builder("line")
    x = space!(d, "x", Float64; k = 1)
    data = source!(d, "data"; x = x)
    f = arrow!(d, "f", x, x, Layers.linear(1, 1))
    agree!(d, f(data.x), data.x; by = mse())
    objective = compile(d)
    samples = (data = (x = ones(1, 6),),)
    train!(objective, samples; epochs = 2, batch_size = 3, progress = io)
    @test occursin(r"epoch 2 ━+ 4/4 0:00 left, loss .+\n$", String(take!(io)))
    train!(objective, samples; epochs = 1, batch_size = 3, progress = false)
end
