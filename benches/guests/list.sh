# Which programs there are, and what they are made of, for `build.sh` and `native.sh`. Sourced, never run.
# shellcheck disable=SC2034

# By features of Cargo.toml: without and with SIMD.
PLAIN_GUESTS=(json markdown script)
SIMD_GUESTS=(fourier hashes picture regexes)
RUST_GUESTS=("${PLAIN_GUESTS[@]}" "${SIMD_GUESTS[@]}")
C_GUESTS=(bzip2)

# sources_of NAME: as in `tests/guests/common.sh`.
sources_of() {
    sources=("$guests_dir/$1"/*.c)
    case $1 in
    bzip2)
        origin=$(crate_dir bzip2-sys)/bzip2-1.0.8
        sources+=("$origin"/{blocksort,huffman,crctable,randtable,compress,decompress,bzlib}.c)
        flags=(-I"$origin" -w -DBZ_NO_STDIO)
        ;;
    *) fail "there is no program '$1'" ;;
    esac
}
