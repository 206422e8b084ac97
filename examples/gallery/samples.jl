# What the Julia versions learn from: images of printed digits, noisy. (The Python versions have scikit-learn's.)

using Random: MersenneTwister

const FONT = ("111101101101111", "010110010010111", "111001111100111", "111001111001111", "101101111001001",
              "111100111001111", "111100111101111", "111001010010010", "111101111101111", "111101111001111")

"So many images, (column, row, N) from 0 to 1, with their labels from 0."
function glyphs(count; seed = 0)
    draws = MersenneTwister(seed)
    image, label = zeros(Float32, 8, 8, count), [mod(n, 10) for n in 0:(count - 1)]
    for n in 1:count
        for row in 1:5, column in 1:3
            FONT[label[n] + 1][3 * (row - 1) + column] == '1' || continue
            image[column + 2, row + 1, n] = 0.6 + 0.4 * rand(draws)
        end
    end
    return (image = clamp.(image .+ 0.2f0 .* randn(draws, Float32, size(image)), 0.0f0, 1.0f0), label = label)
end

"The fraction of samples whose largest logit is the label's."
accuracy(logits, label) = count(n -> argmax(logits[:, n]) - 1 == label[n], eachindex(label)) / length(label)

"One row for each class: labels as distributions."
one_hot(label, classes = 10) = Float32[label[n] == k - 1 for k in 1:classes, n in eachindex(label)]

const NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
const WORDS = ("<end>", "<begin>", "an", "even", "odd", "digit", "below", NUMBERS...)
const LENGTH = 7 # six words, and an end

caption(digit) = ["an", isodd(digit) ? "odd" : "even", "digit", (digit < 5 ? ("below", "five") : ())..., NUMBERS[digit + 1]]

"The captions of labels: the words up to each place, those at it, and which of them are spoken, (LENGTH, N)."
function captions(label)
    words, spoken = zeros(Int, LENGTH, length(label)), zeros(Float32, LENGTH, length(label))
    for (n, digit) in enumerate(label)
        said = [findfirst(==(word), WORDS) - 1 for word in caption(digit)]
        words[1:length(said), n] = said
        spoken[1:(length(said) + 1), n] .= 1
    end
    return (before = vcat(ones(Int, 1, length(label)), words[1:(end - 1), :]), words = words, spoken = spoken)
end

"The first so many samples of each class."
function few(samples, each)
    chosen = sort!(vcat((findall(==(digit), samples.label)[1:each] for digit in 0:9)...))
    return (image = samples.image[:, :, chosen], label = samples.label[chosen])
end

"Give an objective what another has learned, where they have a component in common."
function carry!(objective, trained)
    learned = Dict((v.component, v.path) => v.array for v in trained.parameters)
    for v in objective.parameters
        haskey(learned, (v.component, v.path)) && copyto!(v.array, learned[v.component, v.path])
    end
    return objective
end

"What is said of a training."
report(name, history, said) =
    string(name, " in Julia: loss ", round(history.total[1]; digits = 3), " → ", round(history.total[end]; digits = 3), ", ",
           said)
