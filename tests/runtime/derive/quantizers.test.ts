import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "vitest";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { expectExact, FOLDING, MODULES } from "./exact.ts";

const folder = new URL("../normalize/fixtures/", import.meta.url);
const files = readdirSync(folder).filter((file) => /-(qdq|qoperator)-|int8/.test(file));

describe.each(files)("what is trained is what is served on %s", (file) => {
  const model = decodeModel(readFileSync(new URL(file, folder)), file);

  it.each([...FOLDING, ...MODULES])("%s", (method) => expectExact(model, method));
});
