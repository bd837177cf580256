import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { type Board, createApi } from "../../../device/api/routes.ts";
import { inferEachSchema, storedSchema } from "../../../device/api/schemas.ts";
import { fileNameOf } from "../../../device/sources/file-name.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { encodeWav } from "../../../runtime/signal/wav.ts";
import { boardThat } from "./boards.ts";

const WAV = encodeWav({ sampleRateHz: 8000, channels: [new Float32Array(10)] });
const JPEG = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 2, 0xff, 0xd9);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function api() {
  const sample = vi.fn<Board["sample"]>(async () => {});
  const infer = vi.fn<Board["infer"]>(async ({ name }) => ({
    label: name,
    confidence: 0.5,
    probabilities: { one: 0.5 },
    adapter: null,
    milliseconds: 3,
  }));
  const app = createApi(new Map([["main", boardThat({ sample, infer })]]), "http");
  return { app, sample, infer };
}

const form = (...files: readonly [name: string, bytes: Uint8Array][]) => {
  const data = new FormData();
  for (const [name, bytes] of files) data.append("file", new Blob([new Uint8Array(bytes)]), name);
  data.append("remark", "not a file");
  return data;
};

test("a body is one sample, named after what it holds", async () => {
  const { app, sample } = api();
  const response = await app.request("/v1/samples?label=one", { method: "POST", body: Buffer.from(JPEG) });
  expect(storedSchema.parse(await response.json()).results).toEqual([
    { file: "file.jpg", sha256: sha256(JPEG), label: "one" },
  ]);
  expect(sample).toHaveBeenCalledWith({ bytes: JPEG, name: "file.jpg", at: "file.jpg" }, "one");
});

test("several files of a form are stored one by one, and each is answered for", async () => {
  const { app, sample } = api();
  sample.mockResolvedValueOnce().mockRejectedValueOnce(new LichenError("BAD_WAV"));
  const body = form(["a.wav", WAV], ["b.wav", Uint8Array.of(1, 2)], ["../c.jpg", JPEG]);
  const response = await app.request("/v1/samples?label=two", { method: "POST", body });
  expect(response.status).toBe(207);
  expect(storedSchema.parse(await response.json()).results).toMatchObject([
    { file: "a.wav", sha256: sha256(WAV), label: "two" },
    { file: "b.wav", error: { code: "BAD_WAV" } },
    { file: "c.jpg", sha256: sha256(JPEG) },
  ]);
});

test("a form may be inferred too, and says from which door it came", async () => {
  const { app, infer } = api();
  const response = await app.request("/v1/infer", { method: "POST", body: form(["a.wav", WAV], ["b.wav", WAV]) });
  expect(response.status).toBe(200);
  expect(inferEachSchema.parse(await response.json()).results.map(({ file }) => file)).toEqual(["a.wav", "b.wav"]);
  expect(infer).toHaveBeenCalledWith(expect.objectContaining({ name: "a.wav" }), "http");
});

test("where every file failed, the first reason is the answer's", async () => {
  const { app, sample } = api();
  sample.mockRejectedValue(new LichenError("STORAGE_FAILED"));
  const response = await app.request("/v1/samples?label=one", { method: "POST", body: form(["a.wav", WAV]) });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "STORAGE_FAILED" });
});

test.each([
  ["no label", "/v1/samples", { body: "x" }],
  ["no body", "/v1/samples?label=one", {}],
  ["no body", "/v1/infer", {}],
  ["no file", "/v1/infer", { body: form() }],
  ["a damaged form", "/v1/infer", { body: "--x\r\n", headers: { "content-type": "multipart/form-data; boundary=x" } }],
] as const)("%s is a bad request", async (_, path, init) => {
  const response = await api().app.request(path, { method: "POST", ...init });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: "BAD_REQUEST" });
});

test("whatever comes, the answer is a result or a code of a bad request", async () => {
  const { app } = api();
  const boundary = "x";
  const part = (name: string, bytes: Uint8Array) =>
    Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\n`),
      bytes,
      Buffer.from(`\r\n`),
    ]);
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(fc.array(fc.tuple(fc.string(), fc.uint8Array({ maxLength: 20 })), { maxLength: 3 }), fc.nat(300))
      .map(([parts, cut]) =>
        Buffer.concat([...parts.map(([name, bytes]) => part(name, bytes)), Buffer.from("--x--\r\n")]).subarray(0, cut),
      ),
  );
  const types = fc.constantFrom("multipart/form-data; boundary=x", "multipart/form-data", "audio/wav", "text/plain");
  await fc.assert(
    fc.asyncProperty(bodies, types, fc.constantFrom("/v1/infer", "/v1/samples?label=one"), async (body, type, path) => {
      const response = await app.request(path, { method: "POST", body, headers: { "content-type": type } });
      expect([200, 400]).toContain(response.status);
      if (response.status === 400) expect(await response.json()).toMatchObject({ code: "BAD_REQUEST" });
    }),
    { numRuns: 200 },
  );
});

test("no name leads out of its folder, or upsets a terminal", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.string({ unit: "binary" }), (bytes, given) => {
      const name = fileNameOf(bytes, given);
      expect(name).toMatch(/^[^/\\\p{Cc}]+$/u);
      expect(["", ".", ".."]).not.toContain(name);
    }),
    { numRuns: 1000 },
  );
});

test("names are what is safe of those that were given; endings come from the bytes where there are none", () => {
  const webp = new TextEncoder().encode("RIFF....WEBPVP8 ");
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  expect(fileNameOf(WAV)).toBe("file.wav");
  expect(fileNameOf(webp)).toBe("file.webp");
  expect(fileNameOf(png, "cam-1")).toBe("cam-1.png");
  expect(fileNameOf(JPEG, "C:\\pictures\\x.jpg")).toBe("x.jpg");
  expect(fileNameOf(JPEG, "../../etc/pass\u0000\u001b[31mwd.jpg")).toBe("pass[31mwd.jpg");
  expect(fileNameOf(WAV, "x".repeat(500)).length).toBeLessThan(140);
});
