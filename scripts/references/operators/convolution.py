import torch.nn.functional as F


def conv(x, w, b=None, *, pads=None, strides=None, dilations=None, group=1):
    rank = x.dim() - 2
    pads = pads or [0] * 2 * rank
    # torch pads the last axis first: (begin, end) pairs from the back.
    padding = [size for axis in reversed(range(rank)) for size in (pads[axis], pads[axis + rank])]
    run = {1: F.conv1d, 2: F.conv2d}[rank]
    return run(F.pad(x, padding), w, b, stride=strides or 1, dilation=dilations or 1, groups=group)


OPS = {"Conv": conv}
