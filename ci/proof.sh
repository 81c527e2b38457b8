#!/usr/bin/env bash
# The checks of tests/proof in counts that fit ten minutes on two cores, from seeds that are always the same. Two run at
# a time; a finding is saved under tests/proof/regressions, and ends the run with an error when all are through.
#
#   ci/proof.sh          the counts below
#   ci/proof.sh 10       a tenth of them
set -euo pipefail
cd "$(dirname "$0")/.."

divisor=${1:-1}
cargo build -p epsilon-proof
proof=target/debug/epsilon-proof

checks() {
    local status=0 check
    for check in "$@"; do
        "$proof" "${check%:*}" --seed 1 --count $(((${check#*:} + divisor - 1) / divisor)) || status=1
    done
    return "$status"
}

"$proof" regressions
checks differential:10000 opcodes:720 cache:2000 &
first=$!
status=0
checks bytes:100000 addresses:4606 mutate:1500 concurrency:20 || status=1
wait "$first" || status=1
exit "$status"
