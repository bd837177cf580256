"""What PyTorch takes for the steps that Lichen takes: times and memory, as JSON on stdout.

    python3.11 -m venv venv
    venv/bin/pip install torch==2.2.2 numpy==1.26.4
    venv/bin/python scripts/peers/pytorch.py --network mobilenet-v2 --variant full --threads 1 --batch 8 --steps 5

Without --variant, all of them, each in a process of its own, so that each has a peak of its own; one JSON object a line.
Networks have the reference networks' shapes with batch normalization folded into the convolutions, which favours PyTorch: as
fine-tuning is usually done there would be 53 more layers to differentiate. Weights are random; times do not depend on them.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def convolution(inputs, outputs, kernel=1, stride=1, groups=1, activation=nn.ReLU6):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)]
    return nn.Sequential(*layers, activation()) if activation else layers[0]


class InvertedResidual(nn.Module):
    """Sandler et al. 2018, arXiv:1801.04381."""

    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        inner = inputs * expansion
        expand = [convolution(inputs, inner)] if expansion > 1 else []
        self.body = nn.Sequential(
            *expand, convolution(inner, inner, 3, stride, inner), convolution(inner, outputs, activation=None))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def mobilenet_v2():
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    blocks, channels = [convolution(3, 32, 3, 2)], 32
    for expansion, outputs, repetitions, stride in stages:
        for repetition in range(repetitions):
            blocks.append(InvertedResidual(channels, outputs, stride if repetition == 0 else 1, expansion))
            channels = outputs
    blocks += [convolution(channels, 1280), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*blocks), (3, 224, 224), 14, 1000


def spoken_digits():
    """As scripts/models/spoken-digits/train.py defines it."""
    def block(inputs, outputs, stride=1):
        return nn.Sequential(convolution(inputs, inputs, 3, stride, inputs, nn.ReLU),
                             convolution(inputs, outputs, activation=nn.ReLU))
    network = nn.Sequential(
        convolution(1, 32, 3, 2, activation=nn.ReLU), block(32, 64, 2), block(64, 64), block(64, 64), block(64, 64),
        block(64, 128, 2), block(128, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    return network, (1, 40, 61), 3, 10


# Each: layers in sequence, the shape of a sample, where the last four blocks begin, classes.
NETWORKS = {"mobilenet-v2": mobilenet_v2, "spoken-digits": spoken_digits}


def every(parameters):
    return [parameter for _, parameter in parameters]


def biases(parameters):
    return [parameter for name, parameter in parameters if name.endswith("bias")]


# Each: what is trained, and whether only of the last four blocks; with a cached prefix, only they are run at all.
VARIANTS = {
    "inference": (None, False, False),
    "full": (every, False, False),
    "bias": (biases, False, False),
    "bias-last": (biases, True, False),
    "bias-last-cached": (biases, True, True),
    # What --layers says, behind a prefix that is run in each step.
    "layers": (None, False, False),
}


# Of one layer: a part of its parameters, where it is not all of them.
PARTS = {"bias": biases, "whole": every}


def layers_chooser(text):
    """From "3:bias,12:whole": a place among the layers with weights, and what of that layer is trained."""
    chosen = [part.split(":") for part in text.split(",")]

    def choose(model):
        weighted = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
        return [parameter for at, part in chosen for parameter in PARTS[part](list(weighted[int(at)].named_parameters()))]
    return choose


def measure(network, variant, batch, steps, choose):
    torch.manual_seed(1)
    imported = peak_bytes()
    model, shape, split, classes = NETWORKS[network]()
    chosen, only_last, cached = VARIANTS[variant]
    prefix, rest = (model[:split], model[split:]) if only_last else (nn.Sequential(), model)
    inputs, labels = torch.randn(batch, *shape), torch.arange(batch) % classes
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    trained = choose(model) if choose else chosen(list(rest.named_parameters())) if chosen else []
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(trained, lr=1e-3) if trained else None
    if cached:
        prefix, inputs = nn.Sequential(), prefix(inputs)

    def step():
        if not optimizer:
            with torch.inference_mode():
                return rest(inputs)
        optimizer.zero_grad()
        loss = F.cross_entropy(rest(prefix(inputs)), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 5)
        optimizer.step()
        return loss

    times = []
    for _ in range(steps + 2):
        started = time.perf_counter()
        step()
        times.append((time.perf_counter() - started) * 1000)
    return {"milliseconds": statistics.median(times[2:]), "steps": steps, "trainableParameters": sum(p.numel() for p in trained),
            "peakBytes": peak_bytes(), "importedBytes": imported}


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--network", choices=NETWORKS, required=True)
    arguments.add_argument("--variant", choices=VARIANTS)
    arguments.add_argument("--layers", type=layers_chooser, metavar="PLACE:PART,…", help="for the variant layers")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--batch", type=int, default=8)
    arguments.add_argument("--steps", type=int, default=5)
    given = arguments.parse_args()
    if given.variant is None:
        for variant in [name for name in VARIANTS if name != "layers"]:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--variant", variant], check=True)
        return
    torch.set_num_threads(given.threads)
    torch.set_num_interop_threads(1)
    choose = vars(given).pop("layers")
    measured = measure(given.network, given.variant, given.batch, given.steps, choose)
    print(json.dumps({**vars(given), "torch": torch.__version__, **measured}))


if __name__ == "__main__":
    main()
