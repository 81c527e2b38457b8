//! The programs: real compilers' output, from registry packages, with scripts in `tests/guests` that build them.

/// A program and what it prints.
pub struct Program {
    /// What it is called in tables.
    pub name: &'static str,
    /// The module, in `tests/guests/prebuilt`.
    pub wasm: &'static str,
    /// Its arguments.
    pub args: &'static [&'static str],
    /// What it prints, in `tests/guests/expected`.
    pub expected: &'static str,
}

/// All programs.
pub const PROGRAMS: &[Program] = &[
    Program { name: "hello (Rust)", wasm: "hello-rust.wasm", args: &[], expected: "hello-rust.stdout" },
    Program { name: "QuickJS, a mixed script", wasm: "quickjs.wasm", args: &[], expected: "quickjs.stdout" },
    Program { name: "SQLite, 150,000 rows", wasm: "sqlite.wasm", args: &[], expected: "sqlite.stdout" },
    Program { name: "zstd, 16 MiB", wasm: "zstd.wasm", args: &[], expected: "zstd.stdout" },
];
