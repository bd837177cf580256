import { expect, test } from "vitest";
import { type Board, createApi } from "../../../device/api/routes.ts";
import type { Round } from "../../../device/rounds/record.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { boardThat } from "./boards.ts";

const round: Round = {
  id: 7,
  kind: "train",
  trigger: "request",
  startedAt: "",
  seconds: 1,
  samples: { train: 8, heldOut: 2 },
  adapter: null,
  metrics: null,
  outcome: { tag: "rejected", reason: "NO_GAIN", explanation: "no better" },
};

const api = (answers: Partial<Board>) =>
  createApi(new Map([["main", boardThat({ rounds: () => [round], ...answers })]]));

const lines = async (response: Response) =>
  (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("the body of infer is the file, and its name comes along", async () => {
  const app = api({
    infer: async ({ bytes, name }) => ({
      label: `${name}:${bytes.length}`,
      confidence: 1,
      probabilities: {},
      adapter: null,
      milliseconds: 0,
    }),
  });
  const response = await app.request("/v1/infer?name=a%20b.wav", { method: "POST", body: "12345" });
  expect(await response.json()).toMatchObject({ schema: "lichen/infer/1", label: "a b.wav:5" });
});

test.each([
  ["BAD_WAV", 400],
  ["ROUND_RUNNING", 409],
  ["TOO_FEW_SAMPLES", 409],
  ["STORAGE_FAILED", 503],
] as const)("%s is told by its code, with HTTP status %i", async (code, status) => {
  const refuse = async () => {
    throw new LichenError(code);
  };
  const app = api({ adapt: refuse, infer: refuse });
  for (const path of ["/v1/adapt", "/v1/infer"]) {
    const response = await app.request(path, { method: "POST", body: "a file" });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code, message: expect.stringContaining(code) });
  }
});

test("what nobody foresaw is INTERNAL, status 500", async () => {
  const response = await api({}).request("/v1/status");
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({ code: "INTERNAL", message: "not asked for" });
});

test("adapt streams its progress and ends with the round", async () => {
  const app = api({
    async adapt(onProgress) {
      onProgress({ phase: "train", done: 1, total: 2 });
      await new Promise((resolve) => setImmediate(resolve));
      onProgress({ phase: "train", done: 2, total: 2 });
      return round;
    },
  });
  const events = await lines(await app.request("/v1/adapt", { method: "POST" }));
  expect(events.map(({ tag }) => tag)).toEqual(["progress", "progress", "done"]);
  expect(events.at(-1).round).toEqual(round);
});

test("a failure after the first progress is the stream's last line", async () => {
  const app = api({
    async adapt(onProgress) {
      onProgress({ phase: "cache", done: 1, total: 2 });
      await new Promise((resolve) => setImmediate(resolve));
      throw new LichenError("STORAGE_FAILED");
    },
  });
  const events = await lines(await app.request("/v1/adapt", { method: "POST" }));
  expect(events.at(-1)).toMatchObject({ tag: "failed", error: { code: "STORAGE_FAILED" } });
});

test("a round is found by its id, and a path that is none of ours is a 404 with a code", async () => {
  expect(await (await api({}).request("/v1/rounds/7")).json()).toMatchObject({ round: { id: 7 } });
  for (const path of ["/v1/rounds/8", "/v2/status"]) {
    const response = await api({}).request(path);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: "BAD_REQUEST" });
  }
});

const kept = {
  ...{ bytes: 1, arrivedAt: "", source: null, origin: null, prediction: null, new: true },
  form: "raw" as const,
};

test("of several models the first answers, or the one that is named, or nobody", async () => {
  const named = (sha256: string) =>
    boardThat({
      samples: () => ({ schema: "lichen/samples/1", samples: [{ ...kept, sha256, label: "a" }], unlabelled: [] }),
    });
  const app = createApi(
    new Map([
      ["ears", named("1")],
      ["eyes", named("2")],
    ]),
  );
  const answer = async (path: string) => (await app.request(path)).json();
  expect(await answer("/v1/samples")).toMatchObject({ samples: [{ sha256: "1" }] });
  expect(await answer("/v1/samples?model=eyes")).toMatchObject({ samples: [{ sha256: "2" }] });
  expect((await app.request("/v1/samples?model=nose")).status).toBe(404);
  expect(await answer("/v1/samples?model=nose")).toMatchObject({ code: "NO_SUCH_MODEL" });
});
