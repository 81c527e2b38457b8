#!/usr/bin/env bash
# Faults of disks, processes and system calls, over the code cache and files compiled ahead of time, in a release build.
#
#   ci/faults.sh             what fits a minute
#   ci/faults.sh long        100,000 damaged entries, as many damaged files, 1,000 killed processes, and ten minutes of
#                            32 processes that share a cache: half an hour or so
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-short}" in
    short) export EPSILON_FAULTS=2000 EPSILON_KILLS=50 EPSILON_PROCESSES=8 EPSILON_SECONDS=8 ;;
    long) export EPSILON_FAULTS=100000 EPSILON_KILLS=1000 EPSILON_PROCESSES=32 EPSILON_SECONDS=600 ;;
    *) echo "usage: ci/faults.sh [short|long]" >&2; exit 2 ;;
esac
cargo test --release --test cache --test artifact --test faults -- --nocapture
