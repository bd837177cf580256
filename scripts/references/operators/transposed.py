import torch.nn.functional as F


def conv_transpose(x, w, b=None, *, pads=None, strides=None, dilations=None, output_padding=None, output_shape=None, auto_pad=None, group=1):
    """Without torch's own padding, which is of one size on both sides: the sides are cut off afterwards."""
    rank = x.dim() - 2
    strides, dilations, added = strides or [1] * rank, dilations or [1] * rank, output_padding or [0] * rank
    run = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[rank]
    full = F.pad(run(x, w, None, strides, dilation=dilations, groups=group), [n for n in reversed(added) for n in (0, n)][: 2 * rank])
    if auto_pad:
        assert auto_pad == "SAME_UPPER"
        totals = [full.shape[axis + 2] - x.shape[axis + 2] * strides[axis] for axis in range(rank)]
        pads = [total // 2 for total in totals] + [total - total // 2 for total in totals]
    if output_shape:
        totals = [full.shape[axis + 2] - size for axis, size in enumerate(output_shape)]
        pads = [total - total // 2 for total in totals] + [total // 2 for total in totals]
    for axis in range(rank):
        begin, end = (pads[axis], pads[axis + rank]) if pads else (0, 0)
        full = full.narrow(axis + 2, begin, full.shape[axis + 2] - begin - end)
    return full if b is None else full + b.reshape(1, -1, *[1] * rank)


OPS = {"ConvTranspose": conv_transpose}
