//! Cases of WASI preview 1, seen from Rust's standard library.
//!
//! ```text
//! wasi-rust list | CASE
//! ```
//!
//! A case panics if a result is not what the specification says, and prints with `host!` what the test must then find
//! on its own side. The world in which it runs is described in `tests/wasi/world.rs`.

mod files;
mod metadata;
mod names;
mod process;

/// What the host must see afterwards: one line, see `tests/wasi/world.rs`.
#[macro_export]
macro_rules! host {
    ($($words:tt)*) => { println!("host {}", format_args!($($words)*)) };
}

/// A list of cases: functions by name.
#[macro_export]
macro_rules! cases {
    ($($name:ident)*) => { pub const CASES: &[(&str, fn())] = &[$((stringify!($name), $name)),*]; };
}

/// The error codes of WASI that cases name (witx `errno`).
pub mod errno {
    pub const BADF: i32 = 8;
    pub const EXIST: i32 = 20;
    pub const INVAL: i32 = 28;
    pub const ISDIR: i32 = 31;
    pub const LOOP: i32 = 32;
    pub const NOENT: i32 = 44;
    pub const NOTDIR: i32 = 54;
    pub const NOTEMPTY: i32 = 55;
    pub const PERM: i32 = 63;
    pub const ROFS: i32 = 69;
    pub const NOTCAPABLE: i32 = 76;
}

/// The error code of what must fail.
#[track_caller]
pub fn code<T>(result: std::io::Result<T>) -> i32 {
    match result {
        Ok(_) => panic!("it succeeded"),
        Err(error) => error.raw_os_error().unwrap_or_else(|| panic!("no code: {error}")),
    }
}

fn main() {
    let wish = std::env::args().nth(1).expect("usage: wasi-rust list | CASE");
    let groups = [files::CASES, metadata::CASES, names::CASES, process::CASES];
    let mut all = groups.into_iter().flatten();
    if wish == "list" {
        all.for_each(|(name, _)| println!("{name}"));
    } else {
        let (_, run) = all.find(|(name, _)| *name == wish).unwrap_or_else(|| panic!("there is no case {wish}"));
        run();
    }
}
