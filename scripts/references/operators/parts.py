import torch
import torch.nn.functional as F


def split(x, sizes=None, *, axis=0, num_outputs=None):
    parts = sizes.tolist() if sizes is not None else -(-x.shape[axis] // num_outputs)
    return torch.split(x, parts, axis)


def slice_(x, starts, ends, axes=None, steps=None):
    """By an index list per axis: torch has no negative steps."""
    axes = range(len(starts)) if axes is None else axes.tolist()
    for at, axis in enumerate(axes):
        step = 1 if steps is None else steps[at].item()
        places = list(range(x.shape[axis]))[slice_of(starts[at].item(), ends[at].item(), step, x.shape[axis])]
        x = x.index_select(axis, torch.tensor(places, dtype=torch.int64))
    return x


def slice_of(start, end, step, size):
    """Python reads an end below -size as position 0, where ONNX means that nothing is left in front."""
    return slice(start, None if step < 0 and end < -size else end, step)


def pad(x, pads, value=None, axes=None, *, mode="constant"):
    axes = list(range(x.dim())) if axes is None else [axis % x.dim() for axis in axes.tolist()]
    begins, ends = pads[: len(axes)].tolist(), pads[len(axes) :].tolist()
    for axis, begin, end in zip(axes, begins, ends):
        kept = x.narrow(axis, max(-begin, 0), x.shape[axis] - max(-begin, 0) - max(-end, 0))
        sides = [max(begin, 0), max(end, 0)]
        # F.pad copies along the last axis of a value of three.
        rows = kept.movedim(axis, -1)
        flat = rows.reshape(1, -1, rows.shape[-1])
        how = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}[mode]
        fill = {"value": 0.0 if value is None else value.item()} if mode == "constant" else {}
        x = F.pad(flat, sides, mode=how, **fill).reshape(*rows.shape[:-1], -1).movedim(-1, axis)
    return x


def gather(x, indices, *, axis=0):
    axis %= x.dim()
    rows = x.index_select(axis, indices.reshape(-1) % x.shape[axis])
    return rows.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


OPS = {
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Split": split,
    "Slice": slice_,
    "Pad": pad,
    "Gather": gather,
    "GatherElements": lambda x, indices, *, axis=0: torch.gather(x, axis, indices % x.shape[axis]),
}
