#!/usr/bin/env bash
# Lints, of libraries, binaries, tests, examples and benches alike.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --workspace --all-targets -- -D warnings
