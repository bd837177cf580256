"""Networks as PyTorch's exporter writes them, with PyTorch's gradients, for tests/runtime/gradients/exported.test.ts.

    pip install torch==2.2.2 "numpy<2" onnx safetensors
    python scripts/references/exported.py

Writes tests/runtime/gradients/exported/NAME.onnx, with an open batch and nothing folded, so that shapes are computed in the graph, and
NAME.safetensors beside it: input x, output y, its gradient dy, and d_PARAMETER for each parameter that keeps its name.
Gradients are computed in float64. The weights are random: only the derivatives matter.
"""
import pathlib
import warnings
import zlib

import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/runtime/gradients/exported"


class Windows(nn.Module):
    """Attention within windows, then moved by half a window. Liu et al. 2021, arXiv:2103.14030"""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 2, 2)
        self.mixed, self.joined = nn.Linear(16, 48), nn.Linear(16, 16)
        self.head = nn.Linear(16, 5)

    def attention(self, x):
        batch, length, width = x.shape
        q, k, v = self.mixed(x).reshape(batch, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4).unbind(0)
        return self.joined(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, width))

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1)
        batch, rows, columns, width = x.shape
        windows = x.view(batch, rows // 4, 4, columns // 4, 4, width).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, width)
        whole = self.attention(windows).view(batch, rows // 4, columns // 4, 4, 4, width)
        whole = whole.permute(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, width)
        return self.head(F.elu(torch.roll(x + whole, (2, 2), (1, 2))).mean((1, 2)))


class Autoencoder(nn.Module):
    """Down and up again: both ways of growing a picture, and normalisation per instance and per group."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.InstanceNorm2d(8, affine=True), nn.LeakyReLU(0.1))
        self.middle = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.SiLU(), nn.AvgPool2d(2, 1, 1))
        self.up = nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1)
        self.slope = nn.PReLU(8)
        self.out = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x):
        down = self.down(x)
        middle = F.interpolate(self.middle(down)[:, :, :-1, 1:], scale_factor=2, mode="bilinear")
        grown = F.interpolate(self.slope(self.up(middle)), scale_factor=0.5, mode="nearest")
        return torch.tanh(self.out(F.interpolate(torch.cat([down, grown], 1), scale_factor=2, mode="nearest")))


NETWORKS = {"windows": Windows, "autoencoder": Autoencoder}


def main():
    warnings.filterwarnings("ignore")
    FOLDER.mkdir(exist_ok=True)
    for name, make in NETWORKS.items():
        torch.manual_seed(zlib.crc32(name.encode()))
        network = make().eval()
        for value in network.parameters():
            # The exporter merges parameters that are equal, such as scales of one.
            value.data += torch.randn(value.shape) * 0.1
        x = torch.randn(3, 3, 16, 16)
        torch.onnx.export(
            network, x, FOLDER / f"{name}.onnx", opset_version=17, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE, input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "N"}, "y": {0: "N"}},
        )
        kept = {constant.name for constant in onnx.load(FOLDER / f"{name}.onnx").graph.initializer}
        network.double()
        y = network(x.double())
        dy = torch.randn(y.shape)
        y.backward(dy.double())
        gradients = {f"d_{key}": value.grad for key, value in network.named_parameters() if key in kept}
        found = {"x": x, "y": y.detach(), "dy": dy} | gradients
        save_file({key: value.float().contiguous() for key, value in found.items()}, FOLDER / f"{name}.safetensors")
        print(name, len(gradients))


if __name__ == "__main__":
    main()
