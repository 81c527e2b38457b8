#!/usr/bin/env bash
# The checks of tests/proof that are about code, on aarch64, from a machine that is not one: the worker is cross-built
# and runs under qemu, the supervisor here. A case takes some ten times as long as at home.
#
#   ci/proof-aarch64.sh          the whole opcode matrix, a part of the addresses, a few modules
#   ci/proof-aarch64.sh 10       a tenth of that
set -euo pipefail
cd "$(dirname "$0")/.."

divisor=${1:-1}
# shellcheck source=ci/aarch64.env
. ci/aarch64.env
export CARGO_PROFILE_RELEASE_DEBUG=0
cargo build --release --target "$target" -p epsilon-proof
# The supervisor only counts and waits: as ci/proof.sh builds it, or any other build of this machine.
CARGO_PROFILE_DEV_OPT_LEVEL=2 CARGO_INCREMENTAL=0 cargo build -p epsilon-proof
proof=target/debug/epsilon-proof
export EPSILON_PROOF_WORKER="qemu-aarch64-static target/$target/release/epsilon-proof"

status=0
for check in opcodes:780 addresses:1904 differential:200; do
    "$proof" "${check%:*}" --seed 1 --count $(((${check#*:} + divisor - 1) / divisor)) || status=1
done
exit "$status"
