//! Counts operators as they execute: a copy of a module gets a memory more, with a word for every stretch of operators
//! that ends where control may go elsewhere. The word goes up right before the operator that ends the stretch, so what
//! a trap cut short is not counted: counts are never too high, but for the operator at the end if that traps.

use crate::case::Tally;
use crate::edit::{self, Additions};
use crate::operators;
use std::collections::BTreeMap;
use wasmparser::{FunctionBody, Operator};

/// The name under which the memory of counts is exported.
pub const EXPORT: &str = "counts of operators";
const PAGE_BYTES: usize = 65_536;
const MEMORY_KIND: u8 = 2;

/// A module that counts, and what it counts.
pub struct Counted {
    /// The module.
    pub wasm: Vec<u8>,
    /// The operators of each stretch.
    stretches: Vec<BTreeMap<&'static str, u64>>,
}

impl Counted {
    /// A copy of a module that counts; `None` if it is not valid, or has no room for another memory.
    pub fn new(wasm: &[u8], adjust: Adjust) -> Option<Self> {
        let memory = edit::counts(wasm)?.memories;
        let mut stretches = Vec::new();
        let mut rewrite = |body: &FunctionBody<'_>| counted_body(body, memory, adjust, &mut stretches);
        let counting = edit::edit(wasm, &Additions::default(), &mut rewrite)?;
        let pages = (stretches.len() * 4).div_ceil(PAGE_BYTES).max(1) as u32;
        let mut limits = vec![1];
        edit::leb(pages, &mut limits);
        edit::leb(pages, &mut limits);
        let additions = Additions {
            memories: vec![limits],
            exports: vec![edit::export(EXPORT, MEMORY_KIND, memory)],
            ..Additions::default()
        };
        let wasm = edit::edit(&counting, &additions, &mut edit::unchanged)?;
        Some(Self { wasm, stretches })
    }

    /// Adds up what a run left in the memory of counts.
    pub fn add_to(&self, memory: &[u8], tally: &mut Tally) {
        let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (word, stretch) in memory.chunks_exact(4).zip(&self.stretches) {
            let times = u64::from(u32::from_le_bytes(word.try_into().expect("four bytes")));
            if times > 0 {
                stretch.iter().for_each(|(name, n)| *sums.entry(name).or_default() += n * times);
            }
        }
        sums.iter().for_each(|(name, n)| tally.add(&format!("{EXECUTED}{name}"), *n));
    }
}

/// What counts of executed operators are called in a tally.
pub const EXECUTED: &str = "executed ";

/// Bytes to put before an operator, given the one before it.
pub type Adjust = fn(before: Option<&Operator<'_>>, operator: &Operator<'_>) -> &'static [u8];

/// No adjustment.
pub fn as_is(_: Option<&Operator<'_>>, _: &Operator<'_>) -> &'static [u8] {
    &[]
}

/// Whether control may go elsewhere at an operator, or come to the one behind it from elsewhere.
fn ends_stretch(operator: &Operator<'_>) -> bool {
    use Operator::{
        Br, BrIf, BrOnNonNull, BrOnNull, BrTable, Call, CallIndirect, CallRef, Catch, CatchAll, Delegate, Else, End,
        If, Loop, Rethrow, Return, ReturnCall, ReturnCallIndirect, ReturnCallRef, Throw, ThrowRef, Unreachable,
    };
    matches!(
        operator,
        Br { .. }
            | BrIf { .. }
            | BrOnNonNull { .. }
            | BrOnNull { .. }
            | BrTable { .. }
            | Call { .. }
            | CallIndirect { .. }
            | CallRef { .. }
            | Catch { .. }
            | CatchAll
            | Delegate { .. }
            | Else
            | End
            | If { .. }
            | Loop { .. }
            | Rethrow { .. }
            | Return
            | ReturnCall { .. }
            | ReturnCallIndirect { .. }
            | ReturnCallRef { .. }
            | Throw { .. }
            | ThrowRef
            | Unreachable
    )
}

fn counted_body(
    body: &FunctionBody<'_>,
    memory: u32,
    adjust: Adjust,
    stretches: &mut Vec<BTreeMap<&'static str, u64>>,
) -> Option<Vec<u8>> {
    let wasm = body.as_bytes();
    let mut bytes = Vec::with_capacity(wasm.len() * 2);
    let mut copied = 0;
    let mut stretch: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut before = None;
    for item in body.get_operators_reader().ok()?.into_iter_with_offsets() {
        let (operator, offset) = item.ok()?;
        bytes.extend_from_slice(&wasm[copied..offset as usize]);
        copied = offset as usize;
        bytes.extend_from_slice(adjust(before.as_ref(), &operator));
        let ends = ends_stretch(&operator);
        // A clause runs where what is in front of it does not: it is the first of the stretch behind it.
        let is_clause = matches!(operator, Operator::Catch { .. } | Operator::CatchAll);
        // An `end` alone is not worth a count.
        let alone = stretch.is_empty() && (is_clause || matches!(operator, Operator::End | Operator::Else));
        if !is_clause {
            *stretch.entry(operators::name(&operator)).or_default() += 1;
        }
        if ends && !alone {
            count_one(memory, stretches.len(), &mut bytes);
            stretches.push(std::mem::take(&mut stretch));
        } else if ends {
            stretch.clear();
        }
        if is_clause {
            stretch.insert(operators::name(&operator), 1);
        }
        before = Some(operator);
    }
    bytes.extend_from_slice(&wasm[copied..]);
    Some(bytes)
}

/// Adds 1 to a word of the memory, which leaves the operands as they are.
fn count_one(memory: u32, word: usize, bytes: &mut Vec<u8>) {
    const I32_CONST: u8 = 0x41;
    const I32_LOAD: u8 = 0x28;
    const I32_STORE: u8 = 0x36;
    const I32_ADD: u8 = 0x6a;
    let access = |opcode: u8, bytes: &mut Vec<u8>| {
        // An alignment of 4 bytes; for any memory but the first one with the bit that says that its number follows, which
        // older engines do not know. No offset.
        if memory == 0 {
            bytes.extend_from_slice(&[opcode, 2]);
        } else {
            bytes.extend_from_slice(&[opcode, 0x42]);
            edit::leb(memory, bytes);
        }
        bytes.push(0);
    };
    let address = word as i64 * 4;
    for _ in 0..2 {
        bytes.push(I32_CONST);
        edit::signed_leb(address, bytes);
    }
    access(I32_LOAD, bytes);
    bytes.extend_from_slice(&[I32_CONST, 1, I32_ADD]);
    access(I32_STORE, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_counted_as_often_as_they_run() {
        let text = r#"(module (func (export "f") (local i32)
            (loop $again
                (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get 0) (i32.const 7))))
            (drop (i32.div_u (i32.const 1) (i32.const 0)))
            nop))"#;
        let counted = Counted::new(&wat::parse_str(text).expect("text"), as_is).expect("valid");
        let engine = wasmi::Engine::default();
        let module = wasmi::Module::new(&engine, &counted.wasm).expect("valid");
        let mut store = wasmi::Store::new(&engine, ());
        let instance = wasmi::Instance::new(&mut store, &module, &[]).expect("an instance");
        let f = instance.get_func(&store, "f").expect("exported");
        assert!(f.call(&mut store, &[], &mut []).is_err());
        let memory = instance.get_memory(&store, EXPORT).expect("exported").data(&store).to_vec();
        let mut tally = Tally::default();
        counted.add_to(&memory, &mut tally);
        let times = |name: &str| tally.0.get(&format!("{EXECUTED}{name}")).copied().unwrap_or_default();
        assert_eq!((times("Loop"), times("I32Add"), times("BrIf"), times("LocalGet")), (1, 7, 7, 14));
        assert_eq!((times("I32DivU"), times("Nop")), (0, 0), "a trap cut the stretch short");
    }
}
