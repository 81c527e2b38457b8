#!/usr/bin/env bash
# Documentation of our own crates, without a warning: no broken link, no item without a word.
set -euo pipefail
cd "$(dirname "$0")/.."

RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace
