#!/usr/bin/env bash
# Licences, sources and duplicates of dependencies, by deny.toml. Where cargo-deny is missing it is built, once, below
# target/. Known weaknesses are not looked for: their list has to be fetched, which not every machine can; by hand that
# is `cargo deny check advisories`.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
tools=$PWD/target/tools
export PATH=$PATH:$tools/bin
if ! command -v cargo-deny >/dev/null; then
    # Optimising it would take longer than it runs.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_LTO=off \
        cargo install --locked --quiet --version "$version" --root "$tools" cargo-deny
fi
cargo deny --version
cargo deny check bans licenses sources
