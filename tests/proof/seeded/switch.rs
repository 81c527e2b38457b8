//! In a copy of the tree that has seeded bugs: which of them is on. No other tree has this file among its sources.

use std::sync::OnceLock;

/// Whether the bug of this name is on: the variable `EPSILON_SEEDED_BUG` names one at run time.
pub(crate) fn bug(name: &str) -> bool {
    static ON: OnceLock<String> = OnceLock::new();
    ON.get_or_init(|| std::env::var("EPSILON_SEEDED_BUG").unwrap_or_default()) == name
}
