/**
 * How Node is to run a daemon that mostly waits: a young generation of a megabyte instead of sixteen, which it would fill before it
 * tidies up; small code rather than fast code; and code that did nothing since the last collection goes, to be compiled again should it
 * be called, since most of a daemon's runs once, at its start. What has to be fast runs in ONNX Runtime.
 */
export const NODE_FLAGS = [
  "--max-semi-space-size=1",
  "--optimize-for-size",
  "--bytecode-old-age=1",
  "--flush-baseline-code",
] as const;

/**
 * Of the daemon and of its training process. Threads share one heap of the C library: with one for each, none gives back what it has.
 * What is large lies outside of it, and what is free at its end goes back: at 64 KiB, where the C library would raise both limits as it
 * goes. @see mallopt(3)
 */
export const ENVIRONMENT = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: "65536",
  MALLOC_MMAP_THRESHOLD_: "65536",
} as const;
