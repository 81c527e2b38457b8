#!/usr/bin/env bash
# Builds the native counterparts of the benchmarks' programs: all of them, or those named.
#
#   native.sh [NAME...]
#
# They go where those of `tests/guests/native.sh` go, with the same compilers and flags; so do their rules.

set -euo pipefail
guests_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../tests/guests/common.sh
. "$guests_dir/../../tests/guests/common.sh"
# shellcheck source=list.sh
. "$guests_dir/list.sh"

cd "$root_dir"
native_dir=${EPSILON_NATIVE_DIR:-target/native-guests}
need cargo "see https://rustup.rs"
need python3 "it locates sources"
mkdir -p "$work_dir" "$native_dir"
[[ $# -gt 0 ]] || set -- "${RUST_GUESTS[@]}" "${C_GUESTS[@]}"
for name; do
    case " ${RUST_GUESTS[*]} " in
    *" $name "*)
        RUSTFLAGS="-C target-cpu=native" cargo build --quiet --release --features plain,simd --bin "$name" \
            --manifest-path "$guests_dir/Cargo.toml" --target-dir "$work_dir/cargo-benches-native"
        install "$work_dir/cargo-benches-native/release/$name" "$native_dir/$name"
        ;;
    *) native_c_guest "$name" ;;
    esac
    printf '%-12s %9d bytes\n' "$name" "$(wc -c <"$native_dir/$name")"
done
