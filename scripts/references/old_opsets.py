"""Models as exporters and quantizers write them, for tests/runtime/normalize.

    pip install torch==2.2.2 "numpy<2" onnx
    python scripts/references/old_opsets.py export
    pip install onnxruntime   # may live in another environment
    python scripts/references/old_opsets.py quantize

«export» writes the same small CNN by PyTorch in opsets 9, 11, 13 and 17, a transformer's MLP in 17, and a CNN that PyTorch quantized. «quantize» writes both by
ONNX Runtime's own quantizer: as QOperator and QDQ, with activations and weights of all types that it offers. Weights are random,
seeds fixed; nothing of it is anybody else's. It also writes both as ONNX Runtime's optimizer leaves them, with its own fused operators.
"""
import pathlib
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/runtime/normalize/fixtures"
IMAGE, TOKENS = (3, 12, 12), (6, 16)


def export():
    import torch
    from torch import nn

    class Cnn(nn.Module):
        """Everything old opsets wrote in another way: clipping, pads, slices, splits, means, resizing, softmax."""

        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
            self.pointwise = nn.Conv2d(8, 8, 1)
            self.side = nn.Conv2d(4, 4, 3)
            self.drop = nn.Dropout(0.2)
            self.head = nn.Linear(12, 5)

        def forward(self, x):
            x = nn.functional.relu6(self.norm(self.stem(x)))
            x = x + self.pointwise(nn.functional.hardtanh(self.depthwise(x), -2, 2))
            a, b = torch.split(x, 4, dim=1)
            b = self.side(nn.functional.pad(b, (1, 1, 1, 1)))
            b = nn.functional.interpolate(nn.functional.max_pool2d(b, 2), scale_factor=2, mode="nearest")
            x = torch.cat([a, b, a[:, :, :, 1:].mean(3, keepdim=True).expand(-1, -1, -1, 6)], dim=1)
            x = x.mean((2, 3)).unsqueeze(1).squeeze(1)
            return nn.functional.softmax(self.head(self.drop(x.view(x.size(0), -1))), dim=1)

    class Mlp(nn.Module):
        """[N, tokens, 16], a residual MLP behind a layer norm, and a mean over the tokens into a head."""

        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(16)
            self.up = nn.Linear(16, 32)
            self.down = nn.Linear(32, 16)
            self.head = nn.Linear(16, 4)

        def forward(self, x):
            x = x + self.down(nn.functional.gelu(self.up(self.norm(x))))
            return self.head(x.mean(1))

    torch.manual_seed(3)
    cnn, mlp = Cnn(), Mlp()
    with torch.no_grad():  # statistics of a trained network are not 0 and 1
        cnn.norm.running_mean.uniform_(-0.3, 0.3)
        cnn.norm.running_var.uniform_(0.5, 2)
    for network, name, shape, opsets in ((cnn, "cnn", IMAGE, (9, 11, 13, 17)), (mlp, "mlp", TOKENS, (17,))):
        for opset in opsets:
            torch.onnx.export(network.eval(), torch.randn(2, *shape), FOLDER / f"{name}-{opset}.onnx", opset_version=opset,
                              input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "N"}, "y": {0: "N"}})
    export_quantized(nn, torch)


def export_quantized(nn, torch):
    """A network that PyTorch itself has quantized, with its casts and constants that are computed."""
    from torch.ao import quantization

    class Quantized(nn.Module):
        def __init__(self):
            super().__init__()
            self.quantize, self.dequantize = quantization.QuantStub(), quantization.DeQuantStub()
            self.stem, self.relu = nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()
            self.depthwise, self.pointwise = nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Conv2d(8, 8, 1)
            self.sum, self.head = nn.quantized.FloatFunctional(), nn.Linear(8, 4)

        def forward(self, x):
            x = self.relu(self.stem(self.quantize(x)))
            x = self.sum.add(x, self.pointwise(self.depthwise(x)))
            return self.dequantize(self.head(x.mean((2, 3))))

    network = quantization.fuse_modules(Quantized().eval(), [["stem", "relu"]])
    network.qconfig = quantization.get_default_qconfig("fbgemm")
    quantization.prepare(network, inplace=True)
    for _ in range(4):
        network(torch.randn(4, *IMAGE))
    quantization.convert(network, inplace=True)
    torch.onnx.export(network, torch.randn(2, *IMAGE), FOLDER / "cnn-torch-int8.onnx", opset_version=13,
                      input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "N"}, "y": {0: "N"}})


def quantize():
    import numpy as np
    import onnxruntime as ort
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Noise(CalibrationDataReader):
        def __init__(self, shape):
            generator = np.random.default_rng(5)
            self.batches = iter([{"x": generator.standard_normal((4, *shape)).astype(np.float32)} for _ in range(4)])

        def get_next(self):
            return next(self.batches, None)

    # In 7 bits, weights give the same integers on every machine.
    u8, s8 = QuantType.QUInt8, QuantType.QInt8
    variants = {
        "qoperator-u8s8": (QuantFormat.QOperator, u8, s8, True, {}),
        "qoperator-u8u8": (QuantFormat.QOperator, u8, u8, False, {}),
        "qdq-s8s8": (QuantFormat.QDQ, s8, s8, True, {"ActivationSymmetric": True}),
        "qdq-u8u8": (QuantFormat.QDQ, u8, u8, False, {}),
    }
    for name in ("cnn", "mlp"):
        session = ort.SessionOptions()
        session.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        session.optimized_model_filepath = str(FOLDER / f"{name}-optimized.onnx")
        ort.InferenceSession(FOLDER / f"{name}-17.onnx", session, providers=["CPUExecutionProvider"])
    for name, shape in (("cnn-13", IMAGE), ("mlp-17", TOKENS)):
        with tempfile.TemporaryDirectory() as folder:
            prepared = pathlib.Path(folder) / "prepared.onnx"
            quant_pre_process(FOLDER / f"{name}.onnx", prepared, skip_symbolic_shape=True)
            for variant, (form, activations, weights, per_channel, options) in variants.items():
                quantize_static(prepared, FOLDER / f"{name[:3]}-{variant}.onnx", Noise(shape), quant_format=form, activation_type=activations,
                                weight_type=weights, per_channel=per_channel, reduce_range=True, extra_options=options)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    {"export": export, "quantize": quantize}[sys.argv[1]]()
