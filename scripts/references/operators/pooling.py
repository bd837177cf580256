import torch
import torch.nn.functional as F


def sided(pads, rank):
    """ONNX's begins and ends as torch's pairs, the last axis first."""
    pads = pads or [0] * 2 * rank
    return [size for axis in reversed(range(rank)) for size in (pads[axis], pads[axis + rank])]


def max_pool(x, *, kernel_shape, pads=None, strides=None, dilations=None, ceil_mode=0):
    rank = x.dim() - 2
    padded = F.pad(x, sided(pads, rank), value=float("-inf"))
    run = {1: F.max_pool1d, 2: F.max_pool2d}[rank]
    return run(padded, kernel_shape, strides or 1, dilation=dilations or 1, ceil_mode=bool(ceil_mode))


def average_pool(x, *, kernel_shape, pads=None, strides=None, ceil_mode=0, count_include_pad=0, dilations=None):
    """Torch has neither pads of two sides nor dilations: a sum over windows, divided by the elements that were there."""
    rank, strides, dilations = x.dim() - 2, strides or [1] * (x.dim() - 2), dilations or [1] * (x.dim() - 2)
    pads = pads or [0] * 2 * rank
    if len(set(pads)) == 1 and set(dilations) == {1}:
        run = {1: F.avg_pool1d, 2: F.avg_pool2d}[rank]
        return run(x, kernel_shape, strides, pads[0], ceil_mode=bool(ceil_mode), count_include_pad=bool(count_include_pad))
    assert not ceil_mode
    ones = F.pad(torch.ones_like(x), sided(pads, rank), value=float(count_include_pad))
    kernel = torch.ones(x.shape[1], 1, *kernel_shape, dtype=x.dtype)
    run = {1: F.conv1d, 2: F.conv2d}[rank]
    total, count = (
        run(value, kernel, stride=strides, dilation=dilations, groups=x.shape[1])
        for value in (F.pad(x, sided(pads, rank)), ones)
    )
    return total / count


OPS = {
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda x: x.mean(dim=tuple(range(2, x.dim())), keepdim=True),
    "GlobalMaxPool": lambda x: {3: F.adaptive_max_pool1d, 4: F.adaptive_max_pool2d}[x.dim()](x, 1),
    "MaxPool": max_pool,
}
