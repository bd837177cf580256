import { expect, test, vi } from "vitest";
import { nodeDisk } from "../../../device/disk/disk.ts";
import type { Verdict } from "../../../device/rounds/job-messages.ts";
import { historySchema } from "../../../device/rounds/record.ts";
import type { Sample } from "../../../device/samples/store.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { fakeAdapter } from "../adapters/fakes.ts";
import { atEveryStep, dyingDisk, temporaryFolder } from "../fixtures.ts";
import {
  CANDIDATE,
  ended,
  endless,
  INCUMBENT,
  opened,
  phase,
  request,
  sampleList,
  verdict,
  waitsFor,
} from "./board.ts";

test("an accepted adapter is installed, then told; its samples are no longer new", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true));
  const round = await request(board);
  expect(round).toMatchObject({
    id: 1,
    outcome: { tag: "accepted", reason: "GAIN" },
    samples: { train: 7, heldOut: 2 },
  });
  expect(board.keeper.install).toHaveBeenCalledWith(CANDIDATE, verdict(true).metrics.after);
  expect(board.onTrained).toHaveBeenCalledWith(CANDIDATE, round);
  expect(board.rounds.newSamples()).toEqual([]);
});

test("a rejected adapter is refused and not told; its samples have had their round", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(false));
  expect((await request(board)).outcome).toMatchObject({ tag: "rejected", reason: "NO_GAIN" });
  expect(board.keeper.refuse).toHaveBeenCalledWith(CANDIDATE.sha256, "NO_GAIN");
  expect(board.keeper.install).not.toHaveBeenCalled();
  expect(board.onTrained).not.toHaveBeenCalled();
  expect(board.rounds.newSamples()).toEqual([]);
});

test("a crash is a failed round: nothing installed, nothing refused, the samples still new", async () => {
  const board = await opened(await temporaryFolder(), async () => {
    throw new LichenError("ROUND_CRASHED", { found: "signal SIGKILL" });
  });
  expect((await request(board)).outcome).toMatchObject({ tag: "failed", code: "ROUND_CRASHED" });
  expect(board.keeper.install).not.toHaveBeenCalled();
  expect(board.keeper.refuse).not.toHaveBeenCalled();
  expect(board.rounds.newSamples()).toHaveLength(9);
});

test("a candidate file that is not what the training process spoke of is not served", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true, "f".repeat(64)));
  expect((await request(board)).outcome).toMatchObject({ tag: "failed", code: "ADAPTER_CORRUPT" });
  expect(board.keeper.install).not.toHaveBeenCalled();
});

test("new samples start a round by themselves once they have settled; a failure is tried again after the cool-down", async () => {
  let fails = true;
  const samples: Sample[] = [];
  const board = await opened(
    await temporaryFolder(),
    async () => {
      if (fails) throw new LichenError("ROUND_HUNG");
      return verdict(true);
    },
    { samples },
  );
  samples.push(...sampleList(10));
  board.rounds.sampleStored();
  await waitsFor(board, "SAMPLES_ARRIVING");
  board.clock.pass(1000);
  await ended(board);
  await waitsFor(board, "COOLING_DOWN");
  fails = false;
  board.clock.pass(60_000);
  await vi.waitFor(() => expect(board.onTrained).toHaveBeenCalledOnce());
});

test("a second request while a round runs is refused; without samples there is nothing to train", async () => {
  let finish = (_: Verdict) => {};
  const board = await opened(await temporaryFolder(), () => new Promise((resolve) => (finish = resolve)));
  const first = request(board);
  await expect(request(board)).rejects.toMatchObject({ code: "ROUND_RUNNING" });
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  finish(verdict(false));
  await first;
  board.samples.length = 0;
  await expect(request(board)).rejects.toMatchObject({ code: "TOO_FEW_SAMPLES" });
});

test("a stop ends the round that runs, and the next start makes up for it", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, () => new Promise(() => {}));
  const round = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  await board.rounds.stop();
  expect((await round).outcome).toMatchObject({ tag: "failed", code: "CANCELLED" });
  const next = await opened(folder, async () => verdict(true), { samples: sampleList(4) });
  await vi.waitFor(() => expect(next.onTrained).toHaveBeenCalledOnce());
});

test("a round cut off by a power cut is known after the restart, and made up for", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, () => new Promise(() => {}));
  void request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  const next = await opened(folder, async () => verdict(true));
  expect(next.rounds.history()).toMatchObject([{ id: 1, outcome: { tag: "failed", code: "ROUND_INTERRUPTED" } }]);
  await waitsFor(next, "COOLING_DOWN");
  next.clock.pass(60_000);
  await vi.waitFor(() => expect(next.onTrained).toHaveBeenCalledOnce());
});

test("an adapter of the fleet is judged by what ours was not trained on, then served or refused", async () => {
  let accepted = true;
  const foreign = fakeAdapter("theirs");
  const board = await opened(await temporaryFolder(), async (job) =>
    job.kind === "train" ? verdict(true) : verdict(accepted, foreign.sha256),
  );
  await request(board);
  expect((await board.rounds.appraise(foreign)).outcome.tag).toBe("accepted");
  expect(board.jobs.at(-1)).toMatchObject({ kind: "appraise", samples: { length: 2 } });
  expect(board.keeper.install).toHaveBeenLastCalledWith(foreign, verdict(true).metrics.after);
  accepted = false;
  expect((await board.rounds.appraise(foreign)).outcome.tag).toBe("rejected");
  expect(board.onTrained).toHaveBeenCalledOnce();
});

test("a round that builds upon an adapter taken out of service ends, and is nobody's failure", async () => {
  const board = await opened(await temporaryFolder(), endless, { incumbent: () => INCUMBENT });
  const round = request(board);
  await phase(board, "training");
  board.rounds.servingChanged();
  expect(board.process.end).not.toHaveBeenCalled();
  board.barred.add(INCUMBENT.sha256);
  board.rounds.servingChanged();
  expect((await round).outcome).toMatchObject({ tag: "failed", code: "ROUND_OVERTAKEN" });
  expect(board.rounds.facts()).toMatchObject({ failuresInARow: 0 });
});

test("a candidate that must not serve is not installed, whatever the gate says, and why is told", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true));
  board.keeper.objectionTo.mockReturnValue("SAME_AS_REFUSED");
  expect((await request(board)).outcome).toMatchObject({ tag: "rejected", reason: "SAME_AS_REFUSED" });
  expect(board.keeper.install).not.toHaveBeenCalled();
  expect(board.onTrained).not.toHaveBeenCalled();
});

test("whatever step of a round the power goes at, the rounds after it bring the adapter to serve", async () => {
  await atEveryStep(async (step) => {
    const folder = await temporaryFolder();
    const { disk, died } = dyingDisk(nodeDisk, step);
    await opened(folder, async () => verdict(true), { disk, shadow: { minInferences: 1, minFreeBytes: 2e9 } })
      .then((board) => Promise.race([request(board), new Promise((resolve) => setTimeout(resolve, 300))]))
      .catch(() => undefined);
    const next = await opened(folder, async () => verdict(true));
    expect(next.problems).toEqual([]);
    if (next.rounds.newSamples().length > 0) {
      await vi.waitFor(() => expect(next.rounds.facts().phase).toBe("none"));
      expect((await request(next)).outcome.tag).toBe("accepted");
    }
    expect(next.rounds.newSamples()).toEqual([]);
    expect(next.rounds.history().filter(({ outcome }) => outcome.tag === "running")).toEqual([]);
    return died();
  });
}, 120_000);

test("records of the version before are read", () => {
  const round = { id: 1, kind: "train", trigger: "samples", startedAt: "2026-11-01T00:00:00.000Z", seconds: 3 };
  const rest = { samples: { train: 8, heldOut: 2 }, adapter: null, metrics: null, outcome: { tag: "running" } };
  const history = { format: 1, nextId: 2, rounds: [{ ...round, ...rest }] };
  expect(historySchema.parse(history)).toEqual(history);
});
