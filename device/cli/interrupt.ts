const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Work that Ctrl-C, or the SIGTERM of whoever supervises it, ends between two of its steps: it throws CANCELLED then. A second signal
 * ends the process at once.
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  on: NodeJS.EventEmitter = process,
): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    release();
    controller.abort();
  };
  const release = () => {
    for (const name of SIGNALS) on.off(name, stop);
  };
  for (const name of SIGNALS) on.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    release();
  }
}
