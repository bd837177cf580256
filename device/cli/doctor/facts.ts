import type { BoardAnswer, Status } from "../../api/schemas.ts";

/** An error, as far as it is shown. */
export interface Trouble {
  readonly code: string;
  readonly message: string;
}

/** Without its advice: what is to be done, doctor says itself. */
export function troubleOf(error: unknown): Trouble {
  const { message, code } = error as Error & { code?: string };
  return { code: code ?? "INTERNAL", message: message.replace(/\.? To do: .*$/s, "") };
}

/** A fact, or why it could not be had; null: it was not looked for, since there was nothing to look at. */
export type Found<T> = { readonly value: T } | { readonly trouble: Trouble } | null;

export const isValue = <T>(found: Found<T>): found is { readonly value: T } => found !== null && "value" in found;

/** All that `lichen doctor` looks at, of a daemon that runs, or of a file alone. */
export interface DoctorFacts {
  /** `named`: on the command line, for a daemon that need not run. */
  readonly config: { readonly file: string | null; readonly isNamed: boolean; readonly mistakes: readonly Trouble[] };
  readonly daemon: NonNullable<Found<Status>>;
  /** The daemon's own view, with the daemon's rights; without one, this command's. */
  readonly board: BoardAnswer;
  readonly disk: DiskFacts | null;
  /** Of each card or chip that is soldered on and tells its age. */
  readonly flash: readonly FlashFacts[];
  readonly brokers: readonly BrokerFacts[];
  readonly models: readonly ModelFacts[];
  /** A Raspberry Pi's firmware can be asked, by those who may. */
  readonly firmware: { readonly isThere: boolean; readonly answers: boolean };
  /** Memory that training wants to find free. */
  readonly wantedBytes: number | null;
  /** Whether training has its hours, which a clock that is wrong makes meaningless. */
  readonly hasHours: boolean;
}

export interface DiskFacts {
  readonly folder: string;
  readonly exists: boolean;
  readonly fileSystem: string | null;
  readonly isReadOnly: boolean;
  readonly freeInodes: number | null;
}

/** As eMMC tells: tenths of its life that are used up, and 1 normal, 2 warning, 3 urgent. @see JEDEC JESD84-B51, EXT_CSD 267 to 269 */
export interface FlashFacts {
  readonly name: string;
  readonly usedTenths: number | null;
  readonly endOfLife: number | null;
}

export interface BrokerFacts {
  /** Without name and password. */
  readonly address: string;
  /** What it is for, as `fleet`. */
  readonly uses: readonly string[];
  readonly trouble: Trouble | null;
  readonly milliseconds: number;
  /** Of an address with TLS. */
  readonly certificate: Found<CertificateFacts>;
}

export interface CertificateFacts {
  readonly subject: string;
  readonly validFromMs: number;
  readonly validToMs: number;
  /** Why it is not trusted, such as `SELF_SIGNED_CERT_IN_CHAIN`. */
  readonly distrust: string | null;
}

export interface ModelFacts {
  readonly name: string;
  readonly folder: string;
  readonly sha256: Found<string>;
  /** What the daemon has loaded; null: no daemon says. */
  readonly servedSha256: string | null;
  /** An inference: of the daemon's last ones the median, or one made here. */
  readonly inferenceMs: Found<number>;
}
