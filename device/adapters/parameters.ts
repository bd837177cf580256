import { createHash } from "node:crypto";
import type { Adapter } from "../../runtime/index.ts";
import type { Candidate } from "./standing.ts";

/** An adapter as the keeper knows it again: its file also says when it was made, so the same numbers may come in another file. */
export const candidateOf = (adapter: Adapter): Candidate => ({
  sha256: adapter.sha256,
  parameters: parametersOf(adapter),
  parents: adapter.description.lineage.parents,
});

/** sha256 over names, shapes and numbers; of the file where an adapter has none. */
function parametersOf({ tensors, sha256 }: Adapter): string {
  if (tensors.size === 0) return sha256;
  const hash = createHash("sha256");
  for (const name of [...tensors.keys()].sort()) {
    const { type, dims, data } = tensors.get(name)!;
    hash.update(`${name} ${type}[${dims}]\n`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}
