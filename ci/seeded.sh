#!/usr/bin/env bash
# Puts each seeded bug in and asks the checks that its place is under whether they notice (tests/proof/seeded/*.bugs). Makes
# a copy of the tree that has them all, target/seeded/tree, and builds that once; a variable says which bug is on. A check
# that fails, crashes or does not end has caught the bug. Checks are asked in the order of their cost until one has caught
# it; with EPSILON_SEEDED_ALL=1 all.
#
#   ci/seeded.sh                    all bugs; first of all `none`, which no check may catch
#   ci/seeded.sh none copy-overlap  these
#
# Prints a row for the table in tests/proof/README.md per bug, with processor time, and ends with an error if one has escaped.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
bugs=$PWD/tests/proof/seeded
root=$PWD/target/seeded/tree
export CARGO_TARGET_DIR=$PWD/target/seeded/build
limit_s=${EPSILON_SEEDED_LIMIT_S:-600}

mkdir -p "$root" "$CARGO_TARGET_DIR"
rustc --edition 2024 -o "$CARGO_TARGET_DIR/copy" "$bugs/copy.rs"
present() { while read -r file; do [ ! -f "$file" ] || echo "$file"; done; }
files=$(git ls-files --cached --others --exclude-standard | present)
# What has been renamed or removed since the last run, or has been made by tests.
(cd "$root" && find . -type f | sed 's|^\./||') | sort | comm -23 - <(sort <<<"$files") | (cd "$root" && xargs -r rm -f --)
"$CARGO_TARGET_DIR/copy" "$bugs" "$root" <<<"$files" >&2
cd "$root"

# Test binaries by the path of their source.
declare -A executables
build() { # packages
    local source file log
    log=$(cargo test --no-run --message-format=json-render-diagnostics "${@/#/--package=}")
    while read -r source file; do
        executables[${source#"$root"/}]=$file
    done < <(sed -n 's/.*"src_path":"\([^"]*\)".*"executable":"\([^"]*\)".*/\1 \2/p' <<<"$log")
}
build epsilon-compiler epsilon-runtime epsilon epsilon-wasi epsilon-tests
build epsilon-models
cargo build -p epsilon-proof

limited() { timeout --kill-after 5 "$limit_s" "$@"; }
tests() { # a package's folder, a target in it, further arguments
    local source=${1#.}/$2
    (cd "$1" && limited "${executables[${source#/}]}" -q "${@:3}")
}
proof() { limited "$CARGO_TARGET_DIR/debug/epsilon-proof" "$1" --seed 1 --count "$2"; }

check() {
    case $1 in
    units) tests runtime src/lib.rs && tests crates/compiler src/lib.rs && tests crates/epsilon src/lib.rs ;;
    clif) tests crates/compiler tests/snapshots/main.rs ;;
    results) tests . tests/case_results.rs ;;
    models) tests tests/models src/lib.rs ;;
    api) tests . tests/api/main.rs ;;
    gc) tests . tests/gc/main.rs ;;
    misuse) tests . tests/misuse/main.rs ;;
    budget) tests . tests/budget/main.rs ;;
    threads) tests . tests/threads.rs ;;
    traps) tests . tests/traps/main.rs ;;
    symbols) tests . tests/symbols/main.rs ;;
    cache) tests . tests/cache.rs ;;
    artifact) tests . tests/artifact.rs ;;
    wasi-units) tests crates/wasi src/lib.rs ;;
    wasi-calls) tests crates/wasi tests/calls/main.rs ;;
    wasi-guests) tests . tests/wasi/main.rs ;;
    spec-once) tests . tests/spec.rs 'spec 2.0 (anchored, lazy)' ;;
    spec-quick) tests . tests/spec.rs 'spec 2.0 (quick, anchored, lazy)' && tests . tests/spec.rs 'spec 2.0 (quick, checked, lazy)' ;;
    tiers) tests . tests/tiers.rs ;;
    spec) tests . tests/spec.rs ;;
    opcodes) proof opcodes 780 ;;
    addresses) proof addresses 2000 ;;
    differential) proof differential 100 ;;
    damaged) proof cache 100 ;;
    swarm) proof concurrency 2 ;;
    *) return 2 ;;
    esac
}
checks_for() { # the file that a bug is in; the checks, in the order of their cost
    case $1 in
    crates/wasi/*) echo wasi-units wasi-calls wasi-guests ;;
    crates/epsilon/src/symbols/*) echo symbols ;;
    crates/epsilon/*) echo units artifact cache damaged ;;
    crates/compiler/src/compiler.rs) echo units cache artifact clif ;;
    crates/compiler/src/quick/*) echo results gc tiers api spec-quick traps differential spec ;;
    crates/compiler/src/translate/heap.rs | crates/compiler/src/translate/cast.rs) echo clif results gc spec ;;
    crates/compiler/src/translate/call.rs) echo clif results gc differential api spec-once spec ;;
    crates/compiler/*) echo clif results addresses differential api spec-once opcodes spec traps ;;
    runtime/src/threads/waiting.rs) echo units models threads ;;
    runtime/src/code/link.rs) echo units results api tiers threads differential spec-once traps spec ;;
    runtime/src/heap/* | runtime/src/serve/collector.rs) echo units results gc api budget misuse spec ;;
    *) echo units results gc api budget misuse threads differential spec-once swarm traps spec ;;
    esac
}

scratch=$(mktemp -d)
echo "what the checks print: $scratch" >&2
# Runs one check under a bug; true if that has caught it. Leaves processor seconds in `took`, and in `how` whether it did
# not even end.
catches() { # bug, check
    local status=0 TIMEFORMAT='%U %S'
    {
        time {
            (
                export EPSILON_SEEDED_BUG=$1 EPSILON_CACHE_DIR=$scratch/cache.$1
                check "$2"
            ) >"$scratch/$1.$2" 2>&1 || status=$?
        }
    } 2>"$scratch/time"
    took=$(awk '{ printf "%.1f", $1 + $2 }' "$scratch/time")
    how=
    if [ $status -eq 124 ] || [ $status -eq 137 ]; then how=", without end"; fi
    [ $status -ne 0 ]
}

names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(echo none && sed -n 's/^# //p' "$bugs"/*.bugs)
failed=0
for name in "${names[@]}"; do
    file=$(sed -n "/^# $name\$/,/^@/s/^@ //p" "$bugs"/*.bugs)
    if [ -z "$file" ] && [ "$name" != none ]; then echo "there is no bug \`$name\`" >&2; exit 2; fi
    caught=() passed=()
    all=$(checks_for "$file")
    [ "$name" != none ] || all="$all clif addresses opcodes models cache artifact damaged $(checks_for crates/wasi/)"
    for check in $all; do
        if catches "$name" "$check"; then
            caught+=("$check $took s$how")
            # That the text of code has changed is noticed whatever it means: results have to tell as well.
            [ -n "${EPSILON_SEEDED_ALL:-}" ] || [ "$check" = clif ] || break
        else
            passed+=("$check $took s")
        fi
    done
    join() { local IFS=';'; echo "${*}" | sed 's/;/, /g'; }
    echo "| \`$name\` | $(join "${caught[@]}") | $(join "${passed[@]}") |"
    if [ "$name" = none ]; then [ ${#caught[@]} -eq 0 ] || failed=1; else [ ${#caught[@]} -gt 0 ] || failed=1; fi
done
echo "$(((SECONDS - started + 59) / 60)) minutes" >&2
exit "$failed"
