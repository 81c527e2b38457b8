//! What the checks are made of. See README.md beside this package for how they are run and what they found.
#![forbid(unsafe_code)]

mod addresses;
mod bytes;
mod cache;
mod case;
mod concurrency;
mod differential;
pub mod drive;
mod generate;
mod judge;
mod mutate;
mod opcodes;
mod outcome;
pub mod regressions;
mod setup;
mod subject;
