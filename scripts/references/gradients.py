"""Reference gradients from PyTorch for tests/runtime/gradients.

    pip install torch==2.2.2 "numpy<2" safetensors
    python scripts/references/gradients.py

Reads tests/runtime/gradients/cases.json; writes reference.safetensors beside it: for each case its inputs, the gradient of the
output (dy) and PyTorch's gradient of every input; then a whole depthwise network with cross-entropy, and optimizer steps.
All is computed in float64 and stored as float32.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/runtime/gradients"


def conv(x, w, b=None, *, pads=None, strides=None, dilations=None, group=1):
    rank = x.dim() - 2
    pads = pads or [0] * 2 * rank
    # torch pads the last axis first: (begin, end) pairs from the back.
    padding = [size for axis in reversed(range(rank)) for size in (pads[axis], pads[axis + rank])]
    run = {1: F.conv1d, 2: F.conv2d}[rank]
    return run(F.pad(x, padding), w, b, stride=strides or 1, dilation=dilations or 1, groups=group)


def gemm(a, b, c, *, transA=0, transB=0):
    return (a.T if transA else a) @ (b.T if transB else b) + c


OPS = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": torch.matmul,
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Relu": torch.relu,
    "GlobalAveragePool": lambda x: x.mean(dim=tuple(range(2, x.dim())), keepdim=True),
    "Flatten": lambda x, axis: x.flatten(axis),
    "Transpose": lambda x, perm: x.permute(perm),
    "Identity": lambda x: x.clone(),
}


def away_from_kinks(x, kinks):
    for kink in kinks:
        x = torch.where((x - kink).abs() < 0.05, x + 0.1, x)
    return x


def case_tensors(case, generator):
    kinks = [0.0] if case["op"] == "Relu" else case.get("bounds", [])
    inputs = []
    for at, dims in enumerate(case["inputs"]):
        x = torch.rand(dims, generator=generator, dtype=torch.float64) * 2 - 1
        x = x.abs() + 0.5 if at in case.get("positive", []) else away_from_kinks(x, kinks)
        inputs.append(x.float().double().requires_grad_())
    operands = [inputs[at] for at in case.get("operands", range(len(inputs)))]
    y = torch.clamp(*operands, *case["bounds"]) if case["op"] == "Clip" else OPS[case["op"]](*operands, **case["attributes"])
    dy = (torch.rand(y.shape, generator=generator, dtype=torch.float64) * 2 - 1).float().double()
    y.backward(dy)
    named = {"y": y.detach(), "dy": dy}
    for at, x in enumerate(inputs):
        named |= {f"x{at}": x.detach(), f"dx{at}": x.grad}
    return {f"{case['name']}/{key}": value for key, value in named.items()}


def network_tensors(generator):
    """conv s2 - relu - depthwise - relu - pointwise - relu - + - pool - linear, cross-entropy; see network.test.ts."""
    shapes = {
        "features": [3, 2, 9, 8], "stem": [8, 2, 3, 3], "stem_bias": [8], "depthwise": [8, 1, 3, 3], "depthwise_bias": [8],
        "pointwise": [8, 8, 1, 1], "pointwise_bias": [8], "head": [4, 8], "head_bias": [4],
    }
    t = {name: ((torch.rand(s, generator=generator, dtype=torch.float64) * 2 - 1)).float().double().requires_grad_() for name, s in shapes.items()}
    stem = torch.relu(conv(t["features"], t["stem"], t["stem_bias"], strides=[2, 2], pads=[1, 1, 1, 1]))
    depthwise = torch.relu(conv(stem, t["depthwise"], t["depthwise_bias"], group=8, pads=[1, 1, 1, 1]))
    pointwise = torch.relu(conv(depthwise, t["pointwise"], t["pointwise_bias"]))
    logits = (stem + pointwise).mean(dim=(2, 3)) @ t["head"].T + t["head_bias"]
    labels = torch.tensor([1, 3, 0])
    loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
    loss.backward()
    found = {f"network/{name}": value.detach() for name, value in t.items()}
    found |= {f"network/d_{name}": value.grad for name, value in t.items()}
    return found | {"network/labels": labels, "network/logits": logits.detach(), "network/loss": loss.detach()}


def optimizer_tensors(generator):
    start = (torch.rand([6], generator=generator, dtype=torch.float64) * 2 - 1).float().double()
    gradients = (torch.rand([5, 6], generator=generator, dtype=torch.float64) * 2 - 1).float().double()
    makers = {
        "sgd": lambda p: torch.optim.SGD([p], lr=0.1, momentum=0.9),
        "adam": lambda p: torch.optim.Adam([p], lr=0.1),
        "adamw": lambda p: torch.optim.AdamW([p], lr=0.1, weight_decay=0.01),
    }
    found = {"optimizer/start": start, "optimizer/gradients": gradients}
    for name, make in makers.items():
        theta = start.clone().requires_grad_()
        optimizer = make(theta)
        steps = []
        for gradient in gradients:
            theta.grad = gradient.clone()
            optimizer.step()
            steps.append(theta.detach().clone())
        found[f"optimizer/{name}"] = torch.stack(steps)
    return found


def main():
    generator = torch.Generator().manual_seed(20)
    tensors = {}
    for case in json.loads((FOLDER / "cases.json").read_text()):
        tensors |= case_tensors(case, generator)
    tensors |= network_tensors(generator) | optimizer_tensors(generator)
    stored = {name: (value.float() if value.is_floating_point() else value).contiguous() for name, value in tensors.items()}
    save_file(stored, FOLDER / "reference.safetensors", metadata={"made by": f"torch {torch.__version__}"})


if __name__ == "__main__":
    main()
