//! All opcodes that take and give plain values, with their types. Nothing is listed by hand: every encoding is tried
//! with every type until the validator takes it, so that none can be forgotten. Knows no engine.

use crate::operators;
use std::sync::OnceLock;
use wasm_encoder::{
    CodeSection, Function, FunctionSection, Instruction, MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// Types of plain values.
pub const TYPES: [ValType; 5] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];
/// Largest alignment of an access, as a power of two.
const MAX_ALIGN: u8 = 4;

/// An opcode, and its type.
#[derive(Clone, Debug)]
pub struct Opcode {
    /// The operator's name.
    pub name: &'static str,
    /// Its encoding, without immediates.
    pub bytes: Vec<u8>,
    /// What it takes; an access its address first, of 32 bits.
    pub params: Vec<ValType>,
    /// What it gives.
    pub results: Vec<ValType>,
    /// What is accessed in memory, if it is.
    pub access: Option<Access>,
    /// Lanes to choose one from; 0 for none.
    pub lanes: u8,
    /// Whether it chooses 16 lanes out of 32.
    pub shuffles: bool,
}

/// An access to memory.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Its natural alignment, as a power of two.
    pub align: u8,
    /// Whether it is atomic, and so has to be aligned.
    pub atomic: bool,
}

impl Opcode {
    /// Whether the result of equal operands may differ between machines.
    pub fn is_relaxed(&self) -> bool {
        self.name.contains("Relaxed")
    }

    /// Whether it is of the proposal for wide arithmetic.
    pub fn is_wide(&self) -> bool {
        self.results.len() == 2
    }

    /// Whether it is of the proposal for threads.
    pub fn is_atomic(&self) -> bool {
        self.access.is_some_and(|access| access.atomic)
    }

    /// The opcode with immediates: for an access, the offset; for lanes, which.
    pub fn encode(&self, offset: u64, mut lane: impl FnMut(u8) -> u8) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(access) = self.access {
            bytes.push(access.align);
            leb(offset, &mut bytes);
        }
        if self.shuffles {
            bytes.extend((0..16).map(|_| lane(32)));
        } else if self.lanes > 0 {
            bytes.push(lane(self.lanes));
        }
        bytes
    }
}

/// Appends a number in LEB128.
fn leb(mut n: u64, bytes: &mut Vec<u8>) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// An opcode with its prefix.
fn prefixed(prefix: u8, n: u64) -> Vec<u8> {
    let mut bytes = vec![prefix];
    leb(n, &mut bytes);
    bytes
}

/// Every encoding that may be an opcode: bytes without immediates, and whether it is an access, and an atomic one.
fn encodings() -> Vec<(Vec<u8>, bool, bool)> {
    let mut found: Vec<_> = (0x28..=0x3e).map(|byte| (vec![byte], true, false)).collect();
    found.extend((0x45..=0xc4).map(|byte| (vec![byte], false, false)));
    found.extend((0..8).chain(19..23).map(|n| (prefixed(0xfc, n), false, false)));
    for n in (0..0x0c).chain(0x0d..0x114) {
        let access = n < 0x0c || (0x54..0x5e).contains(&n);
        found.push((prefixed(0xfd, n), access, false));
    }
    found.extend((0..0x4f).map(|n| (prefixed(0xfe, n), true, true)));
    found
}

/// Lists of operands, the shortest first.
fn tuples() -> Vec<Vec<ValType>> {
    let mut tuples: Vec<Vec<ValType>> = TYPES.iter().map(|a| vec![*a]).collect();
    for first in tuples.clone() {
        tuples.extend(TYPES.iter().map(|b| vec![first[0], *b]));
    }
    tuples.push(vec![ValType::V128; 3]);
    for ty in [ValType::I32, ValType::I64] {
        tuples.push(vec![ValType::I32, ty, ty]);
        tuples.push(vec![ValType::I32, ty, ValType::I64]);
    }
    tuples.push(vec![ValType::I64; 4]);
    tuples
}

fn result_lists() -> Vec<Vec<ValType>> {
    let mut lists: Vec<Vec<ValType>> = TYPES.iter().map(|ty| vec![*ty]).collect();
    lists.push(Vec::new());
    lists.push(vec![ValType::I64; 2]);
    lists
}

/// A module of one function that applies an opcode to its parameters. If `results` is `None`, what it gives is ignored.
fn application(opcode: &Opcode, results: Option<&[ValType]>) -> Vec<u8> {
    let mut body = Function::new([]);
    for n in 0..opcode.params.len() as u32 {
        body.instruction(&Instruction::LocalGet(n));
    }
    body.raw(opcode.encode(0, |_| 0));
    if results.is_none() {
        body.instruction(&Instruction::Unreachable);
    }
    body.instruction(&Instruction::End);
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    types.ty().function(opcode.params.iter().copied(), results.unwrap_or(&[]).iter().copied());
    functions.function(0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: Some(1), memory64: false, shared: false, page_size_log2: None });
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&code);
    module.finish()
}

fn is_valid(wasm: &[u8]) -> bool {
    let features = WasmFeatures::WASM3 | WasmFeatures::THREADS | WasmFeatures::WIDE_ARITHMETIC;
    Validator::new_with_features(features).validate_all(wasm).is_ok()
}

/// Finds immediates and types of an encoding; `None` if it is no such opcode.
fn complete(bytes: Vec<u8>, access: bool, atomic: bool, tuples: &[Vec<ValType>]) -> Option<Opcode> {
    let mut opcode =
        Opcode { name: "", bytes, params: Vec::new(), results: Vec::new(), access: None, lanes: 0, shuffles: false };
    let aligns: Vec<Option<u8>> = if access { (0..=MAX_ALIGN).rev().map(Some).collect() } else { vec![None] };
    let lanes: &[u8] = if access { &[0, 16, 8, 4, 2] } else { &[0, 16] };
    for align in aligns {
        opcode.access = align.map(|align| Access { align, atomic });
        for lanes in lanes {
            opcode.lanes = *lanes;
            for shuffles in [false, true] {
                opcode.shuffles = shuffles;
                if shuffles && *lanes != 16 {
                    continue;
                }
                let found = tuples.iter().filter(|params| !access || params[0] == ValType::I32).find_map(|params| {
                    opcode.params.clone_from(params);
                    // A byte behind it may have been taken for a lane; then there are no types for it.
                    if is_valid(&application(&opcode, None)) { typed(opcode.clone()) } else { None }
                });
                if found.is_some() {
                    return found;
                }
            }
        }
    }
    None
}

/// Adds results, lanes and name to an opcode whose operands are known.
fn typed(mut opcode: Opcode) -> Option<Opcode> {
    opcode.results = result_lists().into_iter().find(|results| is_valid(&application(&opcode, Some(results))))?;
    if opcode.lanes > 0 && !opcode.shuffles {
        let takes = |lane: u8| {
            let mut bytes = opcode.encode(0, |_| lane);
            let mut fixed = opcode.clone();
            (fixed.lanes, fixed.access) = (0, None);
            fixed.bytes = std::mem::take(&mut bytes);
            is_valid(&application(&fixed, None))
        };
        opcode.lanes = [16, 8, 4, 2].into_iter().find(|lanes| takes(lanes - 1))?;
    }
    let module = application(&opcode, Some(&opcode.results));
    opcode.name = name_of(&module, opcode.params.len())?;
    Some(opcode)
}

/// The name of the one operator behind those that push the operands; `None` if there are several, because immediates
/// were taken for another.
fn name_of(module: &[u8], operands: usize) -> Option<&'static str> {
    let bodies = Parser::new(0).parse_all(module).flatten().filter_map(|payload| match payload {
        Payload::CodeSectionEntry(body) => body.get_operators_reader().ok(),
        _ => None,
    });
    let operators: Vec<_> = bodies.flat_map(|reader| reader.into_iter().flatten()).collect();
    if operators.len() == operands + 2 { operators.get(operands).map(operators::name) } else { None }
}

/// All opcodes.
pub fn all() -> &'static [Opcode] {
    static ALL: OnceLock<Vec<Opcode>> = OnceLock::new();
    ALL.get_or_init(|| {
        let tuples = tuples();
        let found =
            encodings().into_iter().filter_map(|(bytes, access, atomic)| complete(bytes, access, atomic, &tuples));
        found.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_opcode_is_found() {
        let names = |of: fn(&Opcode) -> bool| {
            all().iter().filter(|opcode| of(opcode)).map(|opcode| opcode.name).collect::<BTreeSet<_>>()
        };
        let pure = names(|opcode| opcode.access.is_none() && !opcode.is_relaxed() && !opcode.is_wide());
        // 128 + 8 scalar; of 236 vector opcodes, 22 access memory and one is a constant.
        assert_eq!(pure.len(), 136 + 213, "{pure:?}");
        assert_eq!(names(Opcode::is_relaxed).len(), 20);
        assert_eq!(names(Opcode::is_wide).len(), 4);
        assert_eq!(names(|opcode| opcode.access.is_some() && !opcode.is_atomic()).len(), 23 + 22);
        // All but the fence, which accesses nothing.
        assert_eq!(names(Opcode::is_atomic).len(), 66);
    }

    #[test]
    fn lanes_are_counted() {
        let lanes = |name| all().iter().find(|opcode| opcode.name == name).map(|opcode| opcode.lanes);
        assert_eq!(lanes("I8x16ExtractLaneS"), Some(16));
        assert_eq!(lanes("V128Load64Lane"), Some(2));
        assert_eq!(lanes("F32x4ReplaceLane"), Some(4));
    }
}
