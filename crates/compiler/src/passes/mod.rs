//! Our own passes over CLIF, between translation and code generation. Each is a file, changes a function in place, keeps
//! what it means, and can be switched off by a field of [`crate::Settings`].
//!
//! | file | what it does |
//! |---|---|
//! | `repeated_checks` | drops bounds checks of memories that an earlier check makes needless |
//! | `epochs` | tells which points of a function no call separates, for the others |

mod epochs;
pub(crate) mod repeated_checks;
