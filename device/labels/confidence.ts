import type { ConfidencePolicy } from "./config.ts";

/** The class that the model is sure of, if it is of any; without a policy it never is. @param probabilities by class */
export function believed(
  probabilities: Readonly<Record<string, number>>,
  policy: ConfidencePolicy | undefined,
): string | null {
  if (policy === undefined) return null;
  const [first, second] = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  if (first === undefined) return null;
  const [label, confidence] = first;
  return confidence >= policy.min && confidence - (second?.[1] ?? 0) >= policy.margin ? label : null;
}
