#!/usr/bin/env bash
# Formatting, by rustfmt.toml. Sources of guests are left alone: their line numbers are in committed binaries.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
if [ -f benches/Cargo.toml ]; then
    cargo fmt --manifest-path benches/Cargo.toml --all --check
fi
