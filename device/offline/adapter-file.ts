import { readFile } from "node:fs/promises";
import { type Adapter, decodeAdapter, LichenError } from "../../runtime/index.ts";

/** @throws BAD_ARGUMENT when there is no such file, ADAPTER_CORRUPT */
export async function readAdapter(file: string): Promise<Adapter> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new LichenError("BAD_ARGUMENT", {
      at: file,
      found: "no readable file",
      wanted: "an adapter (.safetensors)",
      cause,
    });
  });
  return decodeAdapter(bytes, file);
}
