/**
 * Now; or what `SOURCE_DATE_EPOCH` says, in seconds, so that a run can be made again byte for byte.
 * @see https://reproducible-builds.org/specs/source-date-epoch/
 */
export function createdAt(env: NodeJS.ProcessEnv = process.env): string {
  const seconds = env.SOURCE_DATE_EPOCH;
  return (seconds !== undefined && /^\d+$/.test(seconds) ? new Date(Number(seconds) * 1000) : new Date()).toISOString();
}
