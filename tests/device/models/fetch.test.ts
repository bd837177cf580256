import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { openRandomAccess } from "../../../device/disk/random-access.ts";
import type { Wanted } from "../../../device/models/download.ts";
import { fetchFile, type Watch, type World } from "../../../device/models/fetch.ts";
import { sha256 } from "../../../runtime/package/package.ts";
import { testFiles } from "../cache/faults.ts";
import { atEveryStep, dyingDisk, temporaryFolder } from "../fixtures.ts";
import { type Answer, type Served, serve, startServer } from "./server.ts";

/** 300 kB that nothing can pack: they arrive in several pieces. */
const BYTES = Uint8Array.from({ length: 300_000 }, (_, n) => (n * n * 31 + (n >> 7)) & 255);
const OTHER = BYTES.map((byte) => byte ^ 1);
const WANTED: Wanted = { bytes: BYTES.length, sha256: sha256(BYTES) };
const VERSIONED = { etag: '"v1"' };

/** Does not wait, and is impatient. */
function world(changes: Partial<World> = {}): World & { waits: number[] } {
  const waits: number[] = [];
  return {
    disk: nodeDisk,
    open: openRandomAccess,
    net: { fetch: (address, init) => fetch(address, init), patienceMs: 300 },
    wait: async (ms) => void waits.push(ms),
    random: () => 0,
    ...changes,
    waits,
  };
}

interface Tried {
  path: string;
  folder: string;
  requests: { range: string | undefined; ifRange: string | undefined }[];
  waits: number[];
  error: unknown;
  again(answer: Answer, watch?: Watch): Promise<Tried>;
}

async function tried(answer: Answer, watch: Watch = {}, folder?: string): Promise<Tried> {
  const place = folder ?? (await temporaryFolder());
  const path = join(place, "model.tflite");
  // Under one name: a part belongs to an address.
  const server = await startServer(answer);
  const net: World["net"] = {
    patienceMs: 300,
    fetch: (address, init) => fetch(address.replace("http://models.test", server.address), init),
  };
  const { waits, ...rest } = world({ net });
  const error = await fetchFile(rest, ["http://models.test/x"], WANTED, path, watch).catch((caught: unknown) => caught);
  const requests = server.requests.map(({ headers }) => ({
    range: headers.range,
    ifRange: headers["if-range"] as string | undefined,
  }));
  return { path, folder: place, requests, waits, error, again: (next, w) => tried(next, w, place) };
}

const always =
  (served: Served): Answer =>
  (request, response) =>
    serve(request, response, served);

async function expectWhole({ error, path, folder }: Tried) {
  expect(error).toBeUndefined();
  expect(sha256(await readFile(path))).toBe(WANTED.sha256);
  expect(await readdir(folder)).toEqual(["model.tflite"]);
}

async function expectNothing({ folder }: Tried) {
  expect(await readdir(folder)).toEqual([]);
}

it("fetches a file, tells how far it has come, and leaves nothing else behind", async () => {
  const told: number[] = [];
  await expectWhole(await tried(always({ bytes: BYTES }), { progress: (bytes, of) => told.push(bytes / of) }));
  expect(told.at(-1)).toBe(1);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
});

describe("a connection that is cut", () => {
  it("is gone on with where it stopped, as long as the server has the same version", async () => {
    const got = await tried((request, response, n) =>
      serve(request, response, { bytes: BYTES, headers: VERSIONED, ...(n === 1 && { cutAfter: 100_000 }) }),
    );
    await expectWhole(got);
    expect(got.requests).toEqual([
      { range: undefined, ifRange: undefined },
      { range: "bytes=100000-", ifRange: '"v1"' },
    ]);
    expect(got.waits).toHaveLength(1);
  });

  it("begins anew where the file has changed on the server, and mixes nothing", async () => {
    const got = await tried((request, response, n) =>
      serve(
        request,
        response,
        n === 1 ? { bytes: OTHER, headers: { etag: '"v0"' }, cutAfter: 100_000 } : { bytes: BYTES, headers: VERSIONED },
      ),
    );
    await expectWhole(got);
    expect(got.requests[1]).toEqual({ range: "bytes=100000-", ifRange: '"v0"' });
  });

  it("begins anew where the server does not know ranges", async () => {
    const got = await tried((request, response, n) =>
      serve(request, response, { bytes: BYTES, headers: VERSIONED, ranges: false, ...(n < 3 && { cutAfter: 90_000 }) }),
    );
    await expectWhole(got);
    expect(got.requests).toHaveLength(3);
  });

  it("asks for no range where nothing tells versions apart", async () => {
    const got = await tried((request, response, n) =>
      serve(request, response, { bytes: BYTES, headers: { etag: 'W/"weak"' }, ...(n === 1 && { cutAfter: 90_000 }) }),
    );
    await expectWhole(got);
    expect(got.requests[1]).toEqual({ range: undefined, ifRange: undefined });
  });

  it("goes by the date of the last change where there is no ETag", async () => {
    const headers = { "last-modified": "Tue, 24 Nov 2026 09:00:00 GMT" };
    const got = await tried((request, response, n) =>
      serve(request, response, { bytes: BYTES, headers, ...(n === 1 && { cutAfter: 90_000 }) }),
    );
    await expectWhole(got);
    expect(got.requests[1]).toEqual({ range: "bytes=90000-", ifRange: headers["last-modified"] });
  });

  it("gets there however often it is cut, as long as it comes further", async () => {
    const got = await tried(always({ bytes: BYTES, headers: VERSIONED, cutAfter: 20_000 }));
    await expectWhole(got);
    expect(got.requests).toHaveLength(15);
  });

  it("gives up when it comes no further, waiting longer each time, and goes on at the next call", async () => {
    const got = await tried((request, response, n) =>
      serve(request, response, { bytes: BYTES, headers: VERSIONED, cutAfter: n === 1 ? 100_000 : 0 }),
    );
    expect(got.error).toMatchObject({
      code: "FETCH_FAILED",
      message: expect.stringContaining("the connection was cut"),
    });
    expect(got.waits).toEqual([250, 500, 1000, 2000]);
    expect((await stat(`${got.path}.part`)).size).toBe(100_000);
    const later = await got.again(always({ bytes: BYTES, headers: VERSIONED }));
    await expectWhole(later);
    expect(later.requests[0]).toEqual({ range: "bytes=100000-", ifRange: '"v1"' });
  });
});

it("takes silence for a cut", async () => {
  const got = await tried((request, response, n) =>
    serve(request, response, { bytes: BYTES, headers: VERSIONED, ...(n === 1 && { silentAfter: 50_000 }) }),
  );
  await expectWhole(got);
  expect(got.requests[1]?.range).toBe("bytes=50000-");
});

it("says so when a server never answers", async () => {
  const got = await tried(() => undefined);
  expect(got.error).toMatchObject({ code: "FETCH_FAILED", message: expect.stringContaining("nothing came for 0.3 s") });
  await expectNothing(got);
});

it.each([
  [404, 1],
  [403, 1],
  [500, 5],
  [429, 5],
])("HTTP %i is asked %i times", async (status, times) => {
  const got = await tried((_, response) => void response.writeHead(status).end("<html>no</html>"));
  expect(got.error).toMatchObject({ code: "FETCH_FAILED", message: expect.stringContaining(`HTTP ${status}`) });
  expect(got.requests).toHaveLength(times);
  await expectNothing(got);
});

it("tries the next address when one has not got it, and says of each why", async () => {
  const folder = await temporaryFolder();
  const without = await startServer((_, response) => void response.writeHead(404).end());
  const wrong = await startServer(always({ bytes: OTHER }));
  const right = await startServer(always({ bytes: BYTES }));
  const path = join(folder, "model.tflite");
  const two = [without.address, wrong.address];
  await expect(fetchFile(world(), two, WANTED, path, {})).rejects.toMatchObject({
    code: "WRONG_FILE",
    details: {
      found: `${without.address.slice(7)}: HTTP 404 Not Found; ${wrong.address.slice(7)}: a file of sha256 ${sha256(OTHER)}`,
    },
  });
  await fetchFile(world(), [...two, right.address], WANTED, path, {});
  expect(sha256(await readFile(path))).toBe(WANTED.sha256);
});

describe("what is not the file", () => {
  it("is told by its sum, and nothing of it is kept", async () => {
    const got = await tried(always({ bytes: OTHER, headers: VERSIONED }));
    expect(got.error).toMatchObject({ code: "WRONG_FILE", message: expect.stringContaining(sha256(OTHER)) });
    expect(got.requests).toHaveLength(1);
    await expectNothing(got);
  });

  it("is told by its stated size before any of it is taken", async () => {
    const told: number[] = [];
    const got = await tried(always({ bytes: new Uint8Array(400_000) }), { progress: (bytes) => told.push(bytes) });
    expect(got.error).toMatchObject({ code: "WRONG_FILE", message: expect.stringContaining("a file of 400000 bytes") });
    expect(told).toEqual([]);
    await expectNothing(got);
  });

  it("never fills the disk, however much a server sends that states no size", async () => {
    const told: number[] = [];
    const got = await tried(
      (_, response) => {
        response.writeHead(200);
        const pour = () => {
          while (response.write(BYTES));
          response.once("drain", pour);
        };
        pour();
      },
      { progress: (bytes) => told.push(bytes) },
    );
    expect(got.error).toMatchObject({ code: "WRONG_FILE", message: expect.stringContaining("more than 300000 bytes") });
    expect(Math.max(...told)).toBeLessThanOrEqual(BYTES.length);
    await expectNothing(got);
  });

  it("is told where it ends too early", async () => {
    const got = await tried((_, response) => void response.writeHead(200).end(BYTES.subarray(0, 1000)));
    expect(got.error).toMatchObject({ code: "WRONG_FILE", message: expect.stringContaining("a file of 1000 bytes") });
    await expectNothing(got);
  });

  it("is told where a server answers with another range than was asked for", async () => {
    const got = await tried((request, response, n) => {
      if (n !== 2)
        return serve(request, response, { bytes: BYTES, headers: VERSIONED, ...(n === 1 && { cutAfter: 5000 }) });
      response.writeHead(206, { "content-range": "bytes 0-9/300000" }).end(BYTES.subarray(0, 10));
    });
    await expectWhole(got);
    expect(got.requests[2]?.range).toBeUndefined();
  });

  it("what a power cut tore is not held against the server: it is fetched once more from the start", async () => {
    const first = await tried((request, response, n) =>
      serve(request, response, { bytes: BYTES, headers: VERSIONED, cutAfter: n === 1 ? 100_000 : 0 }),
    );
    await writeFile(`${first.path}.part`, new Uint8Array(100_000));
    const got = await first.again(always({ bytes: BYTES, headers: VERSIONED }));
    await expectWhole(got);
    expect(got.requests.map(({ range }) => range)).toEqual(["bytes=100000-", undefined]);
  });
});

describe("redirects", () => {
  it("are followed, ranges and all", async () => {
    const got = await tried((request, response, n) => {
      if (request.url === "/x") return void response.writeHead(302, { location: "/y" }).end();
      serve(request, response, { bytes: BYTES, headers: VERSIONED, ...(n === 2 && { cutAfter: 100_000 }) });
    });
    await expectWhole(got);
    expect(got.requests[3]?.range).toBe("bytes=100000-");
  });

  it("end when they go in circles", async () => {
    const got = await tried((_, response) => void response.writeHead(301, { location: "/x" }).end());
    expect(got.error).toMatchObject({
      code: "FETCH_FAILED",
      message: expect.stringContaining("more than 5 redirects"),
    });
    expect(got.requests).toHaveLength(6);
    await expectNothing(got);
  });

  it("never lead from https to http", async () => {
    const folder = await temporaryFolder();
    const answer = new Response(null, { status: 302, headers: { location: "http://elsewhere.test/x" } });
    const asked: string[] = [];
    const net: World["net"] = {
      patienceMs: 300,
      async fetch(address) {
        asked.push(address);
        return answer;
      },
    };
    const error = await fetchFile(world({ net }), ["https://a.test/x"], WANTED, join(folder, "x"), {}).catch((e) => e);
    expect(error).toMatchObject({ code: "FETCH_FAILED", message: expect.stringContaining("http://elsewhere.test") });
    expect(asked).toEqual(["https://a.test/x"]);
  });
});

it("does not wait for a network that is not there", async () => {
  const folder = await temporaryFolder();
  const cause = Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" });
  const net = { patienceMs: 300, fetch: () => Promise.reject(new TypeError("fetch failed", { cause })) };
  const offline = world({ net });
  await expect(fetchFile(offline, ["https://a.test/x"], WANTED, join(folder, "x"), {})).rejects.toMatchObject({
    code: "FETCH_FAILED",
    message: expect.stringContaining("is there a network?"),
  });
  expect(offline.waits).toEqual([]);
});

describe("Ctrl-C", () => {
  it("keeps what has come, and the next call goes on from there", async () => {
    const controller = new AbortController();
    const got = await tried(always({ bytes: BYTES, headers: VERSIONED, silentAfter: 100_000 }), {
      progress: (bytes) => bytes >= 100_000 && controller.abort(),
      signal: controller.signal,
    });
    expect(got.error).toMatchObject({ code: "CANCELLED" });
    expect((await stat(`${got.path}.part`)).size).toBe(100_000);
    const later = await got.again(always({ bytes: BYTES, headers: VERSIONED }));
    await expectWhole(later);
    expect(later.requests).toEqual([{ range: "bytes=100000-", ifRange: '"v1"' }]);
  });

  it("ends a wait between two attempts", async () => {
    const controller = new AbortController();
    const server = await startServer((_, response) => void response.writeHead(503).end());
    const waiting = world({ wait: async () => controller.abort() });
    const path = join(await temporaryFolder(), "x");
    const { signal } = controller;
    await expect(fetchFile(waiting, [server.address], WANTED, path, { signal })).rejects.toMatchObject({
      code: "CANCELLED",
    });
    expect(server.requests).toHaveLength(1);
  });
});

describe("a disk that fails", () => {
  it("is told at whatever write it fills up, and what was written is gone on with", async () => {
    const server = await startServer(always({ bytes: BYTES, headers: VERSIONED }));
    const folder = await temporaryFolder();
    const path = join(folder, "x");
    let failures = 0;
    for (let step = 1; ; step++) {
      const files = testFiles();
      const { disk, parts } = inMemory(files.contents);
      files.failAt(step, { leaves: 100, forGood: false });
      const get = () => fetchFile(world({ disk, open: files.open }), [server.address], WANTED, path, {});
      const error = await get().catch((caught: unknown) => caught);
      if (!files.failed()) break;
      failures++;
      expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("no space left") });
      expect(files.contents.has(path)).toBe(false);
      await get();
      expect(sha256(files.contents.get(path)!)).toBe(WANTED.sha256);
      expect(parts()).toEqual([]);
    }
    expect(failures).toBeGreaterThan(2);
  });

  it("leaves the whole file or none, whatever step the power goes at", async () => {
    const server = await startServer(always({ bytes: BYTES, headers: VERSIONED }));
    const steps = await atEveryStep(async (step) => {
      const path = join(await temporaryFolder(), "x");
      const { disk, died } = dyingDisk(nodeDisk, step);
      const error = await fetchFile(world({ disk }), [server.address], WANTED, path, {}).catch(
        (caught: unknown) => caught,
      );
      if (error !== undefined) expect(error).toMatchObject({ code: "STORAGE_FAILED" });
      const there = await readFile(path).catch(() => null);
      if (error === undefined || there) expect(sha256(there!)).toBe(WANTED.sha256);
      await fetchFile(world(), [server.address], WANTED, path, {});
      expect(sha256(await readFile(path))).toBe(WANTED.sha256);
      return died();
    });
    expect(steps).toBeGreaterThan(4);
  });
});

/** The disk's other calls, on the same files in memory. */
function inMemory(contents: Map<string, Uint8Array>) {
  const missing = (path: string) => Object.assign(new Error(`no ${path}`), { code: "ENOENT" });
  const at = (path: string) => {
    const bytes = contents.get(path);
    if (!bytes) throw missing(path);
    return bytes;
  };
  const disk: World["disk"] = {
    ...nodeDisk,
    read: async (path) => at(path),
    write: async (path, bytes) => void contents.set(path, bytes),
    sync: async () => undefined,
    rename: async (from, to) => {
      contents.set(to, at(from));
      contents.delete(from);
    },
    remove: async (path) => void contents.delete(path),
  };
  return { disk, parts: () => [...contents.keys()].filter((path) => path.includes(".part")) };
}
