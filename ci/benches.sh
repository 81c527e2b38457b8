#!/usr/bin/env bash
# Whether the harness of the benchmarks works: its formatting, lints and unit tests, and the shortest run of everything
# with whatever peers are there. Run by hand, for the peers
# must be there. Its figures mean nothing.
#
#   ci/benches.sh [OPTION...]     options of the harness, such as --wasmtime PATH
set -euo pipefail
cd "$(dirname "$0")/../benches"

cargo fmt --all --check
cargo clippy --all-targets -- -D warnings
cargo test
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cargo run --release -- --pairs 1 --markdown "$out/tables.md" --svg "$out/plot.svg" "$@"

# Each program has a row in each table of programs, and the plot is well-formed.
programs=$(sed -n '/pub const PROGRAMS/,$p' src/programs.rs | grep -cE '^    (rust\(|Program \{)')
for table in Cached Cold; do
    rows=$(awk -v title="### $table" '/^###/ { in_it = index($0, title) == 1 } in_it && / ms / { rows++ } END { print rows + 0 }' \
        "$out/tables.md")
    [[ $rows -eq $programs ]] || { echo "the table '$table' has rows for $rows of $programs programs" >&2; exit 1; }
done
python3 -c 'import sys, xml.dom.minidom as dom; dom.parse(sys.argv[1])' "$out/plot.svg"
echo "the harness works"
