#!/usr/bin/env bash
# Builds the guests into `prebuilt/NAME.wasm`: all of them, or those named.
#
#   build.sh [NAME...]
#
# Needs a Rust toolchain with the targets wasm32-wasip1 and wasm32-wasip1-threads,
# Python 3, and a C compiler for WASI: the Python package `ziglang`, or `zig` on the PATH. Build
# trees go below `target/guests`. The same tools give the same bytes anywhere:
# no guest names the folders of the machine that built it (`publish` in `common.sh` checks).

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# rust_guest NAME [TARGET]
rust_guest() {
    local target=${2:-wasm32-wasip1}
    cargo_for_wasm "$target" "$guests_dir/$1" "$work_dir/cargo"
    publish "$work_dir/cargo/$target/release/$1.wasm" "$1"
}

# Exceptions of the standard, not those of before it.
EXCEPTIONS=(-mcpu=generic+exception_handling -mllvm -wasm-use-legacy-eh=false)

# publish_named FILE NAME: as `publish`, where the module has DWARF of the C
# library. Names of functions are kept, for backtraces and profiles.
publish_named() {
    python3 "$guests_dir/strip_debug.py" "$1" "$1.stripped"
    publish "$1.stripped" "$2"
}

# jumping_guest NAME: one in C that calls setjmp.
jumping_guest() {
    find_zig
    sources_of "$1"
    "${zig[@]}" cc --target=wasm32-wasi -O3 -Xclang -O3 -Wall -Wextra -Wno-unused-command-line-argument \
        "${flags[@]}" "${EXCEPTIONS[@]}" -mllvm -wasm-enable-sjlj -Wl,-z,stack-size=1048576 \
        "${sources[@]}" "$guests_dir/tags.s" -o "$work_dir/$1.wasm"
    publish_named "$work_dir/$1.wasm" "$1"
}

# cpp_guest NAME: one in C++ that throws. The C++ library for WASI comes without
# exceptions, so what throws and catches is compiled along from its sources; it
# goes first, since the linker takes the other kind as soon as somebody asks.
cpp_guest() {
    find_zig
    sources_of "$1"
    local lib objects=$work_dir/$1.objects name
    lib=$("${zig[@]}" env | sed -n 's/^ *\.lib_dir = "\(.*\)",$/\1/p')
    [[ -d $lib/libcxxabi ]] || fail "zig does not say where its libraries are"
    mkdir -p "$objects"
    local common=(--target=wasm32-wasi -O3 -Xclang -O3 "${EXCEPTIONS[@]}" -fwasm-exceptions
        -ffile-prefix-map="$guests_dir=." -ffile-prefix-map="$lib=zig")
    local runtime=(-w -D__WASM_EXCEPTIONS__ -DNDEBUG -fvisibility=hidden -I"$lib/libunwind/include")
    for name in cxa_exception cxa_personality; do
        "${zig[@]}" c++ -c "${common[@]}" "${runtime[@]}" -std=c++23 \
            -D_LIBCPP_BUILDING_LIBRARY -D_LIBCXXABI_BUILDING_LIBRARY -D_LIBCXXABI_HAS_NO_THREADS \
            -D_LIBCPP_ENABLE_CXX17_REMOVED_UNEXPECTED_FUNCTIONS -DLIBCXXABI_NON_DEMANGLING_TERMINATE \
            -I"$lib"/{libcxxabi/include,libcxx/src,libcxx/include} \
            "$lib/libcxxabi/src/$name.cpp" -o "$objects/$name.o"
    done
    "${zig[@]}" cc -c "${common[@]}" "${runtime[@]}" -fdeclspec \
        "$lib/libunwind/src/Unwind-wasm.c" -o "$objects/unwind.o"
    "${zig[@]}" c++ -c "${common[@]}" -Wall -Wextra "${flags[@]}" "${sources[@]}" -o "$objects/main.o"
    "${zig[@]}" c++ --target=wasm32-wasi -O3 "${EXCEPTIONS[@]}" \
        -Wl,-z,stack-size=1048576 \
        "$objects"/{cxa_exception,cxa_personality,unwind,main}.o "$guests_dir/tags.s" -o "$work_dir/$1.wasm"
    publish_named "$work_dir/$1.wasm" "$1"
}

build_hello_rust() { rust_guest hello-rust; }
build_rust_std() { rust_guest rust-std; }
build_csv() { rust_guest csv; }
build_search() { rust_guest search; }
build_walk() { rust_guest walk; }
build_flate() { rust_guest flate; }
build_threads_rust() { rust_guest threads-rust wasm32-wasip1-threads; }
build_c_stdio() { c_guest c-stdio; }
build_blocks() { c_guest blocks; }
build_sqlite() { c_guest sqlite; }
build_quickjs() { c_guest quickjs; }
build_zstd() { c_guest zstd; }
build_c_jumps() { jumping_guest c-jumps; }
build_lua() { jumping_guest lua; }
build_cpp_throw() { cpp_guest cpp-throw; }
build_wasi_c() { c_guest wasi-c; }
build_wasi_rust() { rust_guest wasi-rust; }

# DWARF is the point of this one. It has no C library, which would bring its own.
build_trap_dwarf() {
    find_zig
    (
        cd "$guests_dir/trap-dwarf"
        "${zig[@]}" cc --target=wasm32-wasi -O1 -g -nostdlib -Wall -Wextra -Wno-infinite-recursion \
            -fno-sanitize=undefined -ffile-prefix-map="$PWD=trap-dwarf" \
            -Wl,-z,stack-size=65536 main.c -o "$work_dir/trap-dwarf.wasm"
    )
    publish "$work_dir/trap-dwarf.wasm" trap-dwarf
}

need cargo "see https://rustup.rs"
need python3 "it locates sources and makes headers"
mkdir -p "$work_dir"
[[ $# -gt 0 ]] || set -- "${RUST_GUESTS[@]}" threads-rust "${C_GUESTS[@]}" "${CPP_GUESTS[@]}" "${WASI_GUESTS[@]}" trap-dwarf
for name; do
    step=build_${name//-/_}
    declare -F "$step" >/dev/null || fail "there is no guest '$name'"
    "$step"
done
