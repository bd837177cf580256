/**
 * How Node is to run a daemon that mostly waits: a young generation of a megabyte instead of sixteen, which it would fill before it
 * tidies up, and small code rather than fast code. What has to be fast runs in ONNX Runtime.
 */
export const NODE_FLAGS = ["--max-semi-space-size=1", "--optimize-for-size"] as const;

/** Threads share heaps of the C library: with one for each, none gives back what it has. @see mallopt(3) */
export const ENVIRONMENT = { MALLOC_ARENA_MAX: "2" } as const;
