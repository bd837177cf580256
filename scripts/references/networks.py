"""Reference gradients of whole networks from PyTorch for tests/runtime/gradients/networks.

    pip install torch==2.2.2 "numpy<2" safetensors onnx
    python scripts/references/networks.py

Writes NETWORK.safetensors there: inputs (x, labels), parameters and running statistics under PyTorch's names, logits, the loss and,
under d/NAME, the gradient of every parameter and of x. Computed in float64, stored as float32. The transformers go through
torch.onnx.export as well: what an exporter really writes is vit-opset17.onnx, windows-opset17.onnx and, with attention and
normalisation in single steps, vit-opset13.onnx.
"""
import pathlib
import zlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/runtime/gradients/networks"
CLASSES = 4


class InvertedResidual(nn.Module):
    """MobileNetV2's: expand, filter each channel by itself, project; the sum where shapes allow it."""

    def __init__(self, inside, hidden, outside, stride):
        super().__init__()
        self.adds = stride == 1 and inside == outside
        self.expand = nn.Conv2d(inside, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden)
        self.project = nn.Conv2d(hidden, outside, 1)

    def forward(self, x):
        y = self.project(F.relu6(self.depthwise(F.relu6(self.expand(x)))))
        return x + y if self.adds else y


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, 1)
        self.blocks = nn.Sequential(InvertedResidual(6, 12, 6, 1), InvertedResidual(6, 12, 8, 2))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.head(self.blocks(F.relu6(self.stem(x))).mean((2, 3)))


class BasicBlock(nn.Module):
    """ResNet's, with a strided shortcut where the shape changes."""

    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.layer1 = BasicBlock(6, 6, 1)
        self.layer2 = BasicBlock(6, 8, 2)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))


class Mobile(nn.Module):
    """A block of MobileNetV3 between its stem and its head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, 1)
        self.expand = nn.Conv2d(6, 12, 1)
        self.depthwise = nn.Conv2d(12, 12, 5, 1, 2, groups=12)
        self.excite = SqueezeExcite(12, 4)
        self.project = nn.Conv2d(12, 6, 1)
        self.last = nn.Conv2d(6, 10, 1)
        self.hidden = nn.Linear(10, 8)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = F.hardswish(self.stem(x))
        y = self.excite(F.hardswish(self.depthwise(F.hardswish(self.expand(x)))))
        x = F.hardswish(self.last(x + self.project(y)))
        return self.head(F.hardswish(self.hidden(x.mean((2, 3)))))


class EncoderDecoder(nn.Module):
    """Down by both kinds of pool, up by interpolation, by a transposed convolution and by shuffled channels, with skips between."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(3, 4, 3)
        self.down = nn.Conv2d(4, 6, 3, padding=1)
        self.bottom = nn.Conv2d(6, 8, 3, padding=1)
        self.middle = nn.Conv2d(8 + 6, 6, 3, padding=1)
        self.up = nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1)
        self.gate = nn.Conv2d(4 + 4, 8, 1)
        self.shuffle = nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(2, CLASSES)

    def forward(self, x):
        first = torch.tanh(self.enter(F.pad(x, [1, 1, 1, 1], mode="reflect")))
        second = F.elu(self.down(F.max_pool2d(first, 2)))
        bottom = F.leaky_relu(self.bottom(F.avg_pool2d(second, 3, 2, 1, count_include_pad=False)), 0.1)
        grown = F.interpolate(bottom, scale_factor=2, mode="bilinear", align_corners=False)
        middle = torch.sigmoid(self.middle(torch.cat([grown, second], 1)))
        last = F.glu(self.gate(torch.cat([self.up(middle), first], 1)), 1)
        fine = F.pixel_shuffle(self.shuffle(last), 2)[:, :, 1:-2, ::3]
        return self.head(F.adaptive_max_pool2d(fine, 1).flatten(1))


class Attention(nn.Module):
    def __init__(self, width, heads, fused):
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = (q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(n, tokens, width))


class Layer(nn.Module):
    def __init__(self, width, heads, fused):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, fused)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class VisionTransformer(nn.Module):
    def __init__(self, width=8, heads=2, depth=2, patch=4, patches=4, fused=True):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, patch, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, width))
        self.blocks = nn.Sequential(*(Layer(width, heads, fused) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class WindowTransformer(nn.Module):
    """Swin's shifted windows with a bias per relative place, between a convolution with group normalisation and a gated head.

    What it is here for are the nodes that it is exported as: windows multiply the batch, the shift is Slice and Concat, the bias a
    Gather of rows that are read many times.
    """

    def __init__(self, width=8, heads=2, window=2):
        super().__init__()
        self.width, self.heads, self.window = width, heads, window
        self.embed = nn.Conv2d(3, width, 3, 2, 1)
        self.norm = nn.GroupNorm(2, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.activation = nn.PReLU(width)
        self.gate = nn.Linear(width, 2 * width)
        self.head = nn.Linear(width, CLASSES)
        places = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        between = places[:, None] - places[None] + window - 1
        self.places = between[..., 0] * (2 * window - 1) + between[..., 1]

    def forward(self, x):
        y = self.norm(self.embed(x))
        y = self.activation(y + torch.roll(self.attended(torch.roll(y, (-1, -1), (2, 3))), (1, 1), (2, 3)))
        y = F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
        value, gate = self.gate(y.flatten(2).transpose(1, 2)).chunk(2, -1)
        tokens = value * torch.sigmoid(gate)
        return self.head(tokens.mean(1) + tokens.amax(1) + tokens.var(1))

    def attended(self, x):
        n, c, h, w = x.shape
        size = self.window
        windows = x.reshape(n, c, h // size, size, w // size, size).permute(0, 2, 4, 3, 5, 1).reshape(-1, size * size, c)
        q, k, v = self.qkv(windows).reshape(-1, size * size, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.bias_table[self.places.view(-1)].view(size * size, size * size, -1).permute(2, 0, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(0)).transpose(1, 2)
        return y.reshape(-1, h // size, w // size, size, size, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


NETWORKS = {
    "depthwise": (Depthwise, [3, 3, 13, 12]),
    "residual": (Residual, [3, 3, 24, 20]),
    "squeeze-excite": (Mobile, [3, 3, 12, 11]),
    "encoder-decoder": (EncoderDecoder, [3, 3, 8, 12]),
    "vit": (VisionTransformer, [3, 3, 8, 8]),
    "windows": (WindowTransformer, [3, 3, 8, 12]),
}


def filled(network, generator):
    """Numbers that reach every branch: ReLU6 and the hard activations clip some, and no statistic is trivial."""
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        numbers = torch.rand(value.shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_var"):
            numbers = numbers + 0.5
        elif value.dim() < 2 and name.endswith("weight"):
            numbers = numbers * 0.8 + 0.6
        elif value.dim() < 2 or name in ("cls_token", "pos_embed", "bias_table"):
            numbers = numbers * 2 - 1
        else:
            numbers = (numbers * 2 - 1) * 2 / value[0].numel() ** 0.5
        value.copy_(numbers.float())
    return network.double().eval()


def tensors_of(network, shape, generator):
    x = ((torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1) * 2).float().double().requires_grad_()
    labels = torch.arange(shape[0]) * 3 % CLASSES
    logits = network(x)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    named = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    named |= {f"d/{name}": value.grad for name, value in network.named_parameters()}
    assert all(value.grad.abs().max() > 1e-3 for value in network.parameters()), "a parameter that nothing depends on"
    return named | {"x": x.detach(), "d/x": x.grad, "labels": labels, "logits": logits.detach(), "loss": loss.detach()}


def export(name, network, shape, opset, fold=True):
    path = FOLDER / f"{name}-opset{opset}.onnx"
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(
        network.float(), torch.zeros(shape), path, opset_version=opset, do_constant_folding=fold,
        input_names=["image"], output_names=["logits"], dynamic_axes=axes)
    print(path.name, path.stat().st_size)


def main():
    for name, (make, shape) in NETWORKS.items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        network = make()
        with torch.no_grad():
            filled(network, generator)
        tensors = tensors_of(network, shape, generator)
        stored = {key: (value.float() if value.is_floating_point() else value).contiguous() for key, value in tensors.items()}
        path = FOLDER / f"{name}.safetensors"
        save_file(stored, path, metadata={"made by": f"torch {torch.__version__}"})
        print(path.name, path.stat().st_size, "loss", tensors["loss"].item())
        if name == "windows":
            # Folded, the table of its bias would be gone.
            export(name, network, shape, 17, fold=False)
        if name == "vit":
            export(name, network, shape, 17)
            stepwise = make(fused=False).eval()
            stepwise.load_state_dict(network.state_dict())
            export(name, stepwise, shape, 13)


if __name__ == "__main__":
    main()
