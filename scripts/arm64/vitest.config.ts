import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Vitest, and the compiling of the tests, run on this machine's own Node. Only the processes that hold the tests, which are forked from
// here, are emulated: the same versions of Node understand each other.
process.execPath = fileURLToPath(new URL("bin/node", import.meta.url));

const MINUTE_MS = 60_000;

export default defineConfig({
  test: {
    name: "arm64",
    root: fileURLToPath(new URL("../..", import.meta.url)),
    pool: "forks",
    include: ["tests/**/*.test.ts"],
    // Time under emulation means nothing, but a test that hangs shall end.
    testTimeout: 5 * MINUTE_MS,
    hookTimeout: 5 * MINUTE_MS,
    teardownTimeout: MINUTE_MS,
  },
});
