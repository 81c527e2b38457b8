#!/usr/bin/env bash
# Licences, sources and duplicates of dependencies, by deny.toml. Needs cargo-deny, and says so where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-deny >/dev/null; then
    echo "not checked: cargo-deny is not installed (cargo install --locked cargo-deny)"
    exit 0
fi
cargo deny check bans licenses sources
