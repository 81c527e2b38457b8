#!/usr/bin/env bash
# The tests of the interface, of its misuse, of traps, of threads, of the compiler's cases and of WASI in the other ways
# in which modules get their code: compiled eagerly, in one pass, by one tier after the other while they run, stored in a
# cache, and loaded from it. `cargo test` runs them lazily.
# tests/programs.rs runs in all ways by itself, tests/spec.rs in all but the last two.
#
#   ci/modes.sh         what a change needs
#   ci/modes.sh long    with functions that Cranelift compiles lazily, too
set -euo pipefail
cd "$(dirname "$0")/.."

export EPSILON_CACHE_DIR
EPSILON_CACHE_DIR=$(mktemp -d)
stored=$(mktemp -d)
specification=$(mktemp -d)
trap 'rm -rf "$EPSILON_CACHE_DIR" "$stored" "$specification"' EXIT
# Where all is compiled at once, Cranelift compiles it: `optimised` differs by its lazy linking alone.
modes=(eager quick swap stored loaded)
[ "${1:-short}" = short ] || modes+=(optimised)
for mode in "${modes[@]}"; do
    echo "mode: $mode"
    # Thousands of traps of each kind keep no memory: that differs by the tier of the code, not by where it came from.
    short=(--skip keep_no_memory)
    [ $mode != quick ] || short=()
    EPSILON_TEST_MODE=$mode cargo test --test api --test misuse --test traps --test threads --test case_results --test wasi \
        -- "${short[@]}"
    # Other names for the same files: an entry that is written anew is another file.
    [ $mode != stored ] || ln "$EPSILON_CACHE_DIR"/*.code "$stored"
done

# What served as it was has not been written again.
entries=0 unchanged=0
for entry in "$stored"/*.code; do
    entries=$((entries + 1))
    [ ! "$entry" -ef "$EPSILON_CACHE_DIR/${entry##*/}" ] || unchanged=$((unchanged + 1))
done
echo "modes: $unchanged of $entries modules came from the cache as they had been stored"
if [ "$entries" -lt 400 ] || [ $((unchanged * 10)) -lt $((entries * 9)) ]; then
    echo "the tests do not use the cache as they should" >&2
    exit 1
fi

for mode in stored loaded; do
    echo "mode of the specification's tests: $mode"
    EPSILON_CACHE_DIR=$specification EPSILON_TEST_MODE=$mode cargo test --test spec -- lazy
done
entries=$(find "$specification" -name '*.code' | wc -l)
echo "modes: $entries modules of the specification's tests were kept"
if [ "$entries" -lt 4000 ]; then
    echo "the specification's tests do not use the cache" >&2
    exit 1
fi
