import { LichenError } from "../../runtime/errors.ts";

/**
 * Every topic of the protocol, by channel. A topic is `lichen/v1/{fleet}/devices/{device}/{channel}`, and a block's goes on
 * with `/{blob}/{index}`: seven slashes, the most that AWS IoT allows.
 */
export const CHANNELS = {
  /** What a device is: also its Will. */
  state: { retained: true },
  /** The manifest of the adapter that a device offers. */
  adapter: { retained: true },
  /** What a device has inferred. */
  results: { retained: false },
  /** To a device: which blocks are wanted of it. */
  requests: { retained: false },
  /** To a device: why a request of its own is not met. */
  answers: { retained: false },
  /** To a device: a block that it asked for. */
  blocks: { retained: false },
} as const satisfies Record<string, { retained: boolean }>;

export type Channel = keyof typeof CHANNELS;

/** Where a message goes, or came from. For `requests`, `answers` and `blocks` the device is the one that is to read them. */
export type Address =
  | { readonly channel: Exclude<Channel, "blocks">; readonly fleet: string; readonly device: string }
  | {
      readonly channel: "blocks";
      readonly fleet: string;
      readonly device: string;
      readonly blob: string;
      readonly index: number;
    };

/** @throws BAD_NAME when a name could mean another topic. */
export function topicOf(address: Address): string {
  const stem = deviceStem(address.fleet, address.device);
  if (address.channel !== "blocks") return `${stem}/${address.channel}`;
  if (!BLOB.test(address.blob)) throw badName("blob", address.blob, "16 hexadecimal digits");
  if (!isIndex(address.index)) throw badName("block", String(address.index), "a block index");
  return `${stem}/blocks/${address.blob}/${address.index}`;
}

/** The inverse of `topicOf`; undefined for every topic that is none of ours. */
export function parseTopic(topic: string): Address | undefined {
  const [root, version, fleet, devices, device, channel, blob, index, ...rest] = topic.split("/");
  if (root !== ROOT || version !== VERSION || devices !== "devices" || rest.length > 0) return undefined;
  if (fleet === undefined || device === undefined || !NAME.test(fleet) || !NAME.test(device)) return undefined;
  if (channel === "blocks") {
    if (blob === undefined || index === undefined || !BLOB.test(blob) || !/^(0|[1-9][0-9]{0,6})$/.test(index)) {
      return undefined;
    }
    return { channel, fleet, device, blob, index: Number(index) };
  }
  if (blob !== undefined || channel === undefined || !isPlain(channel)) return undefined;
  return { channel, fleet, device };
}

/** What one device hears of its whole fleet. @throws BAD_NAME */
export const fleetFilter = (fleet: string, channel: "state" | "adapter" | "results"): string =>
  `${fleetStem(fleet)}/devices/+/${channel}`;

/** What is sent to one device. @throws BAD_NAME */
export const deviceFilter = (fleet: string, device: string, channel: "requests" | "answers" | "blocks"): string =>
  `${deviceStem(fleet, device)}/${channel}${channel === "blocks" ? "/+/+" : ""}`;

/** How a blob is named in topics: short, since the full hash is checked at the end anyway. */
export const blobName = (sha256: string): string => sha256.slice(0, 16);

export const isName = (name: string): boolean => NAME.test(name);

export const NAME_RULE = "letters, digits, '.', '_' and '-', at most 64";

const ROOT = "lichen";
const VERSION = "v1";
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const BLOB = /^[0-9a-f]{16}$/;

const isPlain = (name: string): name is Exclude<Channel, "blocks"> =>
  name !== "blocks" && Object.hasOwn(CHANNELS, name);
const isIndex = (index: number) => Number.isInteger(index) && index >= 0 && index < 10_000_000;

function fleetStem(fleet: string): string {
  if (!isName(fleet)) throw badName("fleet", fleet, NAME_RULE);
  return `${ROOT}/${VERSION}/${fleet}`;
}

function deviceStem(fleet: string, device: string): string {
  if (!isName(device)) throw badName("device", device, NAME_RULE);
  return `${fleetStem(fleet)}/devices/${device}`;
}

const badName = (at: string, found: string, wanted: string) =>
  new LichenError("BAD_NAME", { at, found: JSON.stringify(found.slice(0, 80)), wanted });
