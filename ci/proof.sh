#!/usr/bin/env bash
# The checks of tests/proof in counts that fit ten minutes on two cores, from seeds that are always the same. Two run at
# a time; a finding is saved under tests/proof/regressions, and ends the run with an error when all are through.
#
#   ci/proof.sh          the counts below
#   ci/proof.sh 10       a tenth of them
#
# V8 judges where `node` is (or the program that NODE names), and binaryen is a source where `wasm-opt` is (or WASM_OPT);
# without them the run says what was left out.
set -euo pipefail
cd "$(dirname "$0")/.."

divisor=${1:-1}
# Epsilon's own crates optimised, with debug assertions and overflow checks: a build for debugging but for the level, so
# that all dependencies are those that `cargo test` has built.
export CARGO_PROFILE_DEV_OPT_LEVEL=2 CARGO_INCREMENTAL=0
cargo build -p epsilon-proof
proof=target/debug/epsilon-proof
# Where the operators that were executed are counted.
states=$(mktemp -d)
trap 'rm -rf "$states"' EXIT

checks() {
    local status=0 check name
    for check in "$@"; do
        name=${check%:*}
        # shellcheck disable=SC2086 # a check with its options
        "$proof" $name --seed 1 --count $(((${check#*:} + divisor - 1) / divisor)) --state "$states/${name// /-}" ||
            status=1
    done
    return "$status"
}

"$proof" programs
"$proof" regressions
started=$SECONDS
checks differential:10000 opcodes:780 'differential --source binaryen --seconds 60:300' cache:2000 &
first=$!
status=0
checks bytes:100000 proposals:6000 'proposals --source legacy:600' addresses:13328 mutate:1500 concurrency:20 || status=1
wait "$first" || status=1
if [ "$divisor" -eq 1 ]; then
    "$proof" coverage --at-least 100 "$states"/* || status=1
fi
echo "proof: checks took $((SECONDS - started)) s"
exit "$status"
