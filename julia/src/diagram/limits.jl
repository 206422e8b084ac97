# The most that a diagram may have of anything: those of bridge/diagram/limits.py, which says what each is for.

const MAX_FILE_BYTES = 64 * 2^20
const MAX_ELEMENTS = 100_000
const MAX_TERMS = 1_000_000
const MAX_AGREEMENTS = 1_000_000
const MAX_PATHS = 1_000_000
const MAX_ARITY = 1_000
const MAX_NODES = 100_000
const MAX_SPACE_AXES = 16 # also of numbers in a list attribute
const MAX_ATTRIBUTES = 64
const MAX_SIZE = 2^31 - 1
const MAX_CLASSES = 2^31 - 1
const MAX_VALUES = 2^40

"The product of sizes, which are at least 1, or some number above `MAX_VALUES` where it is more than that."
function bounded_product(sizes)
    product = 1
    for size in sizes
        product > MAX_VALUES && break # the next one could overflow
        product *= min(size, MAX_VALUES + 1)
    end
    return min(product, MAX_VALUES + 1)
end
