#!/usr/bin/env bash
# Fetches the peers of the benchmarks from their registries and builds them, into benches/target/peers, and the programs'
# native counterparts into target/native-guests. What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")"

peers=$PWD/target/peers
mkdir -p "$peers"

# The features are those by which a program is compiled, cached and run, and those that make it faster.
[[ -x $peers/bin/wasmtime ]] ||
    cargo install wasmtime-cli --version 48.0.8 --locked --root "$peers" --no-default-features \
        --features run,compile,cranelift,cache,parallel-compilation,pooling-allocator
if command -v npm >/dev/null; then
    npm install --silent --no-audit --no-fund --prefix "$peers" node@26 @ruby/3.4-wasm-wasi@2
else
    echo "note: without npm there is neither Node nor the large module" >&2
fi
../tests/guests/native.sh hello-rust sqlite quickjs zstd
guests/native.sh
