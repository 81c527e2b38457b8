#!/usr/bin/env bash
# The embedding crate builds with none of its features (it then runs only code that was compiled before), and with one
# at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo check -p epsilon --no-default-features
for features in compiler cache wat hash-time compiler,demangle compiler,addr2line; do
    cargo check -p epsilon --no-default-features --features "$features"
done
