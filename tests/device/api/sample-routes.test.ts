import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Door } from "../../../device/api/door.ts";
import { createApi } from "../../../device/api/routes.ts";
import { importedSchema, labelledSchema, purgedSchema } from "../../../device/api/sample-schemas.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { openRandomAccess } from "../../../device/disk/random-access.ts";
import { createLabelling } from "../../../device/labels/labelling.ts";
import { createCurator } from "../../../device/samples/curator.ts";
import { createErase } from "../../../device/samples/erase.ts";
import { MAX_FILE_BYTES } from "../../../device/sources/source.ts";
import { testClock } from "../clock.ts";
import { silent, temporaryFolder } from "../fixtures.ts";
import { hashOf, opened, wav } from "../samples/stores.ts";
import { boardThat } from "./boards.ts";

async function served() {
  const directory = await temporaryFolder();
  const clock = testClock();
  const store = await opened(join(directory, "samples"), { clock });
  const labelling = createLabelling({
    ...{ store, clock, log: silent },
    rules: [],
    topic: "t",
    onLabelled: () => {},
    onJudged: () => {},
  });
  const curator = createCurator({
    ...{ store, labelling, clock, disk: nodeDisk, traces: [], spares: [] },
    erase: createErase(nodeDisk, openRandomAccess),
    whileIdle: (act) => act(),
    take: (sample) => store.add(sample),
    about: { device: "box", model: { id: "m", version: "1", sha256: "c".repeat(64) } },
  });
  const boards = new Map([["main", boardThat({ curator })]]);
  const post = (path: string, body: object, from: Door = "socket") =>
    createApi(boards, from).request(path, {
      method: "POST",
      body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body),
    });
  return { store, post };
}

test("labels are a person's on the socket, and HTTP's over the network", async () => {
  const { store, post } = await served();
  await store.add(wav("a", null));
  const answer = await post("/v1/labels", { label: "one", samples: { last: true } });
  expect(labelledSchema.parse(await answer.json()).samples).toEqual([
    { sha256: hashOf("a"), before: null, label: "one", outcome: "relabelled" },
  ]);
  expect(store.all()[0]?.origin).toBe("person");
  await post("/v1/labels", { label: "inbox", samples: { sha256: hashOf("a") } }, "http");
  expect(store.all()[0]).toMatchObject({ label: "inbox", origin: "http" });
});

test("an archive goes out of one board and into another", async () => {
  const [from, to] = [await served(), await served()];
  await from.store.add(wav("a", "one"));
  await from.store.add(wav("b", null));
  const archive = await from.post("/v1/samples/export", { labels: ["one"] });
  expect(archive.headers.get("content-type")).toBe("application/x-tar");
  const bytes = new Uint8Array(await archive.arrayBuffer());
  const answer = importedSchema.parse(await (await to.post("/v1/samples/import", bytes)).json());
  expect(answer).toMatchObject({ stored: 1, refused: [] });
  expect(await readFile(to.store.list()[0]!.path, "utf8")).toBe("a");
});

test("an archive may be longer than any other body", async () => {
  const { post } = await served();
  const zeros = new Uint8Array(MAX_FILE_BYTES + 1);
  expect((await post("/v1/labels", zeros)).status).toBe(413);
  const response = await post("/v1/samples/import", zeros);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: "BAD_ARCHIVE" });
});

test("a purge tells beforehand what it would erase", async () => {
  const { store, post } = await served();
  await store.add(wav("abc", "one"));
  await store.add(wav("de", null));
  const purge = async (body: object) => purgedSchema.parse(await (await post("/v1/samples/purge", body)).json());
  expect(await purge({ select: { labels: ["one"] }, dryRun: true })).toMatchObject({
    dryRun: true,
    erased: 1,
    bytes: 3,
  });
  expect(store.all()).toHaveLength(2);
  const purged = await purge({ select: { labels: ["one"] } });
  expect(purged).toMatchObject({ dryRun: false, erased: 1, bytes: 3 });
  expect(purged.remarks.join()).toContain("flash");
  expect(store.all().map(({ label }) => label)).toEqual([null]);
});

test.each([
  ["/v1/labels", {}, 400, "BAD_REQUEST"],
  ["/v1/labels", { label: "one", samples: {} }, 400, "BAD_REQUEST"],
  ["/v1/labels", { label: "one", samples: { last: true } }, 404, "NO_SUCH_SAMPLE"],
  ["/v1/samples/export", {}, 400, "BAD_REQUEST"],
  ["/v1/samples/purge", { select: {} }, 400, "BAD_REQUEST"],
  ["/v1/samples/purge", { select: { all: true, labels: ["one"] } }, 400, "BAD_REQUEST"],
  ["/v1/samples/purge", { select: { sha256s: ["0000"] } }, 404, "NO_SUCH_SAMPLE"],
])("%s with %j is refused with %i %s", async (path, body, status, code) => {
  const response = await (await served()).post(path, body);
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ code });
});
