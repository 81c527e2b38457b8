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

target=aarch64-unknown-linux-gnu

missing=
command -v aarch64-linux-gnu-gcc >/dev/null || missing="$missing gcc-aarch64-linux-gnu"
command -v qemu-aarch64-static >/dev/null || missing="$missing qemu-user-static"
if [ -n "$missing" ]; then
    echo "Missing Debian packages; install them with: apt-get install$missing" >&2
    exit 1
fi
# A toolchain that is not rustup's has its targets elsewhere, or lacks them in a way that cargo reports itself.
if command -v rustup >/dev/null && ! rustup target list --installed | grep -qx "$target"; then
    echo "Missing Rust target; install it with: rustup target add $target" >&2
    exit 1
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static
# By variables, not by arguments, so that children of a test find them too, where the system runs those by itself.
export QEMU_LD_PREFIX=/usr/aarch64-linux-gnu
# qemu keeps about 24 bytes for every page that was ever mapped, unmapped or not, and never gives out an address twice
# while there is a higher one: reserving memories of 4 GiB again and again takes all memory of the machine. In an
# address space of its own it must come back to used addresses.
export QEMU_RESERVED_VA=512G

# Tests that take more address space, or more mappings, than the emulator keeps track of in reasonable time.
too_much="--skip more_memories_than_are_kept --skip many_modules_and_host_functions"

if [ $# -eq 0 ]; then
    set -- --test spec
elif [ "$1" = language ]; then
    status=0
    "$0" --test spec --test threads --test heights --test programs || status=1
    # shellcheck disable=SC2086 # several arguments
    "$0" --test api -- $too_much || status=1
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
