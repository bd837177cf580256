#!/usr/bin/env bash
# Lichen on arm64, on an x64 machine: the arm64 Node, onnxruntime-node, sharp and libSQL that a board installs, under emulation. Needs Debian,
# `npm ci`, and the package registries the first time. What comes out is what a board computes; how long it takes means nothing.
#
#   run.sh node ARGUMENT...   Node
#   run.sh demo               the demo, its daemons and their training processes included
#   run.sh test [PATH...]     unit tests; by default those in which the processor could make a difference
#   run.sh compare [CPU...]   x64's answers and adapters beside those of cortex-a72, cortex-a76 and max
#
# LICHEN_ARM64_CPU is the processor of the first three: cortex-a76 unless it says otherwise.
set -euo pipefail
cd "$(dirname "$0")/../.."

# What the engine computes, what the native packages do, and a daemon's parts; see test-files.txt for what is left out and why.
default_tests() { grep -v '^#' scripts/arm64/test-files.txt; }

command=${1:-}
[ $# -gt 0 ] && shift
case $command in
  node | demo | test | compare) scripts/arm64/install.sh ;;
esac
case $command in
  node) exec scripts/arm64/bin/node "$@" ;;
  demo) LICHEN_DEMO_PATIENCE=20 exec scripts/arm64/bin/node dist/scripts/demo/index.js ;;
  test)
    [ $# -gt 0 ] || mapfile -t files < <(default_tests)
    exec npx vitest run --config scripts/arm64/vitest.config.ts "${@:-${files[@]}}"
    ;;
  compare) exec node dist/scripts/arm64/compare.js "$@" ;;
  *)
    sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2
    exit 2
    ;;
esac
