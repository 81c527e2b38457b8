# What `build.sh` and `native.sh` share: where things are, and which sources and
# definitions make up each C guest. Sourced, never run.

guests_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root_dir=$(cd "$guests_dir/../.." && pwd)
work_dir=$root_dir/target/guests

C_GUESTS=(c-stdio sqlite quickjs zstd c-jumps lua)
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
