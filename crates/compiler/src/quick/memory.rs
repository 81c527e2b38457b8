//! Linear memories: what is the same on every machine of their accesses, and where their words lie. Which checks are
//! needed is [`epsilon_abi::MemoryPlan`]'s to say.

use super::machine::{ANCHOR, Address, Reg};
use super::table::word;
use super::translator::Translator;
use super::{Env, Ty};
use epsilon_abi::vm::{VmMemory, VmMemoryRef};
use epsilon_abi::{Libcall, MemoryIndex};
use std::mem::offset_of;

/// A load, by what is in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Load {
    Unsigned8,
    Signed8,
    Unsigned16,
    Signed16,
    Signed32,
    /// Without extension, or with zeros to 64 bits.
    Whole32,
    Whole64,
    Single,
    Double,
    Vector,
}

impl Load {
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Unsigned8 | Self::Signed8 => 1,
            Self::Unsigned16 | Self::Signed16 => 2,
            Self::Signed32 | Self::Whole32 | Self::Single => 4,
            Self::Whole64 | Self::Double => 8,
            Self::Vector => 16,
        }
    }
}

/// A store, by what is in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Store {
    Bits8,
    Bits16,
    Bits32,
    Bits64,
    Single,
    Double,
    Vector,
}

impl Store {
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Bits8 => 1,
            Self::Bits16 => 2,
            Self::Bits32 | Self::Single => 4,
            Self::Bits64 | Self::Double => 8,
            Self::Vector => 16,
        }
    }
}

/// Where memory 0 is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Place {
    /// Wherever its words say.
    Anywhere,
    /// At the anchor.
    Anchor,
}

impl Place {
    pub fn of_first(env: &Env<'_>) -> Self {
        if env.plan.memory_at_anchor(env.info, env.layout) { Self::Anchor } else { Self::Anywhere }
    }
}

/// The length of a range.
#[derive(Clone, Copy)]
pub(in crate::quick) enum Len {
    Reg(Reg),
    Const(i32),
}

/// Words.
impl Translator<'_> {
    pub fn is_at_anchor(&self, memory: u32) -> bool {
        memory == 0 && self.machine.memory == Place::Anchor
    }

    pub fn memory_word(&self, memory: u32, field: usize) -> i32 {
        self.env.layout.memory(MemoryIndex(memory)) + word(field)
    }

    /// The register of a memory's address: the anchor, or one that it is loaded into. `def` holds the address of its
    /// `VmMemory`, if its address may change. Keeps the flags.
    pub fn memory_base(&mut self, memory: u32, def: Reg, to: Reg) -> Reg {
        let ty = &self.env.info.memories[memory as usize];
        if self.is_at_anchor(memory) {
            return ANCHOR;
        }
        if self.env.plan.base_is_constant(ty) {
            let at = self.memory_word(memory, offset_of!(VmMemoryRef, base));
            self.load_at(Ty::I64, to, ANCHOR, at);
        } else {
            self.load_at(Ty::I64, to, def, word(offset_of!(VmMemory, base)));
        }
        to
    }

    pub fn load_memory_def(&mut self, memory: u32, to: Reg) {
        let at = self.memory_word(memory, offset_of!(VmMemoryRef, def));
        self.load_at(Ty::I64, to, ANCHOR, at);
    }
}

/// Accesses.
impl Translator<'_> {
    pub fn done_address(&mut self, address: Address) {
        if let Some(index) = address.index {
            self.done(index);
        }
    }

    /// Where what is loaded goes: a hinted pin, the register of the index, or a new one.
    pub fn load_destination(&mut self, ty: Ty, address: Address) -> Reg {
        if let Some(pin) = self.hint(ty.is_float()) {
            self.done_address(address);
            return pin;
        }
        match address.index {
            Some(index) => self.reuse(index, ty.is_float()),
            None => self.allocate(ty.is_float()),
        }
    }

    pub fn memory_grow(&mut self, memory: u32) {
        let index = Ty::of_index(self.env.info.memories[memory as usize].is_64);
        self.libcall(Libcall::MemoryGrow, &[u64::from(memory)], 1, Some(index));
    }
}
