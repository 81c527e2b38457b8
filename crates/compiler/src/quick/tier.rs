//! The files that are compiled once with each machine, and what they share with the rest of `quick`.

mod array;
mod bulk;
pub(in crate::quick) mod call;
mod cast;
mod control;
mod exception;
pub(in crate::quick) mod frame;
mod heap;
mod local;
mod maps;
pub(in crate::quick) mod memory;
pub(in crate::quick) mod operand;
pub(in crate::quick) mod operators;
mod rare;
mod scan;
mod structure;
pub(in crate::quick) mod table;
pub(in crate::quick) mod translator;

pub(in crate::quick) use super::super::{Calls, Env, Left, Ty, reader};
use super::machine;
pub(in crate::quick) use translator::{Scratch, compile};
