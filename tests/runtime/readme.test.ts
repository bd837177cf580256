import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";
import * as runtime from "../../runtime/index.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const page = await readFile(path.join(ROOT, "runtime/README.md"), "utf8");
const example = /```ts\n(.*?)```/s.exec(page)![1]!;

it("the example of the README has no more than twenty-odd lines, and only types that are", async () => {
  expect(example.trim().split("\n").length).toBeLessThanOrEqual(24);
  const file = path.join(ROOT, "runtime/example.ts");
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    target: ts.ScriptTarget.ES2023,
    lib: ["lib.es2023.d.ts"],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ["node"],
    paths: { "lichen/runtime": [path.join(ROOT, "runtime/index.ts")] },
  };
  const host = ts.createCompilerHost(options);
  const { readFile: readSource, fileExists } = host;
  host.readFile = (name) => (name === file ? example : readSource(name));
  host.fileExists = (name) => name === file || fileExists(name);
  const program = ts.createProgram([file], options, host);
  const source = program.getSourceFile(file)!;
  const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"))).toEqual([]);
}, 60_000);

it("and runs as it stands, with recordings in the place of its dots", async () => {
  const folder = path.join(ROOT, "scripts/demo/recordings/board-a/train");
  const recordings = new Map<string, string>([["seven-1.wav", await firstIn(path.join(folder, "seven"))]]);
  const others: [file: string, label: string][] = [];
  for (const label of await readdir(folder))
    for (const name of await readdir(path.join(folder, label))) others.push([path.join(folder, label, name), label]);

  const dots = "/* …, ten or so of each class */";
  expect(example).toContain(dots);
  const filled = example
    .replace(dots, ", ...(await Promise.all(others.map(([file, label]) => sample(file, label))))")
    .replaceAll(/^import .*;$/gm, "");
  const { outputText } = ts.transpileModule(filled, {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  const written = new Map<string, Uint8Array>();
  const said: unknown[][] = [];
  const around = {
    ...runtime,
    loadModel: (at: string) => runtime.loadModel(path.join(ROOT, at)),
    readFile: (file: string) => readFile(recordings.get(file) ?? file),
    writeFile: async (file: string, bytes: Uint8Array) => void written.set(file, bytes),
    console: { log: (...words: unknown[]) => said.push(words), error: () => {} },
    others,
  };
  const run = new Function(...Object.keys(around), `return (async () => {${outputText}})();`);
  await run(...Object.values(around));
  expect([...written.keys()].sort()).toEqual(["adapter.safetensors", "deploy.onnx"]);
  expect(runtime.decodeAdapter(written.get("adapter.safetensors")!, "adapter").description.method).toBe("head+bias");
  const [[reason], [accuracy]] = said as [[string, number, number], [number]];
  expect(Object.keys(runtime.GATE_REASONS)).toContain(reason);
  expect(accuracy).toBeGreaterThan(0.5);
}, 60_000);

const firstIn = async (folder: string) => path.join(folder, (await readdir(folder)).sort()[0]!);
