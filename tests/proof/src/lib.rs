//! What the checks are made of. See README.md beside this package for how they are run and what they found.
#![forbid(unsafe_code)]

mod addresses;
mod bytes;
mod cache;
mod case;
mod catalogue;
mod compared;
mod concurrency;
mod count;
mod differential;
mod directed;
pub mod drive;
mod edit;
mod generate;
mod judge;
mod legacy;
mod mutate;
mod opcodes;
mod operators;
mod outcome;
mod programs;
mod proposals;
pub mod regressions;
mod setup;
mod shrink;
pub mod source;
mod subject;
pub mod v8;
mod wrap;
mod wrapped;
