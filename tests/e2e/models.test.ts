import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { board, compiled, WAIT } from "./board.ts";

const root = new URL("../../", import.meta.url);
const shared = join(process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../shared", root)), "models");
const IC = join(shared, "mlperf_ic_resnet8.int8.tflite");

it("lists what comes along and what can be fetched, and knows what is not there", async () => {
  const { lichen, folder } = await board();
  const cache = join(folder, "a cache");
  const listed = await lichen("models", "--cache", cache, "--json");
  expect(listed.code).toBe(0);
  const { schema, packages, catalogue } = JSON.parse(listed.stdout);
  expect(schema).toBe("lichen/models/1");
  expect(packages).toContainEqual(expect.objectContaining({ name: "spoken-digits" }));
  expect(catalogue.length).toBeGreaterThanOrEqual(10);
  for (const model of catalogue) expect(model).toMatchObject({ file: null, package: null });

  const plain = await lichen("models");
  expect(plain.stdout).toContain("yamnet-int8");
  for (const line of plain.stdout.split("\n").slice(0, -2)) expect(line.length).toBeLessThanOrEqual(80);

  const shown = await lichen("models", "show", "mlperf-tiny-kws-int8", "--cache", cache, "--json");
  expect(JSON.parse(shown.stdout)).toMatchObject({ schema: "lichen/models-show/1", here: { file: null } });
  expect((await lichen("models", "show", "mlperf-tiny-kws-int8")).stdout).toContain("aeea4368");

  const unknown = await lichen("models", "get", "yamet-int8");
  expect(unknown).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^UNKNOWN_MODEL.*yamnet-int8/) });
  expect((await lichen("models", "get")).code).toBe(2);
});

if (!existsSync(IC)) console.warn(`skipped: fetching with the command, for want of ${IC} (set LICHEN_SHARED)`);
describe.skipIf(!existsSync(IC))("lichen models get", () => {
  it("stops at Ctrl-C with what has come, goes on from there, and ends in a package to evaluate", async () => {
    const { lichen, folder } = await board();
    const cache = join(folder, "a cache");
    const bytes = await readFile(IC);
    const ranges: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      const { range } = request.headers;
      ranges.push(range);
      const from = Number(/\d+/.exec(range ?? "")?.[0] ?? 0);
      response.writeHead(range ? 206 : 200, {
        etag: '"1"',
        "content-length": bytes.length - from,
        ...(range && { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
      });
      // The first time it falls silent halfway.
      if (range) response.end(bytes.subarray(from));
      else response.write(bytes.subarray(0, 50_000));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const get = ["models", "get", "mlperf-tiny-ic-int8", "--cache", cache, "--mirror", mirror];

    const interrupted = spawn(process.execPath, [compiled("lichen.js"), ...get], { stdio: "pipe" });
    const part = join(cache, "mlperf-tiny-ic-int8", "pretrainedResnet_quant.tflite.part");
    await vi.waitFor(async () => expect((await stat(part)).size).toBe(50_000), WAIT);
    interrupted.kill("SIGINT");
    expect(await once(interrupted, "exit")).toEqual([130, null]);
    expect((await stat(part)).size).toBe(50_000);

    const got = await lichen(...get, "--json");
    expect(got.code, got.stderr).toBe(0);
    expect(ranges).toEqual([undefined, "bytes=50000-"]);
    const { package: made, from } = JSON.parse(got.stdout);
    expect(from).toBe("network");
    const inspected = JSON.parse((await lichen("inspect", made, "--json")).stdout);
    expect(inspected).toMatchObject({ card: { id: "mlperf-tiny-ic-int8", licence: "Apache-2.0" }, problems: [] });
    const { catalogue } = JSON.parse((await lichen("models", "--cache", cache, "--json")).stdout);
    const listed = catalogue.find(({ name }: { name: string }) => name === "mlperf-tiny-ic-int8");
    expect(listed).toMatchObject({ package: made, file: expect.stringContaining("pretrainedResnet_quant.tflite") });
  });

  it("takes a carried file on a board without a network", async () => {
    const { lichen, folder } = await board();
    const out = join(folder, "pack age");
    const carried = [
      "models",
      "get",
      "mlperf-tiny-ic-int8",
      "--cache",
      join(folder, "cache"),
      "--from",
      IC,
      "--out",
      out,
    ];
    const got = await lichen(...carried);
    expect(got.code, got.stderr).toBe(0);
    expect(got.stdout).toContain("the file that was brought");
    expect((await lichen(...carried)).stderr).toMatch(/^BAD_ARGUMENT/);
    expect((await lichen(...carried, "--force")).code).toBe(0);
  });
});
