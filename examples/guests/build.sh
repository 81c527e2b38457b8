#!/usr/bin/env bash
# Builds the C guests of the examples into `NAME.wasm`, beside their sources.
# Needs a C compiler for WebAssembly: the Python package `ziglang`, or `zig`.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if python3 -c 'import ziglang' 2>/dev/null; then
    zig=(python3 -m ziglang)
else
    zig=(zig)
fi

for source in *.c; do
    "${zig[@]}" cc --target=wasm32-freestanding -nostdlib -Wl,--no-entry -Wl,--strip-debug \
        -O2 -std=c17 -Wall -Wextra -Werror -o "${source%.c}.wasm" "$source"
done
chmod 644 ./*.wasm
