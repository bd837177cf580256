import torch

OPS = {
    "Expand": lambda x, shape: x * torch.ones(shape.tolist(), dtype=x.dtype),
    "Tile": lambda x, repeats: x.repeat(*repeats.tolist()),
    "Where": torch.where,
}
