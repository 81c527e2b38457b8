//! Stack maps: where references that the collector follows lie while a call runs.
//!
//! Locals that are such references have a slot that always holds what they are, so that they are the same in all maps of a
//! function. Besides, a map lists the slots of such operands; at a call, none is elsewhere.

use super::Ty;
use super::operand::Place;
use super::translator::Translator;
use epsilon_abi::StackMaps;

/// The maps of a function.
#[derive(Default)]
pub(in crate::quick) struct Maps {
    /// Slots of locals, ascending.
    locals: Vec<i32>,
    /// Which operands are references that the collector follows, the lowest first.
    operands: Vec<u32>,
    /// Slots of operands, ascending, as they are at some calls.
    lists: Vec<Box<[i32]>>,
    /// Calls: return address, and which list is theirs.
    calls: Vec<(u32, ListId)>,
}

/// Which of the lists of operands it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::quick) struct ListId(u32);

impl Maps {
    /// An operand has been pushed.
    #[inline]
    pub fn pushed(&mut self, at: usize, ty: Ty) {
        if ty == Ty::Ref {
            self.operands.push(at as u32);
        }
    }

    /// An operand has been popped.
    #[inline]
    pub fn popped(&mut self, at: usize, ty: Ty) {
        if ty == Ty::Ref {
            debug_assert_eq!(self.operands.last(), Some(&(at as u32)));
            self.operands.pop();
        }
    }

    /// As the runtime reads them.
    pub fn finish(&mut self) -> StackMaps {
        let whole = |operands: &[i32]| -> Box<[i32]> { operands.iter().chain(&self.locals).copied().collect() };
        let lists: Vec<_> = self.lists.iter().map(|operands| whole(operands)).collect();
        let calls = self.calls.iter().map(|(at, list)| (*at, &*lists[list.0 as usize]));
        StackMaps::of_calls(calls.filter(|(_, slots)| !slots.is_empty()))
    }
}

impl Translator<'_> {
    /// Works out which slots of locals all maps list.
    pub fn list_locals(&mut self) {
        let traced = self.locals.iter().filter(|local| local.ty == Ty::Ref && local.has_slot);
        self.maps.locals = traced.map(|local| local.slot).collect();
        self.maps.locals.sort_unstable();
    }

    /// The list of operands for a call that is laid now, or later with `saved` registers put into their slots before.
    pub fn operands_in_slots(&mut self, saved: bool) -> ListId {
        let mut slots = Vec::with_capacity(self.maps.operands.len());
        // The topmost operands have the lowest slots.
        for at in self.maps.operands.iter().rev() {
            let operand = self.stack[*at as usize];
            match operand.place {
                Place::Slot => slots.push(operand.slot),
                Place::Reg(_) => {
                    debug_assert!(saved, "a reference is in a register at a call");
                    slots.push(operand.slot);
                }
                Place::Const(_) | Place::Local(_) => {}
                Place::Flags(_) => unreachable!("the flags hold no reference"),
            }
        }
        // What is looked at here has been charged for, and so has what is kept.
        self.charge(self.maps.operands.len());
        if self.maps.lists.last().is_none_or(|last| **last != *slots) {
            self.charge(self.maps.locals.len() + slots.len());
            self.maps.lists.push(slots.into());
        }
        ListId(self.maps.lists.len() as u32 - 1)
    }

    /// Notes where references lie while the call runs that has just been laid.
    pub fn note_map(&mut self, operands: ListId) {
        self.maps.calls.push((self.asm.at(), operands));
    }
}
