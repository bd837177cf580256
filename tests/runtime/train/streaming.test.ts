import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openRowFile } from "../../../device/cache/row-file.ts";
import { float32, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { sha256 } from "../../../runtime/package/package.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import type { OpenRows } from "../../../runtime/train/rows.ts";
import type { Sample } from "../../../runtime/train/samples.ts";
import { noise, toyPackage, toySamples } from "../toy.ts";
import { toyRehearsal } from "./taught.ts";

const model = { ...toyPackage(), rehearsal: toyRehearsal() };
const plain = toySamples(40, 1);
const quick = { model, method: "bias+scale", epochs: 4, learningRate: 0.01, batch: 8 } as const;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lichen-rows-"));
});
afterEach(() => rm(folder, { recursive: true }));

const rowFiles: OpenRows = ({ name, rowBytes }) => openRowFile({ folder, name, rowBytes, maxBytes: 10_000_000 });

/** Samples as a folder of files has them: features are made when somebody asks, and counted. */
function lazily(samples: readonly { label: string; features: Tensor }[], options: { views?: boolean } = {}) {
  const made = { features: 0, views: 0, atOnce: 0, mostAtOnce: 0 };
  const lazy = samples.map(
    ({ label, features }, at): Sample => ({
      label,
      id: sha256(Uint8Array.of(at, at >> 8)),
      async features() {
        made.features++;
        made.mostAtOnce = Math.max(made.mostAtOnce, ++made.atOnce);
        await new Promise(setImmediate);
        made.atOnce--;
        return features;
      },
      ...(options.views && {
        views: async (randoms) =>
          randoms.map((random) => {
            made.views++;
            const by = noise(features.dims, random, 0.2).data;
            return float32(
              features.dims,
              Float32Array.from(features.data as Float32Array, (value, i) => value + by[i]!),
            );
          }),
      }),
    }),
  );
  return { samples: lazy, made };
}

describe("rows on disk", () => {
  it("are the rows in memory, to the bit; a second run makes none again", async () => {
    const inMemory = await adapt({ ...quick, ...lazily(plain) });
    const first = lazily(plain);
    const onDisk = await adapt({ ...quick, ...first, openRows: rowFiles });
    expect(onDisk.adapter.sha256).toBe(inMemory.adapter.sha256);
    expect(first.made).toMatchObject({ features: 40, mostAtOnce: 1 });
    const second = lazily(plain);
    const again = await adapt({ ...quick, ...second, openRows: rowFiles });
    expect(again.adapter.sha256).toBe(inMemory.adapter.sha256);
    expect(second.made.features).toBe(0);
    // Another learning rate trains on the same rows; another frontier does not.
    const other = lazily(plain);
    await adapt({ ...quick, ...other, openRows: rowFiles, learningRate: 0.02 });
    expect(other.made.features).toBe(0);
    await adapt({ ...quick, ...other, openRows: rowFiles, method: "head" });
    expect(other.made.features).toBe(40);
  });

  it.each(["before", "while"])("damaged %s they are read are made again", async (when) => {
    const wanted = await adapt({ ...quick, ...lazily(plain), openRows: rowFiles });
    const damage = async () => {
      const [name] = (await readdir(folder)).filter((file) => file.endsWith(".rows"));
      const file = await open(join(folder, name!), "r+");
      for (const at of [3, 500, 2000]) await file.write(Uint8Array.of(1, 2, 3, 4, 5), 0, 5, at);
      await file.close();
    };
    const { samples, made } = lazily(plain);
    if (when === "before") await damage();
    const openRows: OpenRows = async (store) => {
      const rows = await rowFiles(store);
      if (when === "while") await damage();
      return rows;
    };
    const found = await adapt({ ...quick, samples, openRows });
    expect(found.adapter.sha256).toBe(wanted.adapter.sha256);
    expect(made.features).toBeGreaterThan(0);
    expect(made.features).toBeLessThan(10);
  });

  it.each([8, 16, 30])("of which only %i fit into memory, they give the same bits", async (most) => {
    const whole = await adapt({ ...quick, ...lazily(plain) });
    let largest = 0;
    const openRows: OpenRows = async (store) => {
      const rows = await rowFiles(store);
      return {
        ...rows,
        get count() {
          return rows.count;
        },
        read: (wanted) => {
          largest = Math.max(largest, wanted.length);
          return rows.read(wanted);
        },
      };
    };
    const { rowBytes } = { rowBytes: 2 * 9 * 8 };
    const parts = await adapt({ ...quick, ...lazily(plain), openRows, cacheMemoryBytes: most * rowBytes });
    expect(parts.adapter.sha256).toBe(whole.adapter.sha256);
    expect(largest).toBeLessThanOrEqual(Math.max(most, 24));
  });
});

describe("augmented views", () => {
  it("are made once, cached beside their samples, and the same for the same seed", async () => {
    const first = lazily(plain, { views: true });
    const { adapter } = await adapt({ ...quick, ...first, views: 3, openRows: rowFiles });
    // Of the 32 that train; what judges is shown as it was recorded.
    expect(first.made).toMatchObject({ features: 40, views: 96 });
    const second = lazily(plain, { views: true });
    const again = await adapt({ ...quick, ...second, views: 3, openRows: rowFiles });
    expect(again.adapter.sha256).toBe(adapter.sha256);
    expect(second.made).toMatchObject({ features: 0, views: 0 });
    const other = await adapt({ ...quick, ...lazily(plain, { views: true }), views: 3, openRows: rowFiles, seed: 5 });
    expect(other.adapter.sha256).not.toBe(adapter.sha256);
  });

  it("change what is learnt, and are left out where samples have none", async () => {
    const without = await adapt({ ...quick, ...lazily(plain) });
    const none = await adapt({ ...quick, ...lazily(plain), views: 3 });
    expect([...none.adapter.tensors.values()]).toEqual([...without.adapter.tensors.values()]);
    const some = await adapt({ ...quick, ...lazily(plain, { views: true }), views: 3 });
    expect([...some.adapter.tensors.values()]).not.toEqual([...without.adapter.tensors.values()]);
  });
});
