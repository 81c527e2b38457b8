#!/usr/bin/env bash
# Puts each seeded bug in and asks the checks that its place is under whether they notice (tests/proof/seeded/bugs.txt).
# Builds once, in target/seeded, with the switches that no other build has. A check that fails, crashes or does not end
# has caught the bug. Cheap checks are asked in any case, dear ones only about what no cheap one has caught.
#
#   ci/seeded.sh                    all bugs; first of all `none`, which no check may catch
#   ci/seeded.sh none copy-overlap  these
#
# Prints a row for the table in tests/proof/README.md per bug, and ends with an error if one has escaped.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export EPSILON_SEEDED_BUGS=1 CARGO_TARGET_DIR=$root/target/seeded
limit_s=${EPSILON_SEEDED_LIMIT_S:-600}

declare -A executables
collect() { # package, its folder
    local log kind source file
    log=$(cargo test --no-run -p "$1" 2>&1) || { echo "$log"; exit 1; }
    while read -r source file; do
        executables[$2/$source]=$(realpath "$file")
    done < <(sed -n 's/^ *Executable \(unittests \)\?\([^ ]*\) (\(.*\))$/\2 \3/p' <<<"$log")
}
collect epsilon-tests .
collect epsilon-compiler crates/compiler
collect epsilon-runtime runtime
collect epsilon crates/epsilon
collect epsilon-wasi crates/wasi
cargo build -q -p epsilon-proof

tests() { # a package's folder, its targets
    local folder=$1 target status=0
    shift
    for target in "$@"; do
        (cd "$folder" && limited "${executables[$folder/$target]}" -q) || status=1
    done
    return "$status"
}
limited() { timeout --kill-after 5 "$limit_s" "$@"; }
proof() { limited "$CARGO_TARGET_DIR/debug/epsilon-proof" "$1" --seed 1 --count "$2"; }

# The checks, cheap ones first. Those named `dear` are asked last.
check() {
    case $1 in
    units) tests runtime src/lib.rs && tests crates/compiler src/lib.rs && tests crates/epsilon src/lib.rs ;;
    clif) tests crates/compiler tests/heights.rs ;;
    results) tests . tests/heights.rs ;;
    traps) tests . tests/traps/main.rs ;;
    threads) tests . tests/threads.rs ;;
    api) tests . tests/api/main.rs ;;
    cache) tests . tests/cache.rs ;;
    artifact) tests . tests/artifact.rs ;;
    wasi-units) tests crates/wasi src/lib.rs ;;
    wasi-calls) tests crates/wasi tests/calls/main.rs ;;
    wasi-guests) tests . tests/wasi/main.rs ;;
    spec) tests . tests/spec.rs ;;
    opcodes) proof opcodes 60 ;;
    addresses) proof addresses 150 ;;
    differential) proof differential 100 ;;
    damaged) proof cache 100 ;;
    swarm) proof concurrency 2 ;;
    *) return 2 ;;
    esac
}
cheap_for() { # the file that a bug is in
    case $1 in
    crates/wasi/*) echo wasi-units wasi-calls wasi-guests ;;
    crates/epsilon/*) echo units artifact cache damaged ;;
    crates/compiler/src/compiler.rs) echo units clif cache artifact ;;
    crates/compiler/*) echo units clif results addresses opcodes differential ;;
    *) echo units results api threads traps addresses differential swarm ;;
    esac
}
dear="spec"

scratch=$(mktemp -d)
echo "what the checks print: $scratch" >&2
# Runs one check under a bug; true if that has caught it.
catches() { # bug, check
    ! (
        export EPSILON_SEEDED_BUG=$1 EPSILON_CACHE_DIR=$scratch/cache.$1
        check "$2"
    ) >"$scratch/$1.$2" 2>&1
}

bugs=tests/proof/seeded/bugs.txt
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(echo none && sed -n 's/^\([a-z0-9-]*\) | .*/\1/p' "$bugs")
failed=0
for name in "${names[@]}"; do
    file=$(sed -n "s/^$name | \([^ ]*\) | .*/\1/p" "$bugs")
    caught=() passed=()
    all=($(cheap_for "$file"))
    [ "$name" != none ] || all=($(cheap_for none; cheap_for crates/compiler/; cheap_for crates/epsilon/; cheap_for crates/wasi/))
    for check in "${all[@]}" $dear; do
        [[ " $dear " != *" $check "* ]] || [ ${#caught[@]} -eq 0 ] || continue
        started=$EPOCHREALTIME
        if catches "$name" "$check"; then state=caught; else state=passed; fi
        took=$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $started }")
        [ $state = caught ] && caught+=("$check ${took} s") || passed+=("$check")
    done
    join() { local IFS=,; echo "${*//,/}" | sed 's/,/, /g'; }
    echo "| \`$name\` | $(join "${caught[@]}") | $(join "${passed[@]}") |"
    if [ "$name" = none ]; then [ ${#caught[@]} -eq 0 ] || failed=1; else [ ${#caught[@]} -gt 0 ] || failed=1; fi
done
exit "$failed"
