#!/usr/bin/env bash
# Whether the harness of the benchmarks works: its formatting, lints and unit tests, and the shortest run of everything
# with whatever peers are there. Run by hand: Wasmtime's command must be there, and its crate is built. Its figures mean
# nothing.
#
#   ci/benches.sh [OPTION...]     options of the harness, such as --wasmtime PATH
set -euo pipefail
cd "$(dirname "$0")/../benches"

cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
cargo test --release --workspace
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cargo run --release -- --pairs 1 --markdown "$out/tables.md" --svg "$out/plot.svg" "$@"

# Each program has a row in each table of programs, and the plot is well-formed.
programs=$(sed -n '/pub const PROGRAMS/,$p' src/programs.rs | grep -cE '^    (rust\(|Program \{)')
costs=$(grep -cE '^    (cost!|Cost \{)' inside/src/micro.rs)
for table in "Cached:$programs" "Cold:$programs" "Inside of a process:$programs" "Micro costs:$costs"; do
    rows=$(awk -v title="### ${table%:*}" '
        /^###/ { in_it = index($0, title) == 1 } in_it && / (m|n|µ)s / { rows++ } END { print rows + 0 }' "$out/tables.md")
    # Interruption is among the micro costs, and not in the list.
    [[ $rows -ge ${table#*:} ]] || { echo "the table '${table%:*}' has $rows of ${table#*:} rows" >&2; exit 1; }
done
python3 -c 'import sys, xml.dom.minidom as dom; dom.parse(sys.argv[1])' "$out/plot.svg"
echo "the harness works"
