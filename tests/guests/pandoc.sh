#!/usr/bin/env bash
# Converts a document with pandoc: the official module of 58.6 MB and 619,906 functions, from the npm package `pandoc-wasm`,
# whose exceptions are the legacy ones. It is fetched by npm and kept in target/guests; not a part of the tests, since it
# needs a network.
#
#   tests/guests/pandoc.sh [COMMAND] [RUNS]    ../../target/release/epsilon and 3 unless given
#
# Each run, from an empty cache on, is timed, and its output compared with what node makes of the same module, where node
# is there. Prints a line per run: seconds of processor, of wall time, and MiB of memory at most.
set -euo pipefail
cd "$(dirname "$0")/../.."
epsilon=$(realpath "${1:-target/release/epsilon}")
runs=${2:-3}
version=1.1.0
folder=$PWD/target/guests
mkdir -p "$folder"
cd "$folder"
if [ ! -f pandoc.wasm ]; then
    npm pack --silent "pandoc-wasm@$version" >/dev/null
    tar -xzOf "pandoc-wasm-$version.tgz" package/src/pandoc.wasm >pandoc.wasm.new
    mv pandoc.wasm.new pandoc.wasm
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
{
    printf '%% A document\n\n'
    for n in $(seq 60); do
        printf '# Section %s {#s%s}\n\nSome *emphasis*, `code`, a [link](#s1) and a note.[^%s]\n\n' "$n" "$n" "$n"
        printf -- '- one\n- two\n\n    - three\n\n| a | b |\n|---|--:|\n| 1 | $x^%s$ |\n\n[^%s]: Of section %s.\n\n' "$n" "$n" "$n"
    done
} >"$scratch/in.md"
# The last one fails: by an exception that the program catches itself.
conversions=('-f markdown -t html5 -s in.md' '-f markdown -t latex in.md' '-f markdown -t no-such-format in.md')

expected() { # number
    node --no-warnings --input-type=module - "$folder/pandoc.wasm" "$scratch" ${conversions[$1]} <<'JS'
import { WASI } from 'node:wasi';
import { readFileSync } from 'node:fs';
const [, , wasm, folder, ...words] = process.argv;
const wasi = new WASI({ version: 'preview1', args: ['pandoc.wasm', ...words], env: {}, preopens: { '.': folder } });
const module = new WebAssembly.Module(readFileSync(wasm));
process.exitCode = wasi.start(new WebAssembly.Instance(module, wasi.getImportObject()));
JS
}
if command -v node >/dev/null; then
    for n in "${!conversions[@]}"; do
        expected "$n" >"$scratch/expected.$n" 2>"$scratch/expected.$n.err" && echo 0 >"$scratch/expected.$n.code" ||
            echo $? >"$scratch/expected.$n.code"
    done
fi

export EPSILON_CACHE_DIR=$scratch/cache
failed=0
for n in "${!conversions[@]}"; do
    for run in $(seq "$runs"); do
        code=0
        (cd "$scratch" && /usr/bin/time -o time -f '%U %S %e %M' "$epsilon" run --dir . "$folder/pandoc.wasm" \
            ${conversions[$n]} >found 2>found.err) || code=$?
        tail -1 "$scratch/time" | awk -v what="${conversions[$n]}" -v run="$run" -v code="$code" \
            '{ printf "%s, run %s: exit %s, %.2f s of processor, %.2f s, %d MiB\n", what, run, code, $1 + $2, $3, $4 / 1024 }'
        if [ -f "$scratch/expected.$n" ]; then
            cmp "$scratch/found" "$scratch/expected.$n" && cmp "$scratch/found.err" "$scratch/expected.$n.err" &&
                [ "$code" = "$(cat "$scratch/expected.$n.code")" ] || failed=1
        fi
    done
done
exit "$failed"
