import type { Logger } from "pino";
import type { Manifest } from "../fleet/protocol/messages.ts";
import { errorCode, LichenError } from "../runtime/errors.ts";
import type { Adapters } from "./adapters/adapters.ts";
import type { Keeper } from "./adapters/keeper.ts";
import type { Shelf } from "./adapters/shelf.ts";
import type { Engine } from "./engine.ts";
import { type FleetLink, type LinkPorts, offerOf } from "./fleet-link.ts";
import type { Round } from "./rounds/record.ts";
import type { Rounds } from "./rounds/rounds.ts";

export interface ExchangeOptions {
  readonly device: string;
  readonly engine: Engine;
  readonly shelf: Shelf;
  readonly adapters: Adapters;
  readonly keeper: Keeper;
  readonly rounds: Rounds;
  readonly softwareVersion: string;
  /** A folder of the link's own. */
  readonly directory: string;
  /** Opens the way to the fleet; absent when none is configured: then the board keeps its adapters to itself. */
  readonly open: ((ports: LinkPorts) => FleetLink) | undefined;
  readonly log: Logger;
}

/** What a station gives its fleet and takes from it. */
export interface FleetExchange {
  readonly link: FleetLink | undefined;
  /** Says what serves, and agrees on what is offered. Never throws. */
  tell(): Promise<void>;
}

export function createFleetExchange(options: ExchangeOptions): FleetExchange {
  const { device, engine, shelf, adapters, keeper, rounds, log } = options;
  const { card, sha256 } = engine.model;
  const link = options.open?.({
    base: { id: card.id, version: card.version, sha256 },
    softwareVersion: options.softwareVersion,
    directory: options.directory,
    readAdapter: shelf.read,
    wants: (manifest) => isNews(manifest.sha256),
    receive,
  });

  /** What the fleet sent is judged here before it serves. @throws when it could not be judged, so that it is offered again */
  async function receive(bytes: Uint8Array, { sha256, publisher }: Manifest): Promise<void> {
    if (shelf.isRefused(sha256)) return;
    try {
      const round = await rounds.appraise(engine.decode(bytes, `adapter ${sha256} of ${publisher}`));
      if (round.outcome.tag === "failed") {
        throw new LichenError("ROUND_CRASHED", { at: `adapter ${sha256}`, found: round.outcome.message });
      }
      tellState();
    } catch (error) {
      const code = errorCode(error);
      if (code !== "ADAPTER_CORRUPT" && code !== "ADAPTER_WRONG_BASE") throw error;
      log.warn({ code, sha256, publisher }, `${error}`);
      await adapters.refuse(sha256, code);
    }
  }

  /** Whether an adapter has never been served or judged here. */
  function isNews(sha256: string): boolean {
    const { current, previous } = shelf.state();
    const judged = rounds.history().some(({ adapter, outcome }) => adapter === sha256 && isJudgement(outcome));
    return (
      !keeper.isPinned() &&
      !keeper.isBarred(sha256) &&
      sha256 !== current &&
      sha256 !== previous &&
      !judged &&
      !shelf.isRefused(sha256)
    );
  }

  /**
   * What was trained here and serves is what the fleet is offered, and what was rolled back is taken back: also when a power cut
   * came between the one and the other.
   */
  async function agreeOnOffer(): Promise<void> {
    const serving = adapters.serving().adapter();
    const adapter = serving === null ? undefined : adapters.known(serving);
    const offered = link?.status().offer?.sha256;
    if (adapter?.description.board === device) {
      if (offered !== serving) await link?.offer(offerOf(adapter));
    } else if (offered !== undefined && shelf.isRefused(offered)) {
      await link?.withdraw();
    }
  }

  const tellState = () => link?.publishState({ adapter: adapters.serving().adapter() });

  return {
    link,
    async tell() {
      tellState();
      await agreeOnOffer().catch((error) => log.error({ err: error }, "the fleet could not be told what is offered"));
    },
  };
}

/** What a person had pinned something against may be judged again once they have let go of it. */
const isJudgement = (outcome: Round["outcome"]): boolean =>
  outcome.tag !== "failed" && !(outcome.tag === "rejected" && outcome.reason === "PINNED");
