#!/usr/bin/env bash
# Builds the guests' native counterparts, from the same sources: all of them, or
# those named. They produce the expected output and are the limit in benches.
#
#   native.sh [NAME...]
#
# The programs go to EPSILON_NATIVE_DIR (`target/native-guests` below the
# repository's root unless set). CC and CXX are the compilers of C and C++, `cc`
# and `c++` unless set. The programs are for the host's own processor; products and
# sums are not fused, which WebAssembly does not do either, so that floats come out
# the same.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root_dir"
native_dir=${EPSILON_NATIVE_DIR:-target/native-guests}

# rust_guest NAME
rust_guest() {
    RUSTFLAGS="-C target-cpu=native" cargo build --quiet --release \
        --manifest-path "$guests_dir/$1/Cargo.toml" --target-dir "$work_dir/cargo-native"
    install "$work_dir/cargo-native/release/$1" "$native_dir/$1"
}

need cargo "see https://rustup.rs"
need python3 "it locates sources and makes headers"
mkdir -p "$work_dir" "$native_dir"
[[ $# -gt 0 ]] || set -- "${RUST_GUESTS[@]}" "${C_GUESTS[@]}" "${CPP_GUESTS[@]}"
# among WORD LIST...: whether the word is one of the list.
among() { [[ " ${*:2} " == *" $1 "* ]]; }

for name; do
    if among "$name" "${RUST_GUESTS[@]}"; then
        rust_guest "$name"
    elif among "$name" "${C_GUESTS[@]}"; then
        native_c_guest "$name"
    elif among "$name" "${CPP_GUESTS[@]}"; then
        native_cpp_guest "$name"
    else
        fail "there is no native counterpart of '$name'"
    fi
    printf '%-12s %9d bytes\n' "$name" "$(wc -c <"$native_dir/$name")"
done
