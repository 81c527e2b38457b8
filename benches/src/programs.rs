//! The programs: real compilers' output, from registry packages, with scripts that build them beside them.

/// Where a program's sources and its module lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Guests of the tests.
    Tests,
    /// Guests that are here for the benchmark alone.
    Benches,
}

impl Folder {
    /// From the root of the checkout.
    pub fn path(self) -> &'static str {
        match self {
            Self::Tests => "tests/guests",
            Self::Benches => "benches/guests",
        }
    }
}

/// A program and its work.
pub struct Program {
    /// What it is called in tables.
    pub name: &'static str,
    /// The name of the module, of the native program, and of what they must print.
    pub guest: &'static str,
    /// Where the module lies, in `prebuilt`, and what it must print, in `expected`.
    pub folder: Folder,
    /// Its arguments.
    pub args: &'static [&'static str],
    /// What it stresses.
    pub kind: &'static str,
}

impl Program {
    /// Whether it is only there to start: it takes no part in means.
    pub fn is_start_alone(&self) -> bool {
        self.guest == "hello-rust"
    }
}

const fn rust(name: &'static str, guest: &'static str, args: &'static [&'static str], kind: &'static str) -> Program {
    Program { name, guest, folder: Folder::Benches, args, kind }
}

/// All programs.
pub const PROGRAMS: &[Program] = &[
    Program { name: "hello", guest: "hello-rust", folder: Folder::Tests, args: &[], kind: "start" },
    Program { name: "QuickJS", guest: "quickjs", folder: Folder::Tests, args: &[], kind: "interpreter, C" },
    Program { name: "SQLite", guest: "sqlite", folder: Folder::Tests, args: &[], kind: "calls, memory, C" },
    Program { name: "zstd", guest: "zstd", folder: Folder::Tests, args: &[], kind: "memory, C" },
    rust("bzip2", "bzip2", &["640"], "integer, memory, C"),
    rust("sha2, blake3", "hashes", &["40"], "integer, SIMD"),
    rust("JPEG and PNG", "picture", &["1200"], "integer, SIMD"),
    rust("rustfft", "fourier", &["30"], "floating point, SIMD"),
    rust("regex", "regexes", &["3072"], "integer, tables"),
    rust("serde_json", "json", &["30"], "calls, memory"),
    rust("pulldown-cmark", "markdown", &["100"], "text"),
    rust("rhai", "script", &["30"], "interpreter, indirect calls"),
];
