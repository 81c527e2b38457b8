#!/usr/bin/env bash
# Modules compiled ahead of time for aarch64 on another machine run there: cross-builds the command, compiles guests with
# the one of this machine, runs them with the other one under qemu, and compares what they print.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=ci/aarch64.env
. ci/aarch64.env

cargo build --release -p epsilon-cli
cargo build --release -p epsilon-cli --target "$target"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export EPSILON_CACHE_DIR=$folder/cache
head -c 32 /dev/urandom >"$folder/key"
here=target/release/epsilon
there=(qemu-aarch64-static "target/$target/release/epsilon")

# name of the case, guest, arguments
check() {
    local case=$1 guest=$2 started=$SECONDS
    shift 2
    "$here" compile --target "$target" --key "$folder/key" "tests/guests/prebuilt/$guest.wasm" -o "$folder/$guest.epsilon"
    "${there[@]}" run --key "$folder/key" --dir tests/guests::/data "$folder/$guest.epsilon" "$@" >"$folder/out"
    cmp "$folder/out" "tests/guests/expected/$case.stdout"
    echo "aarch64: $case is right, in $((SECONDS - started)) s"
}

check hello-rust hello-rust
check csv csv /data/csv/sales.csv
check quickjs quickjs

# Without the key, or here, they are refused by name.
refused() {
    local reason=$1
    shift
    if "$@" 2>"$folder/err"; then
        echo "not refused: $*" >&2
        exit 1
    fi
    grep -q "$reason" "$folder/err" || { cat "$folder/err" >&2; exit 1; }
    echo "aarch64: refused as it should be: $reason"
}
refused "its target is" "$here" run --key "$folder/key" "$folder/csv.epsilon"
refused "another key" "${there[@]}" run "$folder/csv.epsilon"
