"""What LiteRT makes of real inputs: with its reference kernels, and with those that it chooses itself (XNNPACK where it can).

    pip install ai-edge-litert numpy
    python scripts/references/fidelity.py MODEL.tflite INPUTS

INPUTS holds the input of all samples, one after another, little-endian in the type of the model's input. Writes INPUTS.reference and
INPUTS.default beside it: the outputs as the model gives them. Called by scripts/bench/fidelity/litert.ts.
"""
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

model, inputs = sys.argv[1:]
for name, resolver in (("reference", OpResolverType.BUILTIN_REF), ("default", OpResolverType.AUTO)):
    interpreter = Interpreter(model, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    (x,), (y,) = interpreter.get_input_details(), interpreter.get_output_details()
    with open(f"{inputs}.{name}", "wb") as outputs:
        for sample in np.fromfile(inputs, x["dtype"]).reshape(-1, *x["shape"]):
            interpreter.set_tensor(x["index"], sample)
            interpreter.invoke()
            outputs.write(interpreter.get_tensor(y["index"]).tobytes())
