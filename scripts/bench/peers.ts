import { prepareBase } from "../../runtime/derive/base.ts";
import { makePlan } from "../../runtime/plan/plan.ts";
import { NETWORKS, type Network } from "./networks/index.ts";
import { findTorch, type PeerResult, runPeer } from "./pytorch.ts";
import { markdownTable, median } from "./tables.ts";
import { BATCH, openInference, openTrainingSteps } from "./training-step.ts";
import { takeTurns } from "./turns.ts";

/** Each turn starts PyTorch anew, which takes longer than the steps themselves. */
const TURNS = 3;
const STEPS_A_TURN = 3;

/** What Lichen does, and what PyTorch does in its place. */
const PAIRS = [
  { name: "inference, float", lichen: "float", peer: "inference" },
  { name: "bias-only, whole depth, against training everything", lichen: "whole", peer: "full" },
  { name: "bias-only, whole depth", lichen: "whole", peer: "bias" },
  { name: "bias-only, last four blocks, against training everything", lichen: "last", peer: "full" },
  { name: "bias-only, last four blocks", lichen: "last", peer: "bias-last" },
  { name: "bias-only, last four blocks, both with a cached prefix", lichen: "last", peer: "bias-last-cached" },
] as const;

/** Steps of Lichen and of PyTorch, turn by turn. */
export async function benchPeers(threads: number): Promise<string> {
  const torch = await findTorch();
  if ("skipped" in torch) return torch.skipped;
  const rows: string[][] = [];
  for (const make of Object.values(NETWORKS)) rows.push(...(await compare(await make(), threads)));
  const table = markdownTable(["network", "step", "Lichen", "PyTorch", "times faster", "PyTorch's memory"], rows);
  return `PyTorch ${torch.version}, batches of ${BATCH}, medians; memory is what the process grew by.\n\n${table}`;
}

async function compare(network: Network, threads: number): Promise<string[][]> {
  const base = prepareBase(network.int8);
  const last = makePlan(base, "bias", { targets: network.lastBlocks });
  const peers = new Map<string, PeerResult[]>();
  const lichen = new Map<string, number[]>();
  for (let turn = 0; turn < TURNS; turn++) {
    for (const variant of new Set(PAIRS.map(({ peer }) => peer))) {
      const peer = await runPeer({ network: network.name, variant, threads, batch: BATCH, steps: STEPS_A_TURN });
      peers.set(variant, [...(peers.get(variant) ?? []), peer]);
    }
    const times = await takeTurns(
      [
        await openInference("float", network.float, threads),
        await openTrainingSteps("whole", makePlan(base, "bias"), threads, network.steps),
        await openTrainingSteps("last", last, threads, network.steps),
      ],
      STEPS_A_TURN,
    );
    for (const [name, ms] of times) lichen.set(name, [...(lichen.get(name) ?? []), ms]);
  }
  return PAIRS.map((pair) => {
    const ours = median(lichen.get(pair.lichen)!);
    const found = peers.get(pair.peer)!;
    const theirs = median(found.map(({ milliseconds }) => milliseconds));
    const grown = Math.max(...found.map(({ peakBytes, importedBytes }) => peakBytes - importedBytes));
    const ratio = (theirs / ours).toFixed(1);
    return [
      network.name,
      pair.name,
      milliseconds(ours),
      milliseconds(theirs),
      ratio,
      `${(grown / 2 ** 20).toFixed(0)} MiB`,
    ];
  });
}

const milliseconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`;
