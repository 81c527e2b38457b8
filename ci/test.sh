#!/usr/bin/env bash
# All tests, in a debug build: the command that README.md names.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --workspace "$@"
