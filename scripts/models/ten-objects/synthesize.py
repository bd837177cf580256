"""Makes pictures of the ten classes out of the trained network alone, for the rehearsal pack, which must hold none of the data's own.

    venv/bin/python scripts/models/ten-objects/synthesize.py [work folder]

DeepInversion (Yin et al. 2020, arXiv:1912.08795): noise is changed by gradient descent until the network takes it for the class wanted,
and until every batch normalization sees the mean and variance that it saw in training. Reads ten-objects.pt, which train.py left in the
work folder, and writes synthetic.png beside itself: a row of pictures for each class, 32 by 32 pixels each.
"""

import math
import pathlib
import sys
import time

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from train import MEAN, STD, network

CLASSES, PICTURES = 10, 18  # of each class
STEPS = 300
PEAK_LEARNING_RATE = 0.1
STATISTICS_WEIGHT = 10.0
VARIATION_WEIGHT = 1.0  # of the squared difference between neighbouring pixels
JITTER = 2  # pixels
HERE = pathlib.Path(__file__).parent


def statistics_of(model):
    """The squared distance of what each batch normalization sees from what it saw in training: a list that every forward pass fills."""
    found = []

    def compare(norm, inputs, _):
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        found.append((mean - norm.running_mean).norm() + (variance - norm.running_var).norm())

    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.register_forward_hook(compare)
    return found


def moved(pictures, generator):
    """Rolled by up to JITTER pixels, and mirrored half the time: what is seen must not depend on the place of a pixel."""
    down, right = torch.randint(-JITTER, JITTER + 1, (2,), generator=generator).tolist()
    pictures = pictures.roll((down, right), (2, 3))
    return pictures.flip(3) if torch.rand((), generator=generator) < 0.5 else pictures


def variation(pictures):
    down = pictures[:, :, 1:] - pictures[:, :, :-1]
    right = pictures[:, :, :, 1:] - pictures[:, :, :, :-1]
    return down.square().mean() + right.square().mean()


def synthesize(model):
    """Returns pixels, [CLASSES * PICTURES, 3, 32, 32], 0 to 255, class by class."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    statistics = statistics_of(model)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    darkest, brightest = -mean / std, (255 - mean) / std
    classes = torch.arange(CLASSES).repeat_interleave(PICTURES)
    # Soft patches of colour: pixel noise would stay in the pictures to the end.
    patches = F.interpolate(torch.randn(len(classes), 3, 8, 8, generator=generator), 32, mode="bilinear")
    pictures = patches.clamp(darkest, brightest).requires_grad_()
    optimizer = torch.optim.Adam([pictures], betas=(0.5, 0.9))
    began = time.time()
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = PEAK_LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        statistics.clear()
        recognition = F.cross_entropy(model(moved(pictures, generator)), classes)
        loss = recognition + STATISTICS_WEIGHT * sum(statistics) / len(statistics) + VARIATION_WEIGHT * variation(pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            pictures.copy_(pictures.clamp(darkest, brightest))
        if step % 50 == 0 or step == STEPS - 1:
            print(f"step {step}: cross-entropy {recognition:.3f}, statistics {sum(statistics) / len(statistics):.3f}, "
                  f"variation {variation(pictures):.3f}, {time.time() - began:.0f} s", flush=True)
    pixels = (pictures.detach() * std + mean).round().clamp(0, 255)
    right = (model((pixels - mean) / std).argmax(1) == classes).sum().item()
    print(f"{right} of {len(classes)} are what they shall be")
    return pixels


def save(pixels, path):
    """A row for each class."""
    rows = pixels.view(CLASSES, PICTURES, 3, 32, 32).permute(0, 3, 1, 4, 2).reshape(CLASSES * 32, PICTURES * 32, 3)
    Image.fromarray(rows.numpy().astype(np.uint8)).save(path, optimize=True)


def main():
    work = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    model = network()
    model.load_state_dict(torch.load(work / "ten-objects.pt")["average"])
    save(synthesize(model.eval()), HERE / "synthetic.png")


if __name__ == "__main__":
    main()
