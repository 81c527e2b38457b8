//! Seeded bugs: what the checks of tests/proof must find. The switches are there in test builds alone, and each is one
//! line where its bug stands; tests/proof/seeded/bugs.txt lists them all.
//!
//! A build has switches if the environment variable `EPSILON_SEEDED_BUGS` was set for it; in any other build [`bug`] is
//! the constant `false`, and nothing of a bug is compiled. Builds without debug assertions, as all that are shipped,
//! refuse to have switches. One bug at a time is on: the one that the variable `EPSILON_SEEDED_BUG` names at run time.

use std::sync::OnceLock;

const HAS_SWITCHES: bool = option_env!("EPSILON_SEEDED_BUGS").is_some();
const _: () = assert!(!HAS_SWITCHES || cfg!(debug_assertions), "seeded bugs are for debug builds alone");

/// Whether the bug of this name is on.
#[inline(always)]
pub fn bug(name: &str) -> bool {
    HAS_SWITCHES && is_on(name)
}

fn is_on(name: &str) -> bool {
    static ON: OnceLock<String> = OnceLock::new();
    ON.get_or_init(|| std::env::var("EPSILON_SEEDED_BUG").unwrap_or_default()) == name
}
