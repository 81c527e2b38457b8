#!/usr/bin/env bash
# Builds the programs of the benchmarks into `prebuilt/NAME.wasm`: all of them, or those named.
#
#   build.sh [NAME...]
#
# Needs what `tests/guests/build.sh` needs, and shares its rules: the same tools give the same bytes anywhere.

set -euo pipefail
guests_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../tests/guests/common.sh
. "$guests_dir/../../tests/guests/common.sh"
# shellcheck source=list.sh
. "$guests_dir/list.sh"

# rust_guest NAME
rust_guest() {
    local build_dir=$work_dir/cargo-benches feature=plain RUST_GUEST_FLAGS=
    case " ${SIMD_GUESTS[*]} " in
    *" $1 "*) feature=simd RUST_GUEST_FLAGS="-C target-feature=+simd128" ;;
    esac
    cargo_for_wasm wasm32-wasip1 "$guests_dir" "$build_dir-$feature" --features "$feature" --bin "$1"
    publish "$build_dir-$feature/wasm32-wasip1/release/$1.wasm" "$1"
}

need cargo "see https://rustup.rs"
need python3 "it locates sources"
mkdir -p "$work_dir"
[[ $# -gt 0 ]] || set -- "${RUST_GUESTS[@]}" "${C_GUESTS[@]}"
for name; do
    case " ${RUST_GUESTS[*]} " in
    *" $name "*) rust_guest "$name" ;;
    *) c_guest "$name" ;;
    esac
done
