import { readFileSync, writeFileSync } from "node:fs";
import { encodeSafetensors } from "../../runtime/adapter/safetensors.ts";
import { type Tensor, tensorFromBytes } from "../../runtime/onnx/tensor.ts";
import { createPreprocessor } from "../../runtime/signal/index.ts";
import {
  drawnInput,
  REFERENCE_SAMPLES,
  REFERENCES,
  type ReferenceModel,
} from "../../tests/runtime/tflite/references/inputs.ts";
import { encodeInput, endsOf } from "../bench/fidelity/codes.ts";
import { askLitert } from "../bench/fidelity/litert.ts";
import { FIELD_MODELS, modelPath, preprocessingOf, realFiles } from "../bench/fidelity/models.ts";
import { spokenDigitsFolder } from "../datasets/shared.ts";

// Stores what LiteRT answers, for tests/runtime/tflite/fidelity.test.ts; LICHEN_LITERT names a Python with ai_edge_litert:
//     tsc --build && node dist/scripts/references/fidelity.js

const stored = new Map<string, Tensor>();
for (const name of Object.keys(REFERENCES) as ReferenceModel[]) {
  const { input, output } = endsOf(readFileSync(modelPath(name)), name);
  const recipe = REFERENCES[name];
  const inputs: Uint8Array[] = [];
  for (let sample = 0; sample < REFERENCE_SAMPLES; sample++) {
    if (recipe.kind !== "stored") inputs.push(drawnInput(recipe, sample, spokenDigitsFolder()));
  }
  if (recipe.kind === "stored") {
    const preprocessing = preprocessingOf(FIELD_MODELS.find(([file]) => file === name)![1]);
    const preprocessor = createPreprocessor(preprocessing);
    for (const file of realFiles(preprocessing, REFERENCE_SAMPLES)) {
      inputs.push(encodeInput(await preprocessor.features(readFileSync(file), file), input));
    }
    stored.set(`${name}.input`, tensorFromBytes(input.type, [inputs.length, input.elements], Buffer.concat(inputs)));
  }
  const answers = askLitert(modelPath(name), Buffer.concat(inputs)).default;
  stored.set(name, tensorFromBytes(output.type, [inputs.length, output.elements], answers));
}
writeFileSync("tests/runtime/tflite/references/litert.safetensors", encodeSafetensors(stored, {}));
