import type { DocumentedGraph, DocumentedValue } from "./document.ts";

export interface ReadmeFacts {
  model: string;
  sha256: string;
  method: string;
  trainableParameters: number;
  optimizer: string;
  /** Slots that it keeps of each parameter. */
  slots: readonly string[];
  loss: string;
  gradientNorm: number;
  graphs: readonly DocumentedGraph[];
}

/** One page for whoever opens the folder: what each graph is for, how to run them, and every input and output. */
export function readmeOf(facts: ReadmeFacts): string {
  const { model, sha256, method, trainableParameters, optimizer, slots, loss, gradientNorm, graphs } = facts;
  const hasPrefix = graphs.some(({ file }) => file === "prefix.onnx");
  return `# The training graphs of ${model}

Made by \`lichen derive\`: method \`${method}\`, ${trainableParameters} trainable parameters, of the model with sha256 \`${sha256}\`.
Standard ai.onnx operators only, of opset 21; Netron opens them. \`graphs.json\` says the same as this page, for programs.
Of ONNX Runtime take 1.29 or newer: up to 1.28 its QLinearConv can answer wrongly where the bias is computed, as it is here while biases learn,
and says nothing; up to 1.20 it has no kernel to compare bytes. \`deploy.onnx\` holds constants, and 1.20 runs it.

| file | purpose |
| --- | --- |
${graphs.map(({ file, purpose }) => `| \`${file}\` | ${purpose} |`).join("\n")}
| \`start.safetensors\` | The parameters that training starts from. |

## To train

1. ${hasPrefix ? "Run `prefix.onnx` on every sample, and stack what comes out: `cache:…` of the epoch graph, one row a sample." : "There is no prefix: the frontier is the model's input. `cache:…` of the epoch graph are the features themselves, one row a sample."}
2. Give \`start:…\` the values of \`start.safetensors\`${slots.length > 0 ? `, and zeros for what the optimizer keeps (${slots.map((slot) => `\`start:${slot}:…\``).join(", ")})` : ""}; \`steps_before\` is 0.
3. For each epoch, shuffle the samples into minibatches: a row of \`order\` for each step. With B samples in a minibatch, each of them has a
   share of 1 / B. A last, shorter one is filled up with any sample whose share is 0.
4. Run \`epoch.onnx\`. Each \`next:…\` is the next epoch's \`start:…\`; \`steps_before\` grows by the number of steps.
5. \`eval.onnx\` with the parameters tells how good they are, on frontier values of samples that did not train.

The loss is ${loss}, the optimizer ${optimizer}, and gradients are clipped to a norm of ${gradientNorm}: these are in the graph. Learning rates are inputs.

${graphs.map(section).join("\n\n")}
`;
}

const section = ({ file, inputs, outputs }: DocumentedGraph): string => `## ${file}

${table("input", inputs)}

${table("output", outputs)}`;

const table = (what: string, values: readonly DocumentedValue[]): string =>
  [
    `| ${what} | type and shape | meaning | unit |`,
    "| --- | --- | --- | --- |",
    ...values.map(
      ({ name, type, shape, meaning, unit }) =>
        `| \`${name}\` | ${type} [${shape.join(", ")}] | ${meaning} | ${unit} |`,
    ),
  ].join("\n");
