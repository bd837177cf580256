import { mkdir, readdir, readFile, rename, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../../device/clock.ts";
import { type Disk, nodeDisk } from "../../../device/disk/disk.ts";
import { folderSource, restMs } from "../../../device/sources/folder.ts";
import type { Inference, Sink } from "../../../device/sources/source.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { silent, temporaryFolder } from "../fixtures.ts";

const inference: Inference = {
  label: "one",
  confidence: 0.9,
  probabilities: { one: 0.9 },
  adapter: null,
  milliseconds: 1,
};

function acceptingSink() {
  return {
    sample: vi.fn<Sink["sample"]>(async () => {}),
    infer: vi.fn<Sink["infer"]>(async () => inference),
  };
}

async function watching(sink: Sink, before = async (_: string) => {}, keepDone = 100, disk: Disk = nodeDisk) {
  const folder = join(await temporaryFolder(), "in box");
  await before(folder);
  const source = folderSource({
    name: "folder",
    folder,
    labels: ["one", "two"],
    stableMs: 20,
    keepDone,
    sweepMs: 30,
    disk,
    clock: systemClock,
    log: silent,
  });
  onTestFinished(() => source.stop());
  await source.start(sink);
  const put = async (place: string, bytes = "sound") => {
    // Written aside and renamed, as a careful sender does.
    await writeFile(join(folder, `.${place.replaceAll("/", "_")}`), bytes);
    await rename(join(folder, `.${place.replaceAll("/", "_")}`), join(folder, place));
  };
  const listed = async (name: string) => (await readdir(join(folder, name))).sort();
  const note = async (name: string) => JSON.parse(await readFile(join(folder, name), "utf8"));
  return { folder, source, put, listed, note };
}

test("class folders, an inbox and their ends are made at the start", async () => {
  const { folder } = await watching(acceptingSink());
  expect((await readdir(folder)).sort()).toEqual(["done", "inbox", "one", "rejected", "two"]);
});

test("a file in a class folder is a labelled sample, and leaves only after it was stored", async () => {
  const sink = acceptingSink();
  const board = await watching(sink);
  let stored = () => {};
  sink.sample.mockImplementation(() => new Promise((resolve) => (stored = resolve)));
  await board.put("one/x.wav");
  await vi.waitFor(() => expect(sink.sample).toHaveBeenCalled());
  expect(await board.listed("one")).toEqual(["x.wav"]);
  stored();
  await vi.waitFor(async () => expect(await board.listed("one")).toEqual([]));
  expect(sink.sample).toHaveBeenCalledWith(
    expect.objectContaining({ name: "x.wav", bytes: Buffer.from("sound") }),
    "one",
  );
  expect(board.source.counts()).toEqual({ accepted: 1, inferred: 0, rejected: 0 });
});

test("files that came while no daemon ran are taken at the start", async () => {
  const sink = acceptingSink();
  await watching(sink, async (folder) => {
    await mkdir(join(folder, "two"), { recursive: true });
    await writeFile(join(folder, "two", "x.wav"), "sound");
  });
  await vi.waitFor(() => expect(sink.sample).toHaveBeenCalledWith(expect.anything(), "two"));
});

test("a file in the inbox is inferred, and its result lies beside it", async () => {
  const board = await watching(acceptingSink());
  await board.put("inbox/x.wav");
  await vi.waitFor(async () => expect(await board.listed("done")).toEqual(["x.wav", "x.wav.json"]));
  expect(await board.note("done/x.wav.json")).toMatchObject({ file: "x.wav", label: "one", confidence: 0.9 });
});

test("two inferred files of one name are both kept, up to a bound", async () => {
  const sink = acceptingSink();
  const board = await watching(sink, undefined, 2);
  for (const round of [1, 2, 3]) {
    await board.put("inbox/x.wav");
    await vi.waitFor(() => expect(board.source.counts().inferred).toBe(round));
    await vi.waitFor(async () => expect(await board.listed("inbox")).toEqual([]));
  }
  await vi.waitFor(async () => expect(await board.listed("done")).toHaveLength(4));
});

test("a file that cannot be used moves to rejected, with the reason beside it", async () => {
  const sink = acceptingSink();
  sink.sample.mockRejectedValue(new LichenError("BAD_WAV", { found: "JPEG" }));
  const board = await watching(sink);
  await board.put("one/x.wav");
  await vi.waitFor(async () => expect(await board.listed("rejected")).toEqual(["x.wav", "x.wav.error.json"]));
  expect(await board.note("rejected/x.wav.error.json")).toMatchObject({ code: "BAD_WAV", from: "one" });
  expect(board.source.counts().rejected).toBe(1);
});

test("a file far too big for a sample is rejected without being read", async () => {
  const sink = acceptingSink();
  const board = await watching(sink);
  await writeFile(join(board.folder, ".big"), "");
  await truncate(join(board.folder, ".big"), 65 * 1024 * 1024);
  await rename(join(board.folder, ".big"), join(board.folder, "one", "big.wav"));
  await vi.waitFor(async () => expect(await board.listed("rejected")).toEqual(["big.wav", "big.wav.error.json"]));
  expect(sink.sample).not.toHaveBeenCalled();
});

test("a folder that is no class is refused by name, and so is a file in no folder", async () => {
  const sink = acceptingSink();
  const board = await watching(sink, (folder) => mkdir(join(folder, "thre"), { recursive: true }).then(() => {}));
  await board.put("thre/x.wav");
  await board.put("y.wav");
  await vi.waitFor(async () => expect(await board.listed("rejected")).toHaveLength(4));
  expect(await board.note("rejected/x.wav.error.json")).toMatchObject({
    code: "UNKNOWN_CLASS",
    message: expect.stringContaining("thre"),
  });
  expect(sink.sample).not.toHaveBeenCalled();
});

test("the going of a taken file is synced: come back after a power cut, it would undo a label given since", async () => {
  const steps: string[] = [];
  const disk: Disk = {
    ...nodeDisk,
    remove: (path) => nodeDisk.remove(path).then(() => void steps.push(`remove ${basename(path)}`)),
    sync: (path) => nodeDisk.sync(path).then(() => void steps.push(`sync ${basename(path)}`)),
  };
  const board = await watching(acceptingSink(), undefined, undefined, disk);
  await board.put("one/x.wav");
  await vi.waitFor(() => expect(steps).toEqual(["remove x.wav", "sync one"]));
});

test("when the disk takes nothing the file stays where it is, and is tried again", async () => {
  const sink = acceptingSink();
  sink.sample.mockRejectedValueOnce(new LichenError("STORAGE_FAILED"));
  const board = await watching(sink);
  await board.put("one/x.wav");
  await vi.waitFor(async () => expect(await board.listed("one")).toEqual([]));
  expect(sink.sample).toHaveBeenCalledTimes(2);
  expect(await board.listed("rejected")).toEqual([]);
});

test("a file written anew while the old one was being stored is not lost", async () => {
  const sink = acceptingSink();
  const board = await watching(sink);
  sink.sample.mockImplementationOnce(async (file) => {
    await writeFile(file.at, "another sound");
  });
  await board.put("one/x.wav");
  await vi.waitFor(async () => expect(await board.listed("one")).toEqual([]));
  expect(sink.sample.mock.calls.map(([file]) => Buffer.from(file.bytes).toString())).toEqual(
    expect.arrayContaining(["sound", "another sound"]),
  );
});

test.each([
  ["a few folders", 0.5, 5000],
  ["a thousand folders", 25, 25_000],
  ["a card that hangs", 4000, 60_000],
])("what is looked through slowly is looked through seldom: %s", (_, openedInMs, rest) => {
  expect(restMs(openedInMs, 5000)).toBe(rest);
});
