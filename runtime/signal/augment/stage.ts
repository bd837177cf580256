import type { Random } from "../../random/random.ts";
import type { Disturbance } from "./disturbance.ts";
import type { AugmentPolicy } from "./policy.ts";

/** Parts of a policy that disturb the same kind of signal, in the order in which they do. */
export type Stage<Signal, Part extends keyof AugmentPolicy> = {
  readonly [P in Part]: Disturbance<Signal, NonNullable<AugmentPolicy[P]>>;
};

/** Applies every part of a stage that the policy has switched on. */
export function disturb<Signal, Part extends keyof AugmentPolicy>(
  stage: Stage<Signal, Part>,
  signal: Signal,
  policy: AugmentPolicy,
  random: Random,
): Signal {
  let disturbed = signal;
  for (const part of Object.keys(stage) as Part[]) {
    const options = policy[part];
    if (options) disturbed = stage[part](disturbed, options, random);
  }
  return disturbed;
}
