module BuilderTests

using DiagramBridge
using DiagramBridge: write_bytes
using Test

const GOLDEN = joinpath(@__DIR__, "..", "..", "tests", "files", "golden")

# The programs of scripts/golden.py, in Julia.

function distillation(d)
    image, logits = space!(d, "image"; row = 8, column = 8), space!(d, "logits"; klass = 10)
    digits = source!(d, "digits"; image = image, label = index!(d, "label"; classes = 10))
    body = Layers.chain(Layers.flatten(), Layers.linear(64, 32), Layers.relu(), Layers.linear(32, 10))
    student = arrow!(d, "student", image, logits, body)
    teacher = arrow!(d, "teacher", image, logits, body; frozen = true)
    agree!(d, student(digits.image), digits.label; by = cross_entropy())
    agree!(d, student(digits.image), teacher(digits.image); by = kl(4), weight = 2)
    output!(d, "prediction", student(digits.image))
end

function indices(d)
    steps = space!(d, "steps", Float32; step = "length", k = 4)
    data = source!(d, "data"; steps = steps, long = index!(d, "long"; classes = 4, step = "length"),
                   short = index!(d, "short"; classes = 4, type = Int32, step = "length"), keep = space!(d, "keep", Bool),
                   count = space!(d, "count", Int64; step = "length"), times = space!(d, "times", "int32"),
                   share = space!(d, "share", Float64; step = :length))
    f, by = arrow!(d, "f", steps, steps, Layers.linear(4, 4)), cross_entropy(0, :k)
    agree!(d, f(data.steps), data.long; by = by, where = data.keep)
    agree!(d, f(data.steps), data.long; by = by, where = data.count)
    agree!(d, f(data.steps), data.short; by = by, where = data.times, name = "by name")
    agree!(d, f(data.steps), data.short; by = by, where = data.share, weight = 0)
end

function references(d)
    x, y = space!(d, "x"; k = 2), space!(d, "y"; k = 2)
    data = source!(d, "data"; x = x)
    teacher = arrow!(d, "teacher", x, (y, x), TorchReference("package.module:Teacher"); frozen = true)
    tool = arrow!(d, "tool", (x, y), "y", JuliaReference("tool"); has_parameters = false)
    model = arrow!(d, "model", x, y, JuliaReference("a model"); frozen = :train)
    start = arrow!(d, "start", (), y, TorchReference("start"))
    first, second = teacher(data.x)
    agree!(d, tool(second, start()), detach(first); by = mse())
    agree!(d, model(detach(detach(second))), tool(data.x, start()); by = mse())
end

function shared(d)
    x = space!(d, "x"; k = 2)
    one, two = source!(d, "one"; x = x, y = x), source!(d, "two"; x = x)
    f = arrow!(d, "f", x, x, Layers.linear(2, 2))
    g = arrow!(d, "g", x, x, DiagramBridge.component(f))
    add = arrow!(d, "add", (x, x), x, Layers.add())
    twice = add(f(one.x), f(one.x))
    for _ in 1:2
        agree!(d, twice, one["y"]; by = mse(), weight = 2.5)
    end
    agree!(d, g(f(two.x)), two.x; by = mae())
    output!(d, "prediction of one", twice)
    output!(d, "unused", add(g(one.y), one.x))
end

function residual(d)
    x, y = space!(d, "x"; row = 2, k = 3), space!(d, "y"; k = 6)
    g = Layers.GraphBuilder(2)
    a, b = g.inputs
    hidden = g(Layers.relu(), g(Layers.linear(3, 3), a; name = "first"))
    total = g(Layers.add(), hidden, b, a)
    product = g(Layers.multiply(), g(Layers.softmax(-2), total), hidden; name = "product")
    data = source!(d, "data"; x = x, y = y)
    f = arrow!(d, "f", (x, x), (x, y), Layers.graph(g, product, g(Layers.flatten(), total)))
    left, right = f(data.x, data.x)
    agree!(d, right, data.y; by = mse())
    agree!(d, left, f(left, left)[1]; by = kl(1, "row"))
end

function commutes(d)
    x, y = space!(d, "x"; k = 2), space!(d, "y"; k = 2)
    data = source!(d, "data"; b = x, a = x)
    f, g = arrow!(d, "f", x, y, Layers.linear(2, 2)), arrow!(d, "g", x, y, Layers.tanh())
    h, back = arrow!(d, "h", y, y, Layers.linear(2, 2)), arrow!(d, "back", y, x, Layers.relu())
    commute!(d, data, y; by = mse(), arrows = [g, f])
    commute!(d, data.a, y; by = cosine(), arrows = [f, h, g], pairing = :all, max_length = 2, weight = 0.1, name = "all")
    commute!(d, f(data.a), "x"; by = huber(), arrows = ["back", h], max_length = 3, max_paths = 10)
    agree!(d, h(f(data.a)), g(data.a); by = mse())
end

function ladder(d)
    x = space!(d, "x"; k = 2)
    data = source!(d, "data"; x = x)
    f, g = arrow!(d, "f", x, x, Layers.linear(2, 2)), arrow!(d, "g", x, x, Layers.sigmoid())
    add, term = arrow!(d, "add", (x, x), x, Layers.add()), data.x
    for _ in 1:4
        term = add(f(term), g(term))
    end
    agree!(d, term, data.x; by = mse())
end

@testset "$write as in Python" for write in (distillation, indices, references, shared, residual, commutes, ladder)
    d = Builder(string(write))
    write(d)
    @test write_bytes(build(d)) == read(joinpath(GOLDEN, "$write.pb"))
end

"The kind and the text of a refusal."
function refusal(f)
    try
        f()
    catch e
        return e isa BridgeError ? (e.kind, sprint(showerror, e)) : rethrow()
    end
    return ("", "")
end

@testset "mistakes in writing" begin
    d = Builder("d")
    x, y = space!(d, "x"; k = 2), space!(d, "y"; k = 3)
    data, more = source!(d, "data"; x = x, y = y), source!(d, "more"; x = x)
    f, add = arrow!(d, "f", x, x, Layers.linear(2, 2)), arrow!(d, "add", (x, x), x, Layers.add())
    @test refusal(() -> space!(d, "x")) == ("duplicate", "space 'x': expected one space of that name, found two")
    @test refusal(() -> space!(d, "a b"))[1] == "name"
    @test refusal(() -> space!(d, "z", Float16))[1] == "space"
    @test refusal(() -> space!(d, "z"; k = 0))[2] ==
          "space 'z', axis 'k': expected a size from 1 to 2147483647, or a variable, found 0"
    @test refusal(() -> index!(d, "z"; classes = 0))[2] == "space 'z': expected at least one class, found 0"
    @test refusal(() -> data.z) == ("unknown", "source 'data': expected the name of a column ('x', 'y'), found 'z'")
    @test refusal(() -> source!(d, "s"))[2] == "source 's': expected at least one column, found none"
    @test refusal(() -> source!(d, "s"; x = "w"))[2] ==
          "column 's.x': expected the name of a space ('x', 'y'), found 'w'"
    @test refusal(() -> f(data.y))[2] ==
          "arrow 'f', argument 0: expected space 'x' (float32 (k=2)), found space 'y' (float32 (k=3))"
    @test refusal(() -> f())[2] == "arrow 'f': expected 1 arguments, found 0"
    @test refusal(() -> add(data.x, more.x))[2] ==
          "arrow 'add': expected arguments of one source, found columns of 'data', 'more'"
    @test refusal(() -> agree!(d, f(data.x), (data.x, data.x); by = mse()))[1] == "type"
    @test refusal(() -> kl(0))[2] == "divergence 'kl', attribute 'temperature': expected a number above 0, found 0.0"
    @test refusal(() -> Layers.linear(2, 2; init = "ones"))[1] == "layer"
    @test refusal(() -> Layers.chain(Layers.add()))[2] ==
          "chain: expected parts with one input and one output, found 2 and 1 in part 0"
    @test refusal(() -> arrow!(d, "g", x, x, DiagramBridge.component(f); frozen = true))[1] == "component"
    @test refusal(() -> commute!(d, data, x; by = mse(), pairing = :pair))[1] == "type"
    agree!(d, f(data.x), more.x; by = mse())
    @test refusal(() -> build(d)) ==
          ("parallel", "agreement 0, right: expected a term of source 'data', left's, found one of source 'more'")
    foreign = Builder("e")
    @test refusal(() -> output!(foreign, "o", data.x))[2] ==
          "output 'o': expected a term of builder 'e', found data.x of another one"
end

@testset "shown" begin
    d = load(joinpath(GOLDEN, "distillation.pb"))
    @test string(d) == "Diagram(\"distillation\"): 3 spaces, 2 arrows, 4 terms, 2 agreements"
    text = sprint(show, MIME"text/plain"(), d)
    @test occursin("student~teacher       kl(student(digits.image), teacher(digits.image), temperature=4) · 2", text)
    @test occursin("teacher  frozen  flatten → linear(64, 32) → relu → linear(32, 10)", text)
    commutes = sprint(show, MIME"text/plain"(), load(joinpath(GOLDEN, "commutes.pb")))
    @test occursin("cosine(path, path) · 0.1, paths from data.a to y of at most 2 arrows", commutes)
    b = Builder()
    x = space!(b, "x")
    f, term = arrow!(b, "f", (x, x), x, Layers.add()), source!(b, "data"; x = x).x
    for _ in 1:1000
        term = f(term, term)
    end
    @test length(string(term)) < 300
end

end
