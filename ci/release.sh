#!/usr/bin/env bash
# The specification's tests in a release build: optimised runtime code has to be as right as the other.
#
#   ci/release.sh                the specification's tests
#   ci/release.sh --workspace    whatever else `cargo test` takes to choose its targets
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    set -- --test spec
fi
cargo test --release "$@"
