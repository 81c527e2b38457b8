#!/usr/bin/env bash
# Models of the lock-free parts: loom runs every order of their steps (tests/models). Half a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test -p epsilon-models "$@"
