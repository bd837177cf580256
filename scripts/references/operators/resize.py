import torch
import torch.nn.functional as F


def asymmetric(x, scales):
    """Linear interpolation at i / scale, axis by axis: torch has no such mode."""
    for axis, scale in enumerate(scales.tolist()):
        size = x.shape[axis]
        at = (torch.arange(int(size * scale), dtype=torch.float64) / scale).clamp(max=size - 1)
        low = at.floor().long()
        high = (low + 1).clamp(max=size - 1)
        weight = (at - low).reshape(-1, *[1] * (x.dim() - axis - 1))
        x = x.index_select(axis, low) * (1 - weight) + x.index_select(axis, high) * weight
    return x


def nearest_exact(x, scales):
    """Axis by axis: torch resizes no channels."""
    for axis, scale in enumerate(scales.tolist()):
        rows = x.movedim(axis, -1)
        grown = F.interpolate(rows.reshape(1, -1, rows.shape[-1]), scale_factor=scale, mode="nearest-exact")
        x = grown.reshape(*rows.shape[:-1], -1).movedim(-1, axis)
    return x


def resize(x, roi=None, scales=None, sizes=None, *, mode="nearest", coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_floor", antialias=0, cubic_coeff_a=-0.75):
    """What torch has: nearest asymmetric with floor, half_pixel and align_corners; and the linear asymmetric mode from above."""
    if mode == "nearest" and scales is not None and (x.dim() < 3 or scales[1] != 1):
        return nearest_exact(x, scales)
    rank = x.dim() - 2
    linear = {1: "linear", 2: "bilinear"}[rank]
    corners = coordinate_transformation_mode == "align_corners"
    how = {"size": sizes.tolist()[2:]} if sizes is not None else {"scale_factor": scales.tolist()[2:]}
    if mode == "nearest":
        exact = coordinate_transformation_mode == "half_pixel"
        assert exact or (coordinate_transformation_mode, nearest_mode) == ("asymmetric", "floor")
        return F.interpolate(x, mode="nearest-exact" if exact else "nearest", **how)
    if (mode, coordinate_transformation_mode) == ("linear", "asymmetric"):
        return asymmetric(x, scales)
    assert corners or coordinate_transformation_mode in ("half_pixel", "pytorch_half_pixel")
    return F.interpolate(
        x, mode={"linear": linear, "cubic": "bicubic"}[mode], align_corners=corners, antialias=bool(antialias), **how)


OPS = {"Resize": resize}
