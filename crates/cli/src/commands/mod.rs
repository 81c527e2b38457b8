//! The commands, a file each: what each one is asked for, and what it does. Nothing below knows them.

pub mod cache;
pub mod compile;
pub mod completions;
pub mod executable;
pub mod inspect;
pub mod run;
pub mod validate;
pub mod wast;
