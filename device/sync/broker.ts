import { LichenError } from "../../runtime/errors.ts";

/** Where a broker is, and as whom it knows this board. */
export interface BrokerAddress {
  readonly broker: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** What a part of the configuration says that may leave the broker to the fleet. */
export interface NamedBroker extends Omit<BrokerAddress, "broker"> {
  readonly broker?: string | undefined;
}

/**
 * The broker that a part of the configuration names, or else the fleet's.
 * @param at the key that would name it
 * @throws BAD_CONFIG where there is neither
 */
export function brokerOf(named: NamedBroker, fleets: BrokerAddress | undefined, at: string): BrokerAddress {
  const { broker, username, password } = named.broker === undefined ? { ...fleets } : named;
  if (broker !== undefined) return { broker, username, password };
  throw new LichenError("BAD_CONFIG", { at, found: "nothing", wanted: "an address, or mqtt.broker" });
}
