//! Modules of our own that run given opcodes again and again, so that each is executed often enough: for every opcode
//! of the catalogue in turn a function with a loop, whose operands come from a generator in the guest, from edge values
//! and from memory, and whose results go into a global. Results that may differ between engines are made equal: NaNs
//! become one, and relaxed opcodes get operands for which there is only one answer.

use crate::case::Rng;
use crate::catalogue::{self, Opcode};
use crate::opcodes::{constant, edge};
use crate::source::Judge;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    Instruction, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// Opcodes in one module.
const OPCODES: usize = 12;
/// Turns of a loop.
const TURNS: std::ops::RangeInclusive<usize> = 20..=60;
/// Bytes of the memory that addresses are taken from.
const ADDRESSES: i32 = 0x7ff0;

/// Locals of every function: of each type one, then the turn and the state of the generator.
const LOCALS: [ValType; 7] =
    [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128, ValType::I32, ValType::I64];
const TURN: u32 = 5;
const STATE: u32 = 6;

fn local_of(ty: ValType) -> u32 {
    LOCALS.iter().position(|local| *local == ty).expect("a plain type") as u32
}

/// What all functions of a module share.
struct Shape {
    memory64: bool,
    shared: bool,
}

/// One function in the making.
struct Loop<'a> {
    body: Function,
    shape: &'a Shape,
    rng: &'a mut Rng,
    /// Whether operands are such that nothing traps.
    tame: bool,
}

/// The module of a seed.
pub fn module(seed: u64, judge: Judge) -> Vec<u8> {
    let mut rng = Rng::new(seed ^ 0xd17ec7);
    let shape = Shape { memory64: rng.one_in(4), shared: judge == Judge::V8 && rng.one_in(2) };
    let suits = |opcode: &&Opcode| match judge {
        Judge::V8 => !opcode.is_wide() && (shape.shared || !opcode.name.starts_with("MemoryAtomicWait")),
        Judge::Wasmi => !opcode.is_atomic(),
    };
    let all: Vec<&Opcode> = catalogue::all().iter().filter(suits).collect();
    let (mut functions, mut exports, mut code, mut globals) =
        (FunctionSection::new(), ExportSection::new(), CodeSection::new(), GlobalSection::new());
    let mut types = TypeSection::new();
    types.ty().function([], []);
    for n in 0..OPCODES {
        // Neighbouring seeds take neighbouring opcodes, so that all have their turn.
        let opcode = all[(seed as usize * OPCODES + n) % all.len()];
        let body = Loop { body: locals(), shape: &shape, rng: &mut rng, tame: true }.finish(opcode, n as u32);
        functions.function(0);
        exports.export(&format!("{n:02}"), ExportKind::Func, n as u32);
        code.function(&body);
        globals.global(GlobalType { val_type: ValType::I64, mutable: true, shared: false }, &ConstExpr::i64_const(0));
        exports.export(&format!("sum {n:02}"), ExportKind::Global, n as u32);
    }
    let mut memories = MemorySection::new();
    let Shape { memory64, shared } = shape;
    memories.memory(MemoryType { minimum: 1, maximum: Some(2), memory64, shared, page_size_log2: None });
    exports.export("memory", ExportKind::Memory, 0);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&globals).section(&exports).section(&code);
    module.finish()
}

fn locals() -> Function {
    Function::new(LOCALS.map(|ty| (1, ty)))
}

impl Loop<'_> {
    fn push(&mut self, instruction: &Instruction<'_>) -> &mut Self {
        self.body.instruction(instruction);
        self
    }

    fn finish(mut self, opcode: &Opcode, sum: u32) -> Function {
        let turns = self.rng.below(TURNS.end() - TURNS.start()) + TURNS.start();
        self.tame = !traps(opcode) || !self.rng.one_in(8);
        let start = self.rng.next() as i64;
        self.push(&Instruction::I64Const(start)).push(&Instruction::LocalSet(STATE));
        self.push(&Instruction::Loop(BlockType::Empty));
        for (n, ty) in opcode.params.iter().enumerate() {
            self.operand(opcode, n, *ty);
        }
        let offset = self.rng.below(64) as u64 * 16;
        let lanes: Vec<u8> = self.rng.bytes(16);
        let mut lane = lanes.into_iter();
        self.body.raw(opcode.encode(offset, |lanes| lane.next().expect("at most 16") % lanes));
        for ty in opcode.results.iter().rev() {
            self.add(opcode, *ty, sum);
        }
        self.push(&Instruction::LocalGet(TURN)).push(&Instruction::I32Const(1)).push(&Instruction::I32Add);
        self.push(&Instruction::LocalTee(TURN)).push(&Instruction::I32Const(turns as i32));
        self.push(&Instruction::I32LtU).push(&Instruction::BrIf(0)).push(&Instruction::End).push(&Instruction::End);
        self.body
    }

    /// The next number of the guest's generator.
    fn number(&mut self) {
        self.push(&Instruction::LocalGet(STATE)).push(&Instruction::I64Const(6_364_136_223_846_793_005));
        self.push(&Instruction::I64Mul).push(&Instruction::I64Const(1_442_695_040_888_963_407));
        self.push(&Instruction::I64Add).push(&Instruction::LocalTee(STATE));
        self.push(&Instruction::I64Const(23)).push(&Instruction::I64Rotr);
    }

    fn operand(&mut self, opcode: &Opcode, n: usize, ty: ValType) {
        if let (Some(access), 0) = (opcode.access, n) {
            return self.address(access.align);
        }
        if opcode.name.starts_with("MemoryAtomicWait") && n == 2 {
            // Nobody would wake it.
            self.push(&Instruction::I64Const(0));
            return;
        }
        if opcode.is_relaxed() {
            self.vector();
            return self.unambiguous(opcode, n);
        }
        if !self.rng.one_in(3) || (traps(opcode) && self.tame) {
            return self.generated(ty);
        }
        let value = edge(ty, self.rng);
        self.push(&constant(value));
    }

    fn address(&mut self, align: u8) {
        self.number();
        let mask = if self.tame { ADDRESSES >> align << align } else { 0x1ffff };
        if self.shape.memory64 {
            self.push(&Instruction::I64Const(mask.into())).push(&Instruction::I64And);
        } else {
            self.push(&Instruction::I32WrapI64).push(&Instruction::I32Const(mask)).push(&Instruction::I32And);
        }
    }

    fn generated(&mut self, ty: ValType) {
        if ty == ValType::V128 {
            return self.vector();
        }
        self.number();
        if !self.tame || !self.rng.one_in(2) {
            match ty {
                ValType::I32 => drop(self.push(&Instruction::I32WrapI64)),
                ValType::F32 => drop(self.push(&Instruction::I32WrapI64).push(&Instruction::F32ReinterpretI32)),
                ValType::F64 => drop(self.push(&Instruction::F64ReinterpretI64)),
                _ => {}
            }
            if !self.tame || matches!(ty, ValType::I32 | ValType::I64) {
                return self.odd(ty);
            }
            // A number of any size would not do for a conversion: a small one instead.
            self.push(&Instruction::Drop);
            self.number();
        }
        self.push(&Instruction::I64Const(0x7fff)).push(&Instruction::I64And);
        match ty {
            ValType::I32 => drop(self.push(&Instruction::I32WrapI64)),
            ValType::F32 => drop(self.push(&Instruction::F32ConvertI64S)),
            ValType::F64 => drop(self.push(&Instruction::F64ConvertI64S)),
            _ => {}
        }
        self.odd(ty);
    }

    /// Integers that can be divided by.
    fn odd(&mut self, ty: ValType) {
        if !self.tame {
            return;
        }
        match ty {
            ValType::I32 => drop(self.push(&Instruction::I32Const(1)).push(&Instruction::I32Or)),
            ValType::I64 => drop(self.push(&Instruction::I64Const(1)).push(&Instruction::I64Or)),
            _ => {}
        }
    }

    fn vector(&mut self) {
        self.number();
        self.push(&Instruction::I64x2Splat);
        self.number();
        self.push(&Instruction::I64x2ReplaceLane(1));
    }

    /// Makes of any vector one for which a relaxed opcode has one answer.
    fn unambiguous(&mut self, opcode: &Opcode, n: usize) {
        let mask =
            |byte: [u8; 4]| Instruction::V128Const(i128::from_le_bytes([byte; 4].concat().try_into().expect("16")));
        let small = mask([0x7f, 0, 0, 0]);
        let name = opcode.name;
        if name.contains("Swizzle") && n == 1 {
            self.push(&mask([0x0f; 4])).push(&Instruction::V128And);
        } else if name.contains("Trunc") {
            let double = name.contains("F64x2");
            self.push(&small).push(&Instruction::V128And);
            let convert = if double { Instruction::F64x2ConvertLowI32x4S } else { Instruction::F32x4ConvertI32x4S };
            self.push(&convert);
        } else if name.contains("Laneselect") && n == 2 {
            self.push(&Instruction::V128Const(0));
            let signs = match &name[..5] {
                "I8x16" => Instruction::I8x16LtS,
                "I16x8" => Instruction::I16x8LtS,
                "I32x4" => Instruction::I32x4LtS,
                _ => Instruction::I64x2LtS,
            };
            self.push(&signs);
        } else if name.starts_with("F32x4") {
            self.push(&small).push(&Instruction::V128And).push(&Instruction::F32x4ConvertI32x4S);
        } else if name.starts_with("F64x2") {
            self.push(&small).push(&Instruction::V128And).push(&Instruction::F64x2ConvertLowI32x4S);
        } else if name.contains("Q15") || (name.contains("Dot") && n == 1) {
            let bytes = if name.contains("Q15") { [0xff, 0x7f, 0xff, 0x7f] } else { [0x7f; 4] };
            self.push(&mask(bytes)).push(&Instruction::V128And);
        }
    }

    /// Adds the operand on top to a global.
    fn add(&mut self, opcode: &Opcode, ty: ValType, sum: u32) {
        let local = local_of(ty);
        match ty {
            ValType::I32 => drop(self.push(&Instruction::I64ExtendI32U)),
            ValType::F32 => {
                self.push(&Instruction::LocalTee(local)).push(&Instruction::F32Const(f32::NAN.into()));
                self.push(&Instruction::LocalGet(local)).push(&Instruction::LocalGet(local));
                self.push(&Instruction::F32Eq).push(&Instruction::Select);
                self.push(&Instruction::I32ReinterpretF32).push(&Instruction::I64ExtendI32U);
            }
            ValType::F64 => {
                self.push(&Instruction::LocalTee(local)).push(&Instruction::F64Const(f64::NAN.into()));
                self.push(&Instruction::LocalGet(local)).push(&Instruction::LocalGet(local));
                self.push(&Instruction::F64Eq).push(&Instruction::Select);
                self.push(&Instruction::I64ReinterpretF64);
            }
            ValType::V128 => self.fold_vector(opcode, local),
            _ => {}
        }
        self.push(&Instruction::GlobalGet(sum)).push(&Instruction::I64Const(9)).push(&Instruction::I64Rotl);
        self.push(&Instruction::I64Xor).push(&Instruction::GlobalSet(sum));
    }

    fn fold_vector(&mut self, opcode: &Opcode, local: u32) {
        self.push(&Instruction::LocalTee(local));
        let lanes = match opcode.name.get(..5) {
            Some("F32x4") => {
                Some((Instruction::F32x4Eq, u128::from(f32::NAN.to_bits()) * (1 | 1 << 32 | 1 << 64 | 1 << 96)))
            }
            Some("F64x2") => Some((Instruction::F64x2Eq, u128::from(f64::NAN.to_bits()) * (1 | 1 << 64))),
            _ => None,
        };
        if let Some((equal, nans)) = lanes {
            self.push(&Instruction::V128Const(nans as i128));
            self.push(&Instruction::LocalGet(local)).push(&Instruction::LocalGet(local)).push(&equal);
            self.push(&Instruction::V128Bitselect).push(&Instruction::LocalTee(local));
        }
        self.push(&Instruction::I64x2ExtractLane(0)).push(&Instruction::LocalGet(local));
        self.push(&Instruction::I64x2ExtractLane(1)).push(&Instruction::I64Const(21)).push(&Instruction::I64Rotl);
        self.push(&Instruction::I64Xor);
    }
}

/// Whether an opcode may trap.
fn traps(opcode: &Opcode) -> bool {
    let name = opcode.name;
    opcode.access.is_some()
        || name.contains("Div") && name.starts_with('I')
        || name.contains("Rem")
        || name.contains("Trunc") && !name.contains("Sat") && name.starts_with('I')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn modules_are_valid_and_have_every_opcode() {
        for judge in [Judge::Wasmi, Judge::V8] {
            let mut names = BTreeSet::new();
            for seed in 1..=200 {
                let wasm = module(seed, judge);
                wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
                    .validate_all(&wasm)
                    .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                crate::generate::operators(&wasm, &mut names);
            }
            let suits = |opcode: &&Opcode| match judge {
                Judge::V8 => !opcode.is_wide(),
                Judge::Wasmi => !opcode.is_atomic(),
            };
            let missing: Vec<_> =
                catalogue::all().iter().filter(suits).filter(|opcode| !names.contains(opcode.name)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    }
}
