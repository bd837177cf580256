import type { Config } from "../../config/schema.ts";
import type { BrokerAddress, NamedBroker } from "../../sync/broker.ts";
import { type BrokerFacts, type CertificateFacts, type Found, type Trouble, troubleOf } from "./facts.ts";

export interface BrokerUse extends BrokerAddress {
  readonly uses: readonly string[];
}

/** Every broker that a configuration names, once, with all that it is for. */
export function brokersOf(config: Config): BrokerUse[] {
  const { mqtt, results, stations } = config;
  const named: readonly (readonly [use: string, of: NamedBroker | undefined])[] = [
    ["fleet", mqtt],
    ["results", results],
    ...stations.flatMap(({ labels, sources }) => [
      ["labels", labels.mqtt] as const,
      ...sources.flatMap((source) => (source.kind === "mqtt" ? [[`source ${source.name}`, source] as const] : [])),
    ]),
  ];
  const brokers: BrokerUse[] = [];
  for (const [use, of] of named) {
    if (of === undefined) continue;
    // Whoever names no broker means the fleet's.
    const { broker, username, password } = of.broker === undefined ? { ...mqtt } : of;
    if (broker === undefined) continue;
    const same = brokers.findIndex((one) => one.broker === broker && one.username === username);
    if (same < 0) brokers.push({ broker, username, password, uses: [use] });
    else brokers[same] = { ...brokers[same]!, uses: [...brokers[same]!.uses, use] };
  }
  return brokers;
}

const PATIENCE_MS = 5000;

/** Knocks at a broker, under a name of its own, and takes leave. */
export async function tryBroker({ broker, username, password, uses }: BrokerUse, name: string): Promise<BrokerFacts> {
  const { withoutSecrets } = await import("../../sync/connection.ts");
  const began = performance.now();
  const [trouble, certificate] = await Promise.all([
    knock({ broker, username, password }, name),
    certificateOf(broker),
  ]);
  return { address: withoutSecrets(broker), uses, trouble, milliseconds: performance.now() - began, certificate };
}

async function knock(to: BrokerAddress, name: string): Promise<Trouble | null> {
  const { openConnection } = await import("../../sync/connection.ts");
  let last: Trouble | null = null;
  for (const version of [5, 4] as const) {
    const ending = await new Promise<"answers" | { kind: string; error: Error }>((resolve) => {
      // Nobody comes back to this session.
      const options = {
        ...{ ...to, version, clientId: name, timeoutMs: PATIENCE_MS, keepaliveSeconds: 30 },
        ...{ afresh: true, sessionSeconds: 0 },
      };
      const attempt = openConnection(options, {
        up: () => resolve(attempt.end().then(() => "answers" as const)),
        message: () => undefined,
        down: resolve,
      });
    });
    if (ending === "answers") return null;
    last = troubleOf(ending.error);
    if (ending.kind !== "version") break;
  }
  return last;
}

/** What a broker shows who asks for TLS, trusted or not; null: its address is of one without. */
async function certificateOf(broker: string): Promise<Found<CertificateFacts>> {
  const { protocol, hostname, port } = new URL(broker);
  if (protocol !== "mqtts:" && protocol !== "wss:") return null;
  const { connect } = await import("node:tls");
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    const socket = connect({
      ...{ host, port: Number(port || (protocol === "wss:" ? 443 : 8883)), rejectUnauthorized: false },
      ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
    });
    const give = (found: Found<CertificateFacts>) => {
      socket.destroy();
      resolve(found);
    };
    socket.setTimeout(PATIENCE_MS, () => give({ trouble: { code: "BROKER_UNREACHABLE", message: "no TLS in time" } }));
    socket.once("error", ({ message }) => give({ trouble: { code: "BROKER_UNREACHABLE", message } }));
    socket.once("secureConnect", () => {
      const { subject, valid_from, valid_to } = socket.getPeerCertificate();
      const value = {
        subject: String(subject?.CN ?? subject?.O ?? "no name"),
        validFromMs: Date.parse(valid_from),
        validToMs: Date.parse(valid_to),
        distrust: socket.authorized ? null : codeOf(socket.authorizationError),
      };
      give({ value });
    });
  });
}

/** Expiry has a finding of its own. Node's types say Error, its documentation and its code say the error's code. */
function codeOf(error: Error | string | undefined): string | null {
  const code = typeof error === "string" ? error : ((error as NodeJS.ErrnoException | undefined)?.code ?? "unknown");
  return code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID" ? null : code;
}
