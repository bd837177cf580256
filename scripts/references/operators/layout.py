def reshape(x, shape):
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape.tolist())])


OPS = {
    "Flatten": lambda x, *, axis=1: x.flatten(axis),
    "Reshape": reshape,
    "Transpose": lambda x, *, perm: x.permute(perm),
}
