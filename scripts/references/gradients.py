"""Reference gradients from PyTorch for tests/runtime/gradients.

    pip install torch==2.2.2 "numpy<2" safetensors
    python scripts/references/gradients.py [family …]

Reads tests/runtime/gradients/cases/FAMILY.json; writes reference/FAMILY.safetensors beside it: for each case its inputs, the
gradient of each output (dy0, dy1, …) and PyTorch's gradient of every input. Two families are programs of their own: a whole
depthwise network with cross-entropy, and optimizer steps. All is computed in float64 and stored as float32; a case's numbers
depend on its name alone, so that another case changes nothing.
"""
import importlib
import json
import pathlib
import sys
import zlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from operators.convolution import conv

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/runtime/gradients"


def seeded(name):
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def away_from_kinks(x, kinks):
    for kink in kinks:
        x = torch.where((x - kink).abs() < 0.05, x + 0.1, x)
    return x


def constant(value):
    if value is None:
        return None
    (kind, elements), = value.items()
    types = {"float32": torch.float64, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool}
    return torch.tensor(elements, dtype=types[kind])


def attributes_of(case):
    """A float is {"float": 0.1} there, since JSON has one kind of number."""
    return {name: value["float"] if isinstance(value, dict) else value for name, value in case.get("attributes", {}).items()}


def operands_of(case, inputs):
    constants = {int(at): constant(value) for at, value in case.get("constants", {}).items()}
    variables = [inputs[at] for at in case.get("operands", range(len(inputs)))]
    return [constants[at] if at in constants else variables.pop(0) for at in range(len(constants) + len(variables))]


def case_tensors(case, operators):
    generator = seeded(case["name"])
    inputs = []
    for at, dims in enumerate(case["inputs"]):
        x = torch.rand(dims, generator=generator, dtype=torch.float64) * 2 - 1
        x = x * case.get("range", 1)
        x = x.abs() + 0.5 if at in case.get("positive", []) else away_from_kinks(x, case.get("kinks", []))
        inputs.append(x.float().double().requires_grad_(at not in case.get("frozen", [])))
    ys = operators[case["op"]](*operands_of(case, inputs), **attributes_of(case))
    ys = ys if isinstance(ys, tuple) else (ys,)
    used = case.get("used", range(len(ys)))
    dys = {at: (torch.rand(ys[at].shape, generator=generator, dtype=torch.float64) * 2 - 1).float().double() for at in used}
    torch.autograd.backward([ys[at] for at in used], [dys[at] for at in used])
    named = {f"y{at}": ys[at].detach() for at in used} | {f"dy{at}": dy for at, dy in dys.items()}
    for at, x in enumerate(inputs):
        named[f"x{at}"] = x.detach()
        if x.requires_grad:
            named[f"dx{at}"] = torch.zeros_like(x) if x.grad is None else x.grad
    return {f"{case['name']}/{key}": value for key, value in named.items()}


def family_tensors(family):
    operators = importlib.import_module(f"operators.{family}").OPS
    tensors = {}
    for case in json.loads((FOLDER / f"cases/{family}.json").read_text()):
        tensors |= case_tensors(case, operators)
    return tensors


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


PROGRAMS = {"network": network_tensors, "optimizers": optimizer_tensors}


def main():
    families = sys.argv[1:] or [*PROGRAMS, *sorted(path.stem for path in (FOLDER / "cases").glob("*.json"))]
    for family in families:
        tensors = PROGRAMS[family](seeded(family)) if family in PROGRAMS else family_tensors(family)
        stored = {name: (value.float() if value.is_floating_point() else value).contiguous() for name, value in tensors.items()}
        save_file(stored, FOLDER / f"reference/{family}.safetensors", metadata={"made by": f"torch {torch.__version__}"})
        print(family, len(tensors))


if __name__ == "__main__":
    main()
