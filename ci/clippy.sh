#!/usr/bin/env bash
# Lints, of libraries, binaries, tests, examples and benches alike; and with the features that can be left out.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --workspace --all-targets -- -D warnings
# The embedding crate without its compiler: what runs only code that was compiled before must go on building.
cargo clippy -p epsilon --no-default-features -- -D warnings
