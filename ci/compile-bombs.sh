#!/usr/bin/env bash
# Modules whose compilation could take time or memory far beyond their size, in a release build: each compiles within
# limits or is refused.
#
#   ci/compile-bombs.sh              eight of them
#   ci/compile-bombs.sh --all        all
#   ci/compile-bombs.sh br-table     those with this in their name
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --release --test compile_bombs -- "$@"
