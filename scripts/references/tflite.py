"""What the reference kernels of LiteRT make of small TFLite files, for tests/runtime/tflite/lower.

    pip install ai-edge-litert "numpy<2"
    python scripts/references/tflite.py FOLDER

Called by scripts/references/tflite.ts, which writes NAME.tflite and NAME.in (the input of all samples, one after another, little-endian
in the type of the model's input) into the folder; writes NAME.out beside them, of float32: real numbers, or codes as they are.
"""
import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType



def load(path):
    for resolver in (OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        try:
            interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
            interpreter.allocate_tensors()
            return interpreter
        except ValueError:  # a few operators have one kernel alone
            continue
    raise SystemExit(f"{path}: no kernels")


for path in sorted(pathlib.Path(sys.argv[1]).glob("*.tflite")):
    interpreter = load(path)
    (x,), (y,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for sample in np.fromfile(path.with_suffix(".in"), x["dtype"]).reshape(-1, *x["shape"]):
        interpreter.set_tensor(x["index"], sample)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(y["index"]).astype(np.float32))
    np.stack(outputs).tofile(path.with_suffix(".out"))
