#!/bin/sh
# Tests on aarch64, from a machine that is not one: cross-built, run under qemu.
#
#   ci/aarch64.sh                          the specification's tests
#   ci/aarch64.sh language                 those, and what else is about the language: threads, tail calls, exceptions,
#                                          references and the rest of the API, and whole programs of real compilers
#   ci/aarch64.sh -p epsilon-runtime       whatever else `cargo test` takes to choose its targets
#   ci/aarch64.sh --test traps             of these, some run themselves as children, which the system must be able to
#                                          do (binfmt), and those of fork fail under qemu 7.2
#   ci/aarch64.sh --test spec -- memory    what follows `--` goes to the tests
set -eu
cd "$(dirname "$0")/.."

. ci/aarch64.env
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static

# Tests that take more address space, or more mappings, than the emulator keeps track of in reasonable time.
too_much="--skip more_memories_than_are_kept --skip many_modules_and_host_functions"

if [ $# -eq 0 ]; then
    set -- --test spec
elif [ "$1" = language ]; then
    status=0
    ci/aarch64.sh --test spec --test threads --test case_results --test programs || status=1
    # shellcheck disable=SC2086 # several arguments
    ci/aarch64.sh --test api -- $too_much || status=1
    exit "$status"
fi

# Building takes minutes and running takes less, or the other way round: both are worth knowing.
report() {
    echo "aarch64: $1 in $(($(date +%s) - $2)) s"
}

started=$(date +%s)
cargo test --release --target "$target" --no-run "$@"
report built "$started"

started=$(date +%s)
status=0
cargo test --release --target "$target" "$@" || status=$?
[ "$status" -eq 0 ] && report passed "$started" || report failed "$started"
exit "$status"
