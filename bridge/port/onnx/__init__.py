"""ONNX graphs as PyTorch modules, on their way to portable layers."""
