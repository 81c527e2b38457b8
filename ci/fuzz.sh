#!/usr/bin/env bash
# Coverage-guided fuzzing of one target, for so many seconds. It goes on where it stopped: what led to new coverage is kept
# in target/fuzz/corpus. A finding ends it with an error, and is kept in target/fuzz/artifacts.
#
#   ci/fuzz.sh module|stored|symbols|api SECONDS
#
# It takes a nightly compiler and cargo-fuzz (`cargo install cargo-fuzz`); nothing else needs them. SANITIZER=address builds
# with AddressSanitizer, whose handlers of signals are left to Epsilon.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1 seconds=$2
folder=$PWD/target/fuzz
mkdir -p "$folder/corpus/$target" "$folder/artifacts/$target"
export ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:use_sigaltstack=0
export CARGO_TARGET_DIR=$folder/build
cargo +nightly fuzz run --fuzz-dir tests/fuzz --sanitizer "${SANITIZER:-none}" "$target" "$folder/corpus/$target" -- \
    -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 -len_control=0 -print_final_stats=1 \
    -handle_segv=0 -handle_bus=0 -handle_ill=0 -handle_fpe=0 -artifact_prefix="$folder/artifacts/$target/"
