#!/usr/bin/env bash
# All tests, in a debug build: the command that README.md names. The checks of tests/proof are ci/proof.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test "$@"
