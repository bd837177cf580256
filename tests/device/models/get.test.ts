import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { defaultCache } from "../../../device/models/cache.ts";
import type { CatalogueCard } from "../../../device/models/card.ts";
import { type GetOptions, getModel } from "../../../device/models/get.ts";
import { nodeWorld } from "../../../device/models/world.ts";
import { LichenError, loadModel } from "../../../runtime/index.ts";
import { sha256 } from "../../../runtime/package/package.ts";
import { temporaryFolder } from "../fixtures.ts";
import { serve, startServer, type TestServer } from "./server.ts";

const own = fileURLToPath(new URL("../../../models/spoken-digits/", import.meta.url));
const BYTES = new Uint8Array(await readFile(join(own, "model.onnx")));
const { preprocessing, labels } = (await loadModel(own)).card;

interface Shop {
  server: TestServer;
  cache: string;
  card: CatalogueCard;
  get(options?: Partial<GetOptions>): ReturnType<typeof getModel>;
  refused(options?: Partial<GetOptions>): Promise<LichenError>;
}

/** A catalogue of one model, which a server has. */
async function shop(served: Uint8Array = BYTES, changes: Partial<CatalogueCard> = {}): Promise<Shop> {
  const folder = await temporaryFolder();
  const server = await startServer((request, response) => serve(request, response, { bytes: served }));
  const card: CatalogueCard = {
    format: 1,
    name: "digits",
    title: "Ten digits",
    task: "10 words",
    file: "digits-v1.onnx",
    bytes: BYTES.length,
    sha256: sha256(BYTES),
    sha256From: "this test",
    addresses: ["https://models.test/digits-v1.onnx"],
    licence: "Apache-2.0",
    source: "https://models.test/",
    input: { type: "float32", shape: [1, 40, 61] },
    preprocessing: preprocessing as CatalogueCard["preprocessing"],
    labels,
    metrics: [],
    notes: [],
    ...changes,
  };
  const catalogue = join(folder, "catalogue");
  await mkdir(catalogue);
  await writeFile(join(catalogue, "digits.json"), JSON.stringify(card));
  const world = {
    ...nodeWorld,
    wait: async () => undefined,
    net: {
      patienceMs: 1000,
      fetch: (address: string, init: RequestInit) =>
        fetch(address.replace("https://models.test", server.address), init),
    },
  };
  const cache = join(folder, "cache");
  const get: Shop["get"] = (options) => getModel({ name: "digits", cache, ...options }, {}, world, catalogue);
  const refused: Shop["refused"] = async (options) => {
    const error = await get(options).catch((caught: unknown) => caught);
    if (error instanceof LichenError) return error;
    throw new Error("nothing was refused");
  };
  return { server, cache, card, get, refused };
}

it("fetches, verifies, and makes a package that loads; asked again, it fetches nothing", async () => {
  const { get, server, cache, card } = await shop();
  const got = await get();
  expect(got).toMatchObject({
    schema: "lichen/models-get/1",
    from: "network",
    file: join(cache, "digits", "digits-v1.onnx"),
    package: join(cache, "digits", "package"),
    bytes: BYTES.length,
    sha256: card.sha256,
  });
  const made = await loadModel(got.package);
  expect(made.card).toMatchObject({
    id: "digits",
    description: "Ten digits",
    licence: "Apache-2.0",
    labels,
    preprocessing,
  });
  expect(await get()).toMatchObject({ from: "cache", package: got.package });
  expect(server.requests).toHaveLength(1);
});

it("takes a file of the cache for what it is, and fetches it again where it is not", async () => {
  const { get, server } = await shop();
  const { file } = await get();
  const damaged = new Uint8Array(BYTES);
  damaged[5000]! ^= 1;
  await writeFile(file, damaged);
  expect(await get()).toMatchObject({ from: "network" });
  expect(sha256(await readFile(file))).toBe(sha256(BYTES));
  expect(server.requests).toHaveLength(2);
});

it("takes over a file that was carried, and asks no network", async () => {
  const { get, server } = await shop();
  const got = await get({ from: join(own, "model.onnx") });
  expect(got.from).toBe("file");
  expect(sha256(await readFile(got.file))).toBe(sha256(BYTES));
  expect(server.requests).toEqual([]);
  expect((await loadModel(got.package)).card.id).toBe("digits");
});

it.each([
  ["of another size", BYTES.subarray(1), `${BYTES.length - 1} bytes`],
  ["of the same size", BYTES.map((byte) => byte ^ 1), "sha256 "],
])("refuses a carried file %s, and keeps nothing of it", async (_, bytes, found) => {
  const { refused, cache, card } = await shop();
  const file = join(await temporaryFolder(), "x.onnx");
  await writeFile(file, bytes);
  const error = await refused({ from: file });
  expect(error.code).toBe("WRONG_FILE");
  expect(error.details.found).toContain(found);
  expect(error.message).toContain(card.sha256);
  expect(error.message).toContain("fetch https://models.test/digits-v1.onnx");
  expect(await readdir(join(cache, "digits"))).toEqual([]);
});

it.each([["nowhere"], [own]])("refuses to take over %s", async (from) => {
  const { refused } = await shop();
  expect((await refused({ from })).code).toBe("BAD_ARGUMENT");
});

it("says in full what to do without a network", async () => {
  const { refused, card, server } = await shop();
  const dead = await refused({ mirror: "http://127.0.0.1:9" });
  expect(dead.code).toBe("FETCH_FAILED");
  for (const part of [
    card.sha256,
    `${card.bytes} bytes`,
    card.addresses[0]!,
    "lichen models get digits --from digits-v1.onnx",
  ])
    expect(dead.message).toContain(part);
  expect(server.requests).toEqual([]);
});

it("says so of a model that has no address, and takes a file all the same", async () => {
  const { refused, get, card } = await shop(BYTES, { addresses: [], noAddress: "it is gone" });
  const error = await refused();
  expect(error.code).toBe("FETCH_FAILED");
  for (const part of ["it is gone", card.sha256, "--from digits-v1.onnx"]) expect(error.message).toContain(part);
  expect(await get({ from: join(own, "model.onnx") })).toMatchObject({ from: "file" });
});

it("asks a mirror instead, below any path, and believes it no more than others", async () => {
  const { get, server } = await shop();
  expect(await get({ mirror: `${server.address}/models/tiny/` })).toMatchObject({ from: "network" });
  expect(server.requests[0]!.url).toBe("/models/tiny/digits-v1.onnx");
  const liar = await shop(BYTES.map((byte) => byte ^ 1));
  const error = await liar.refused({ mirror: liar.server.address });
  expect(error.code).toBe("WRONG_FILE");
  expect(await readdir(join(liar.cache, "digits"))).toEqual([]);
  expect((await liar.refused({ mirror: "ftp://models.test" })).code).toBe("BAD_ARGUMENT");
});

it("puts the package where it is told to, and replaces one there only when told to", async () => {
  const { get, refused, server } = await shop();
  const out = join(await temporaryFolder(), "of its own");
  expect((await get({ out })).package).toBe(out);
  expect((await loadModel(out)).card.id).toBe("digits");
  expect((await refused({ out })).code).toBe("BAD_ARGUMENT");
  await expect(get({ out, force: true })).resolves.toMatchObject({ package: out });
  expect(server.requests).toHaveLength(1);
});

it("looks for a place for the package before it fetches anything", async () => {
  const { refused, server } = await shop();
  const out = await temporaryFolder();
  await writeFile(join(out, "letter.txt"), "dear");
  expect((await refused({ out })).code).toBe("BAD_ARGUMENT");
  expect(server.requests).toEqual([]);
});

it("keeps the file where it cannot be imported, so that a newer Lichen need not fetch it again", async () => {
  const broken = BYTES.subarray(0, 20_000);
  const { refused, cache } = await shop(broken, { bytes: broken.length, sha256: sha256(broken) });
  expect((await refused()).code).toBe("MODEL_CORRUPT");
  expect((await stat(join(cache, "digits", "digits-v1.onnx"))).size).toBe(20_000);
  expect(await readdir(join(cache, "digits"))).toEqual(["digits-v1.onnx"]);
});

it("stops before the import when nobody wants it any more", async () => {
  const { card, cache } = await shop();
  const controller = new AbortController();
  const progress = (bytes: number) => bytes === card.bytes && controller.abort();
  const again = await shop();
  const catalogue = join(again.cache, "..", "catalogue");
  const net = { patienceMs: 1000, fetch: async () => new Response(BYTES) };
  const getting = getModel(
    { name: "digits", cache },
    { progress, signal: controller.signal },
    { ...nodeWorld, net },
    catalogue,
  );
  await expect(getting).rejects.toMatchObject({ code: "CANCELLED" });
  expect(await readdir(join(cache, "digits"))).not.toContain("package");
});

it.each([
  [{ XDG_CACHE_HOME: "/var/cache/me" }, "/var/cache/me/lichen/models"],
  [{ XDG_CACHE_HOME: "relative" }, join(homedir(), ".cache/lichen/models")],
  [{}, join(homedir(), ".cache/lichen/models")],
])("with %j models lie in %s", (env, folder) => expect(defaultCache(env)).toBe(folder));
