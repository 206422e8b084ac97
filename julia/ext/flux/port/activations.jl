# Functions in a Flux model that portable layers have.

const ACTIVATIONS = IdDict{Any,PortableLayer}(
    NNlib.relu => Layers.relu(), NNlib.relu6 => Layers.relu6(), NNlib.sigmoid => Layers.sigmoid(),
    NNlib.sigmoid_fast => Layers.sigmoid(), tanh => Layers.tanh(), NNlib.tanh_fast => Layers.tanh(),
    NNlib.leakyrelu => Layers.leaky_relu(), NNlib.elu => Layers.elu(), NNlib.celu => Layers.celu(),
    NNlib.swish => Layers.silu(), NNlib.hardsigmoid => Layers.hardsigmoid(), NNlib.mish => Layers.mish(),
    NNlib.softplus => Layers.softplus(), NNlib.gelu_erf => Layers.gelu(), NNlib.gelu_tanh => Layers.gelu("tanh"),
    exp => Layers.exp(), log => Layers.log(), sqrt => Layers.sqrt(), abs => Layers.abs())

# Before `gelu` was given these names it was the tanh form.
haskey(ACTIVATIONS, NNlib.gelu) || (ACTIVATIONS[NNlib.gelu] = Layers.gelu("tanh"))

portable_activation(f) = get(ACTIVATIONS, f, nothing)
portable_activation(f::Base.BroadcastFunction) = portable_activation(f.f)
portable_activation(f::Base.Fix1{typeof(broadcast)}) = portable_activation(f.x)

"Functions of a whole array."
portable_function(f) = portable_activation(f)
portable_function(f::typeof(NNlib.softmax)) = Layers.softmax()
portable_function(f::typeof(NNlib.logsoftmax)) = Layers.log_softmax()
portable_function(f::typeof(Flux.flatten)) = Layers.flatten()

"What joins the values of a `Parallel` or a `SkipConnection`; Julia's axis 1 is the last of a sample."
portable_connection(f) = nothing
portable_connection(::typeof(+)) = Layers.add()
portable_connection(::typeof(-)) = Layers.subtract()
portable_connection(::typeof(vcat)) = Layers.concat(-1)
portable_connection(::typeof(hcat)) = Layers.concat(-2)
portable_connection(f::Base.BroadcastFunction) = get(ELEMENTWISE, f.f, nothing)

const ELEMENTWISE = IdDict{Any,PortableLayer}(
    (+) => Layers.add(), (-) => Layers.subtract(), (*) => Layers.multiply(), (/) => Layers.divide())
