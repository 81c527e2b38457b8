//! The files that are compiled once with each machine, and what they share with the rest of `quick`.

mod bulk;
pub(in crate::quick) mod call;
mod control;
mod exception;
pub(in crate::quick) mod frame;
mod local;
pub(in crate::quick) mod memory;
pub(in crate::quick) mod operand;
pub(in crate::quick) mod operators;
mod scan;
pub(in crate::quick) mod table;
pub(in crate::quick) mod translator;

pub(in crate::quick) use super::super::{Env, Left, Ty, reader};
use super::machine;
pub(in crate::quick) use translator::{Scratch, compile};
