//! Our own passes over CLIF, between translation and code generation. Each is a file, changes a function in place, and keeps
//! what it means. What drops checks can be switched off by a field of [`crate::Settings`].
//!
//! | file | what it does |
//! |---|---|
//! | `repeated_checks` | drops bounds checks of memories that an earlier check makes needless |
//! | `loop_updates` | moves the next value of a loop's variable behind the last use of the present one, after the optimiser, on x86_64 |
//! | `epochs` | tells which points of a function no call separates, for the others |

mod epochs;
pub(crate) mod loop_updates;
pub(crate) mod repeated_checks;
