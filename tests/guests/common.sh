# What `build.sh` and `native.sh` share, here and in `benches/guests`: where things
# are, how a compiler is called, and which sources and definitions make up each C
# guest. Sourced, never run. `guests_dir` may be set before.

guests_dir=${guests_dir:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
root_dir=$(cd "$guests_dir/../.." && pwd)
work_dir=$root_dir/target/guests

C_GUESTS=(c-stdio blocks sqlite quickjs zstd c-jumps lua)
CPP_GUESTS=(cpp-throw)
RUST_GUESTS=(hello-rust rust-std csv search walk flate)
# Cases of the WASI suite, which have no native counterpart.
WASI_GUESTS=(wasi-c wasi-rust)

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || fail "'$1' is needed: $2"
}

# crate_dir NAME: the folder into which cargo unpacked a crate of `c-sources`.
crate_dir() {
    cargo metadata --quiet --locked --format-version 1 --manifest-path "$guests_dir/c-sources/Cargo.toml" |
        python3 -c '
import json, os, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == sys.argv[1]:
        print(os.path.dirname(package["manifest_path"]))
' "$1"
}

# sources_of NAME: sets `sources` (files), `flags` (for every target) and
# `origin` (the folder of foreign sources, empty if there are none).
sources_of() {
    mapfile -t sources < <(printf '%s\n' "$guests_dir/$1"/*.c*)
    flags=()
    origin=
    case $1 in
    sqlite) sqlite_sources ;;
    quickjs) quickjs_sources ;;
    zstd) zstd_sources ;;
    lua) lua_sources ;;
    esac
}

sqlite_sources() {
    origin=$(crate_dir libsqlite3-sys)/sqlite3
    sources+=("$origin/sqlite3.c")
    flags=(
        -I"$origin" -w
        -DSQLITE_THREADSAFE=0 -DSQLITE_TEMP_STORE=3 -DSQLITE_DQS=0
        -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_LIKE_DOESNT_MATCH_BLOBS
        -DSQLITE_MAX_MMAP_SIZE=0 -DSQLITE_OMIT_WAL -DSQLITE_OMIT_LOAD_EXTENSION
        -DSQLITE_OMIT_DEPRECATED -DSQLITE_OMIT_SHARED_CACHE -DSQLITE_USE_ALLOCA
    )
}

quickjs_sources() {
    origin=$(crate_dir rquickjs-sys)/quickjs
    local generated=$work_dir/generated
    mkdir -p "$generated"
    python3 "$guests_dir/quickjs/embed.py" "$guests_dir/quickjs/mixed.js" "$generated/mixed_js.h"
    sources+=("$origin"/{quickjs,libregexp,libunicode,dtoa}.c)
    flags=(-I"$origin" -I"$generated" -w -D_GNU_SOURCE -DNDEBUG)
}

lua_sources() {
    local generated=$work_dir/generated/lua file
    origin=$(crate_dir lua-src)/lua-5.5.1
    mkdir -p "$generated"
    python3 "$guests_dir/quickjs/embed.py" "$guests_dir/lua/mixed.lua" "$generated/mixed_lua.h"
    for file in "$origin"/*.c; do
        case ${file##*/} in
        linit.c | liolib.c | loslib.c | loadlib.c | ldblib.c) ;; # they reach for files and processes
        *) sources+=("$file") ;;
        esac
    done
    # With a seed of its own in each run, tables would not have the same order twice.
    flags=(-I"$origin" -I"$generated" -w -Dl_signalT=int '-Dluai_makeseed()=0x5eed')
}

zstd_sources() {
    origin=$(crate_dir zstd-sys)/zstd/lib
    sources+=("$origin"/{common,compress,decompress}/*.c)
    flags=(-I"$origin" -w -DNDEBUG -DXXH_NAMESPACE=ZSTD_ -DZSTD_LEGACY_SUPPORT=0 -DZSTD_DISABLE_ASM)
}

ZIG_VERSION=0.17.1 # what the prebuilt guests were made with

find_zig() {
    if python3 -c 'import ziglang' 2>/dev/null; then
        zig=(python3 -m ziglang)
    elif command -v zig >/dev/null; then
        zig=(zig)
    else
        fail "a C compiler for WASI is needed: 'pip install ziglang==$ZIG_VERSION'"
    fi
    local version
    version=$("${zig[@]}" version)
    [[ $version == "$ZIG_VERSION" ]] || echo "note: zig is $version; the prebuilt guests were made with $ZIG_VERSION" >&2
}

# publish FILE NAME: moves a finished guest to its place, unless it names a
# folder of this machine.
publish() {
    local folder
    for folder in "$root_dir" "$HOME" "${CARGO_HOME:-$HOME/.cargo}" "$(dirname "$work_dir")"; do
        if grep --quiet --text --fixed-strings "$folder/" "$1"; then
            fail "$2.wasm names the folder $folder"
        fi
    done
    mkdir -p "$guests_dir/prebuilt"
    install -m 644 "$1" "$guests_dir/prebuilt/$2.wasm"
    printf '%-12s %9d bytes\n' "$2" "$(wc -c <"$guests_dir/prebuilt/$2.wasm")"
}

# cargo_for_wasm TARGET FOLDER BUILD-DIR [WORD...]: builds the package in FOLDER;
# RUST_GUEST_FLAGS may hold more flags for rustc.
cargo_for_wasm() {
    local target=$1 manifest=$2/Cargo.toml build_dir=$3
    shift 3
    [[ -d $(rustc --print target-libdir --target "$target") ]] ||
        fail "the Rust target is needed: 'rustup target add $target'"
    local flags="--remap-path-prefix=$guests_dir=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
    local registry
    cargo fetch --quiet --locked --target "$target" --manifest-path "$manifest"
    for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do # the last that fits counts
        flags+=" --remap-path-prefix=$registry=crates"
    done
    RUSTFLAGS="$flags ${RUST_GUEST_FLAGS-}" cargo build --quiet --release --target "$target" \
        --manifest-path "$manifest" --target-dir "$build_dir" "$@"
}

# c_guest NAME: `sources`, `flags` and `origin` come from `sources_of`. Zig turns
# -O3 into -O2 on its way to clang, hence the second one.
c_guest() {
    find_zig
    sources_of "$1"
    "${zig[@]}" cc --target=wasm32-wasi -O3 -Xclang -O3 -Wall -Wextra "${flags[@]}" \
        -ffile-prefix-map="$guests_dir=." ${origin:+-ffile-prefix-map="$origin=$1"} \
        -Wl,--strip-debug -Wl,-z,stack-size=1048576 \
        "${sources[@]}" -o "$work_dir/$1.wasm"
    publish "$work_dir/$1.wasm" "$1"
}

# native_c_guest NAME: writes to `native_dir`. CC may hold a command of several words.
native_c_guest() { native_guest "$1" "${CC:-cc}" "a C compiler"; }

# native_cpp_guest NAME: likewise with CXX.
native_cpp_guest() { native_guest "$1" "${CXX:-c++}" "a C++ compiler"; }

# native_guest NAME COMPILER WHAT
native_guest() {
    local compiler
    read -ra compiler <<<"$2"
    need "${compiler[0]}" "$3"
    sources_of "$1"
    "${compiler[@]}" -O3 -march=native -ffp-contract=off -Wall -Wextra "${flags[@]}" \
        "${sources[@]}" -lm -o "$native_dir/$1"
}
