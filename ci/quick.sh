#!/usr/bin/env bash
# What a change needs before a commit: formatting, the rules of the repository, unit tests, snapshots of compiled code,
# the API, and the specification's suite, once for each compiler. Says what each step took; ends at the first that fails.
#
#   ci/quick.sh                 all of it
#   ci/quick.sh --test traps    that, and then what `cargo test` is told by these arguments
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    local title=$1 started=$SECONDS
    shift
    "$@" || { echo "quick: $title failed: $*" >&2; exit 1; }
    echo "quick: $title, $((SECONDS - started)) s"
}

step formatting ci/fmt.sh
step rules cargo test -q --test tidy
step "unit tests" cargo test -q --lib -p epsilon-abi -p epsilon-compiler -p epsilon-runtime -p epsilon -p epsilon-wasi
step snapshots cargo test -q -p epsilon-compiler --test snapshots
step API cargo test -q --test api --test case_results
step specification cargo test -q --test spec -- 'spec 3.0 (anchored, lazy)'
step "specification, first tier" cargo test -q --test spec -- 'spec 3.0 (quick, anchored, lazy)'
[ $# -eq 0 ] || step "$*" cargo test -q "$@"
echo "quick: all of it, $SECONDS s"
