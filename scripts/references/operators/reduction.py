import torch


def over(reduce):
    def run(x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        if axes is None and noop_with_empty_axes:
            return x.clone()
        return reduce(x, list(range(x.dim())) if axes is None else axes.tolist(), bool(keepdims))

    return run


OPS = {
    "ReduceMean": over(lambda x, axes, keeps: x.mean(axes, keeps)),
    "ReduceSum": over(lambda x, axes, keeps: x.sum(axes, keeps)),
    "ReduceMax": over(lambda x, axes, keeps: torch.amax(x, axes, keeps)),
    "ReduceMin": over(lambda x, axes, keeps: torch.amin(x, axes, keeps)),
    "ReduceSumSquare": over(lambda x, axes, keeps: (x * x).sum(axes, keeps)),
    "ReduceL2": over(lambda x, axes, keeps: torch.linalg.vector_norm(x, 2, axes, keeps)),
}
