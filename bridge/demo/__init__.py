"""The demonstration: two trainings on scikit-learn's digits, each in PyTorch and Julia together and in PyTorch alone.

`diagram-bridge demo` runs it. In the distillation the student runs in Julia and learns from labels and from a PyTorch
teacher; in the co-training gradients flow from a Julia head back into a PyTorch encoder. Beside each runs a *twin*: the
same network in a plain PyTorch loop, which knows nothing of diagrams, from the same starting weights through the same
batches. The two loss curves have to lie on each other.
"""
