"""What PyTorch has for each ONNX operator, one module per family of tests/runtime/gradients/cases.

A module has OPS: from operator to a function of its operands (tensors in their order; None for an absent one) and, by name, its
attributes; it returns the output, or a tuple of them.
"""
