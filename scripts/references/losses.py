"""Reference values and gradients of the losses from PyTorch, for tests/runtime/losses.

    pip install torch==2.2.2 "numpy<2" safetensors
    python scripts/references/losses.py

Writes tests/runtime/losses/reference.safetensors: one batch, then the loss and its gradient for each case of losses.test.ts.
All is computed in float64 and stored as float32; gradients come from PyTorch's own losses and autograd.
"""
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FILE = pathlib.Path(__file__).resolve().parents[2] / "tests/runtime/losses/reference.safetensors"
B, C, OLD = 6, 5, 3


def main():
    generator = torch.Generator().manual_seed(31)

    def noise(*dims, scale=1.0):
        return ((torch.rand(dims, generator=generator, dtype=torch.float64) * 2 - 1) * scale).float().double()

    batch = {
        "logits": noise(B, C, scale=4),
        "labels": torch.tensor([1, 3, 0, 4, 1, 2]),
        "targets": ((noise(B, C) + 1) / 2).float().double(),
        "teacher": noise(B, OLD, scale=4),
        "images": noise(B, 2, 3, 2),
        "image_targets": noise(B, 2, 3, 2),
        "class_weights": torch.tensor([0.5, 2, 1, 0.25, 3], dtype=torch.float64),
        "positive_weights": torch.tensor([1, 4, 0.5, 2, 3], dtype=torch.float64),
    }
    labels, targets, teacher = batch["labels"], batch["targets"], batch["teacher"]
    w, a = batch["class_weights"], batch["positive_weights"]

    def distillation(x, temperature):
        log_p = F.log_softmax(x[:, :OLD] / temperature, dim=1)
        return F.kl_div(log_p, F.softmax(teacher / temperature, dim=1), reduction="batchmean") * temperature**2

    def sure(x, margin):
        h = torch.distributions.Categorical(logits=x).entropy()
        room = margin * math.log(C) - h.detach()
        return ((room > 0) * room.exp() * h).mean()

    def varied(x, diversity):
        mean = F.softmax(x, dim=1).mean(dim=0)
        sameness = math.log(C) + (mean * mean.log()).sum()
        return torch.distributions.Categorical(logits=x).entropy().mean() + diversity * sameness

    cases = {
        "cross-entropy": lambda x: F.cross_entropy(x, labels),
        "cross-entropy, smoothed": lambda x: F.cross_entropy(x, labels, label_smoothing=0.1),
        "cross-entropy, weighted": lambda x: F.cross_entropy(x, labels, weight=w),
        "cross-entropy, weighted and smoothed": lambda x: F.cross_entropy(x, labels, weight=w, label_smoothing=0.1),
        "bce": lambda x: F.binary_cross_entropy_with_logits(x, targets),
        "bce, weighted": lambda x: F.binary_cross_entropy_with_logits(x, targets, weight=w, pos_weight=a),
        "reconstruction": lambda x: F.mse_loss(x, batch["image_targets"]),
        "entropy": lambda x: torch.distributions.Categorical(logits=x).entropy().mean(),
        "entropy of the sure": lambda x: sure(x, 0.5),
        "entropy, kept varied": lambda x: varied(x, 0.7),
        "distillation of a grown head": lambda x: distillation(x, 2.0),
        "distillation at another temperature": lambda x: distillation(x, 3.5),
    }
    stored = {f"batch/{name}": value for name, value in batch.items()}
    for name, loss_of in cases.items():
        x = batch["images" if name == "reconstruction" else "logits"].clone().requires_grad_()
        loss = loss_of(x)
        loss.backward()
        stored |= {f"{name}/loss": loss.detach(), f"{name}/gradient": x.grad}
    floats = {name: (value.float() if value.is_floating_point() else value).contiguous() for name, value in stored.items()}
    save_file(floats, FILE, metadata={"made by": f"torch {torch.__version__}"})


if __name__ == "__main__":
    main()
