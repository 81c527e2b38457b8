#!/usr/bin/env bash
# The tests of the interface, of traps, of threads and of WASI in the other ways in which modules get their code: compiled
# eagerly, stored in a cache, and loaded from it. `cargo test` runs them lazily.
set -euo pipefail
cd "$(dirname "$0")/.."

export EPSILON_CACHE_DIR
EPSILON_CACHE_DIR=$(mktemp -d)
trap 'rm -rf "$EPSILON_CACHE_DIR"' EXIT
for mode in eager cached cached; do
    echo "mode: $mode"
    EPSILON_TEST_MODE=$mode cargo test -p epsilon-tests --test api --test traps --test threads --test wasi
done
entries=$(find "$EPSILON_CACHE_DIR" -name '*.code' | wc -l)
if [ "$entries" -lt 100 ]; then
    echo "only $entries modules were kept: the tests do not use the cache" >&2
    exit 1
fi
echo "modes: $entries modules came from the cache"
