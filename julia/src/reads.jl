# What is known of an operation without running it.

"""
    reads(operation) -> (inputs::Bool, values::Bool, parameters)

What the pullback of an operation looks at: its inputs, its values, and each of its parameters. PyTorch then refuses to
have them changed in place before the way back; for the layers it is what PyTorch's own functions save.
"""
reads(::Any) = (inputs = true, values = true, parameters = Iterators.repeated(true))
reads(::Detach) = (inputs = false, values = false, parameters = ())
reads(::Union{Identity,Reshaping,Add,Subtract,Concat,Split,Slice,Permute,Reduction,Scale,Expand}) =
    (inputs = false, values = false, parameters = ())
reads(::Union{AnyMaxPool,AnyMeanPool,Upsample,Pad,Dropout}) = (inputs = false, values = false, parameters = ())
reads(::Union{Multiply,Divide,MatMul}) = (inputs = true, values = false, parameters = ())
reads(::Union{Linear,LayerNorm,FeatureNorm,AnyConvolution}) = (inputs = true, values = false, parameters = (true, false))
reads(::Embedding) = (inputs = true, values = false, parameters = (false,))
reads(::Union{Softmax,LogSoftmax}) = (inputs = false, values = true, parameters = ())
reads(::Activation) = (inputs = true, values = false, parameters = ())
reads(::Union{Relu,Sigmoid,Tanh,Exp,Sqrt}) = (inputs = false, values = true, parameters = ())

reads(layer::Recurrent) =
    (inputs = true, values = false, parameters = (true, true, ntuple(_ -> false, layer.of.biases)...))
reads(::Attention) = (inputs = true, values = false, parameters = ())
reads(layer::MultiHeadAttention) =
    (inputs = true, values = false, parameters = map(name -> endswith(name, "weight"), parameter_names(layer)))

"Whether an operation's value is its input in another shape."
is_view(::Any) = false
is_view(::Union{Identity,Reshaping}) = true

"Whether the gradients of an operation's inputs are that of its value, unchanged but for the shape."
hands_on(::Any) = false
hands_on(::Union{Identity,Reshaping,Add}) = true

"Whether an operation asks for the memory of its results, so that the caller may give it."
fills(::Any) = false
fills(::Layer) = true
