import { assertWanted, LichenError } from "../../runtime/errors.ts";
import { sha256 } from "../../runtime/package/package.ts";
import type { Disk } from "../disk/disk.ts";
import { moveDurably, storageFailed } from "../disk/durable.ts";
import type { OpenRandomAccess } from "../disk/random-access.ts";
import { type Backoff, backoffMs } from "../sync/backoff.ts";
import { download, type Net, type Outcome, type Wanted } from "./download.ts";
import { openPart, type Part } from "./part.ts";

/** All that fetching touches, for tests to take its place. */
export interface World {
  readonly disk: Disk;
  readonly open: OpenRandomAccess;
  readonly net: Net;
  /** Ends early when the signal goes off. */
  wait(ms: number, signal: AbortSignal | undefined): Promise<void>;
  /** In [0, 1). */
  random(): number;
}

export interface Watch {
  readonly progress?: ((bytes: number, of: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** In a row, and without coming further. */
const MOST_FAILURES = 5;
const BACKOFF: Backoff = { firstMs: 500, mostMs: 30_000 };

/**
 * Fetches a file from the first address that has it, and lets it count only when its sha256 is right; then it is on the medium, at
 * `path`. Until then it grows in `path.part`, where the next call goes on.
 * @throws FETCH_FAILED, WRONG_FILE (nothing is kept), CANCELLED and STORAGE_FAILED (the part is)
 */
export async function fetchFile(
  world: World,
  addresses: readonly string[],
  wanted: Wanted,
  path: string,
  watch: Watch,
): Promise<void> {
  const part = await openPart(world.disk, world.open, `${path}.part`);
  const failures = await fetchFromAny(world, addresses, wanted, part, watch).finally(() => part.close());
  if (failures.length < addresses.length) return keep(world.disk, part, path);
  throw new LichenError(failures.some(({ tag }) => tag === "wrong") ? "WRONG_FILE" : "FETCH_FAILED", {
    at: path,
    found: failures.map(({ reason }, n) => `${new URL(addresses[n]!).host}: ${reason}`).join("; "),
    wanted: `${wanted.bytes} bytes of sha256 ${wanted.sha256}`,
  });
}

type Failure = Exclude<Outcome, { tag: "whole" }>;

/** @returns why each address in turn has it not, up to the one that has */
async function fetchFromAny(
  world: World,
  addresses: readonly string[],
  wanted: Wanted,
  part: Part,
  watch: Watch,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const address of addresses) {
    const failure = await fetchFrom(world, address, wanted, part, watch);
    if (!failure) break;
    failures.push(failure);
  }
  return failures;
}

/** @returns why this address has it not, or nothing */
async function fetchFrom(
  world: World,
  address: string,
  wanted: Wanted,
  part: Part,
  { progress, signal }: Watch,
): Promise<Failure | undefined> {
  let furthest = 0;
  let failures = 0;
  let doubted = false;
  const advance = (bytes: number) => {
    // A connection that is cut all the time gets there too, as long as it comes further: by a hundredth, so that this ends.
    if (bytes >= furthest + wanted.bytes / 100) [furthest, failures] = [bytes, 0];
    progress?.(bytes, wanted.bytes);
  };
  for (;;) {
    const outcome = await download(world.net, address, wanted, part, { progress: advance, signal });
    if (outcome.tag === "whole") {
      const found = sha256(await part.read());
      if (found === wanted.sha256) return undefined;
      await part.begin(null);
      // What lay there before may have been torn by a power cut: that is not the server's fault.
      if (!outcome.resumed || doubted) return discarded(part, { tag: "wrong", reason: `a file of sha256 ${found}` });
      [doubted, furthest] = [true, 0];
    } else if (outcome.tag !== "cut") {
      return outcome.tag === "wrong" ? discarded(part, outcome) : outcome;
    } else {
      failures++;
      // A board without a network is told so at once; one that has just lost it waits a little.
      if (failures >= MOST_FAILURES || (outcome.offline && furthest === 0)) return outcome;
      await world.wait(backoffMs(failures, world.random(), BACKOFF), signal);
      assertWanted(signal, address);
    }
  }
}

/** A part of the wrong file is of no use to anybody. */
async function discarded(part: Part, failure: Failure): Promise<Failure> {
  await part.begin(null);
  return failure;
}

async function keep(disk: Disk, part: Part, path: string): Promise<void> {
  await disk.sync(part.path).catch((cause: unknown) => {
    throw storageFailed(part.path, cause);
  });
  await moveDurably(disk, part.path, path);
  await part.remove();
}
