import torch
import torch.nn.functional as F


def prelu(x, slope):
    return torch.where(x > 0, x, slope * x)


OPS = {
    "Relu": torch.relu,
    "Clip": lambda x, low=None, high=None: torch.clamp(x, low, high),
    "LeakyRelu": lambda x, *, alpha=0.01: F.leaky_relu(x, alpha),
    "PRelu": prelu,
    "Elu": lambda x, *, alpha=1.0: F.elu(x, alpha),
    "Sigmoid": torch.sigmoid,
    "HardSigmoid": lambda x, *, alpha=0.2, beta=0.5: torch.clamp(alpha * x + beta, 0, 1),
    "HardSwish": F.hardswish,
    "Tanh": torch.tanh,
    "Gelu": lambda x, *, approximate="none": F.gelu(x, approximate=approximate),
    "Softmax": lambda x, *, axis=-1: F.softmax(x, axis),
    "LogSoftmax": lambda x, *, axis=-1: F.log_softmax(x, axis),
}
