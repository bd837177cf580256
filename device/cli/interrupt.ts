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

const LEFT = [...SIGNALS, "SIGHUP"] as const;

/**
 * Work that goes on until somebody leaves it, by Ctrl-C or a signal: that is its way to end, and no failure.
 * @param work is given a pause, which says whether to go on
 */
export async function leftBySignal(
  work: (pause: (ms: number) => Promise<boolean>, leave: () => void) => Promise<void>,
  on: NodeJS.EventEmitter = process,
): Promise<void> {
  let isLeft = false;
  let wake = () => {};
  const leave = () => {
    isLeft = true;
    wake();
  };
  for (const name of LEFT) on.once(name, leave);
  try {
    await work(async (ms) => {
      if (!isLeft) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return !isLeft;
    }, leave);
  } finally {
    for (const name of LEFT) on.off(name, leave);
  }
}
