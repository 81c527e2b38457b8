//! Every numeric and vector opcode, with edge values, in every form of operands, against wasmi; `br_table` of sizes
//! around powers of two and branches over megabytes of code, against what they must give.
//!
//! Opcodes come from the catalogue. One case is one opcode with one immediate.

use crate::case::{Check, Finding, Rng, Tally};
use crate::catalogue;
use crate::outcome::{Outcome, Value};
use crate::setup::{Choice, Setup, Time};
use crate::{drive, judge, subject};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    Instruction, MemArg, MemArgTarget, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// Tuples of values for each opcode.
const TUPLES: usize = 72;
/// The same where the question is whether a seeded bug is found: an unoptimised build takes minutes for all.
const FEW_TUPLES: usize = 9;
/// Sizes of `br_table`: around these powers of two.
const TABLE_POWERS: std::ops::Range<u32> = 0..13;
/// Instructions between a far branch and its target.
const FAR: [usize; 3] = [1_000, 40_000, 150_000];
/// Shuffles that are tried.
const SHUFFLES: usize = 24;

/// An opcode with its immediates, and its type.
struct Opcode {
    name: &'static str,
    bytes: Vec<u8>,
    params: Vec<ValType>,
    result: ValType,
}

/// The check.
pub struct Opcodes {
    all: Vec<Opcode>,
    judge: wasmi::Engine,
    setups: Vec<Setup>,
    folder: PathBuf,
}

/// All opcodes that take values and give one, every lane of those that choose one, and some shuffles.
fn find_all() -> Vec<Opcode> {
    let mut rng = Rng::new(13);
    let mut found = Vec::new();
    let plain = |opcode: &&catalogue::Opcode| opcode.access.is_none() && !opcode.is_wide();
    for opcode in catalogue::all().iter().filter(plain) {
        let variants = if opcode.shuffles { SHUFFLES } else { opcode.lanes.max(1).into() };
        for variant in 0..variants {
            let lane = |lanes: u8| if opcode.shuffles { rng.below(lanes.into()) as u8 } else { variant as u8 };
            let bytes = opcode.encode(0, lane);
            found.push(Opcode { name: opcode.name, bytes, params: opcode.params.clone(), result: opcode.results[0] });
        }
    }
    found
}

/// A module in the making: functions, each exported under its number.
#[derive(Default)]
struct Builder {
    types: TypeSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
}

impl Builder {
    fn function(&mut self, params: &[ValType], result: ValType, body: &Function) {
        let index = self.functions.len();
        self.types.ty().function(params.iter().copied(), [result]);
        self.functions.function(index);
        self.exports.export(&format!("{index:05}"), ExportKind::Func, index);
        self.code.function(body);
    }

    fn finish(&self) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: Some(1),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut globals = GlobalSection::new();
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        globals.global(ty, &ConstExpr::i32_const(0));
        let mut module = Module::new();
        module.section(&self.types).section(&self.functions).section(&memories).section(&globals);
        module.section(&self.exports).section(&self.code);
        module.finish()
    }
}

const INTEGERS: [u64; 22] = [
    0,
    1,
    2,
    7,
    8,
    31,
    32,
    33,
    63,
    64,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX - 1,
    u64::MAX,
];

const NUMBERS: [f64; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    f64::MIN_POSITIVE,
    5e-324,
    f64::MAX,
    2_147_483_647.0,
    -2_147_483_648.0,
    4_294_967_295.9,
    9_223_372_036_854_775_807.0,
    18_446_744_073_709_551_615.0,
];

/// A value at an edge of a type.
pub fn edge(ty: ValType, rng: &mut Rng) -> Value {
    let integer = if rng.one_in(4) { rng.next() } else { *rng.pick(&INTEGERS) };
    let number = *rng.pick(&NUMBERS);
    match ty {
        ValType::I32 => Value::I32(integer as i32),
        ValType::I64 => Value::I64(integer as i64),
        ValType::F32 => Value::F32((number as f32).to_bits()),
        ValType::F64 => Value::F64(number.to_bits()),
        _ => Value::V128(edge_vector(rng)),
    }
}

fn edge_vector(rng: &mut Rng) -> u128 {
    let lane_bits = *rng.pick(&[8u32, 16, 32, 64]);
    let floats = rng.one_in(2);
    (0..128 / lane_bits).fold(0, |vector, lane| {
        let number = *rng.pick(&NUMBERS);
        let bits = match (floats, lane_bits) {
            (true, 32) => u64::from((number as f32).to_bits()),
            (true, 64) => number.to_bits(),
            _ => *rng.pick(&INTEGERS) & (u64::MAX >> (64 - lane_bits)),
        };
        vector | u128::from(bits) << (lane * lane_bits)
    })
}

/// The constant of a value.
pub fn constant(value: Value) -> Instruction<'static> {
    match value {
        Value::I32(n) => Instruction::I32Const(n),
        Value::I64(n) => Instruction::I64Const(n),
        Value::F32(bits) => Instruction::F32Const(f32::from_bits(bits).into()),
        Value::F64(bits) => Instruction::F64Const(f64::from_bits(bits).into()),
        Value::V128(bits) => Instruction::V128Const(bits as i128),
        Value::Func(_) | Value::Extern(_) => Instruction::Unreachable,
    }
}

fn load(ty: ValType, offset: u64) -> Instruction<'static> {
    let memarg = MemArg { offset, align: 0, target: MemArgTarget::Memory(0), ordering: None };
    match ty {
        ValType::I32 => Instruction::I32Load(memarg),
        ValType::I64 => Instruction::I64Load(memarg),
        ValType::F32 => Instruction::F32Load(memarg),
        ValType::F64 => Instruction::F64Load(memarg),
        _ => Instruction::V128Load(memarg),
    }
}

fn store(ty: ValType, offset: u64) -> Instruction<'static> {
    let memarg = MemArg { offset, align: 0, target: MemArgTarget::Memory(0), ordering: None };
    match ty {
        ValType::I32 => Instruction::I32Store(memarg),
        ValType::I64 => Instruction::I64Store(memarg),
        ValType::F32 => Instruction::F32Store(memarg),
        ValType::F64 => Instruction::F64Store(memarg),
        _ => Instruction::V128Store(memarg),
    }
}

/// Where an operand comes from.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Constant,
    /// Through a local that the optimiser cannot see through: a result of a call would do, a parameter is cheaper.
    Local,
    Memory,
    /// As the first operand.
    Same,
}

/// A function without parameters that applies an opcode to values; calls by another engine need no arguments then.
fn applied(opcode: &Opcode, values: &[Value], forms: &[Form], builder: &mut Builder) {
    // The function that takes locals as parameters is called by one that has the constants.
    let mut body = Function::new([]);
    for (n, (ty, form)) in opcode.params.iter().zip(forms).enumerate() {
        if *form == Form::Memory {
            body.instruction(&Instruction::I32Const(0)).instruction(&Instruction::LocalGet(n as u32));
            body.instruction(&store(*ty, n as u64 * 32));
        }
    }
    for (n, (ty, form)) in opcode.params.iter().zip(forms).enumerate() {
        match form {
            Form::Constant => body.instruction(&constant(values[n])),
            Form::Local => body.instruction(&Instruction::LocalGet(n as u32)),
            Form::Same => body.instruction(&Instruction::LocalGet(0)),
            Form::Memory => body.instruction(&Instruction::I32Const(0)).instruction(&load(*ty, n as u64 * 32)),
        };
    }
    body.raw(opcode.bytes.iter().copied()).instruction(&Instruction::End);
    builder.function(&opcode.params, opcode.result, &body);
    let inner = builder.functions.len() - 1;
    let mut caller = Function::new([]);
    for value in values {
        caller.instruction(&constant(*value));
    }
    caller.instruction(&Instruction::Call(inner)).instruction(&Instruction::End);
    builder.function(&[], opcode.result, &caller);
}

fn forms(opcode: &Opcode) -> Vec<Vec<Form>> {
    use Form::{Constant, Local, Memory, Same};
    match opcode.params.len() {
        1 => vec![vec![Local], vec![Constant], vec![Memory]],
        2 => {
            let mut forms = vec![
                vec![Local, Local],
                vec![Constant, Local],
                vec![Local, Constant],
                vec![Constant, Constant],
                vec![Local, Memory],
                vec![Memory, Local],
            ];
            if opcode.params[0] == opcode.params[1] {
                forms.push(vec![Local, Same]);
            }
            forms
        }
        _ => {
            vec![vec![Local; 3], vec![Constant, Local, Local], vec![Local, Local, Memory], vec![Local, Same, Constant]]
        }
    }
}

fn is_nan(value: Value) -> bool {
    match value {
        Value::F32(bits) => f32::from_bits(bits).is_nan(),
        Value::F64(bits) => f64::from_bits(bits).is_nan(),
        _ => false,
    }
}

/// The event with every NaN as the canonical one, where the specification leaves its bits open.
fn without_nan_bits(event: &str, opcode: &Opcode) -> String {
    let exact = ["Abs", "Neg", "Copysign", "Reinterpret"].iter().any(|name| opcode.name.contains(name));
    let number = |text: &str| text.trim_end_matches(")]").parse().ok();
    if exact {
        return event.to_owned();
    }
    if let Some(bits) = event.strip_prefix("returned [F32(").and_then(&number) {
        return if is_nan(Value::F32(bits as u32)) { "a NaN".into() } else { event.to_owned() };
    }
    if let Some(bits) = event.strip_prefix("returned [F64(").and_then(&number) {
        return if is_nan(Value::F64(bits as u64)) { "a NaN".into() } else { event.to_owned() };
    }
    let vector = event.strip_prefix("returned [V128(").and_then(number);
    match vector {
        Some(bits) if opcode.name.starts_with("F32x4") => lanes_without_nan_bits(bits, 32),
        Some(bits) if opcode.name.starts_with("F64x2") => lanes_without_nan_bits(bits, 64),
        _ => event.to_owned(),
    }
}

fn lanes_without_nan_bits(vector: u128, lane_bits: u32) -> String {
    let mut text = String::new();
    for lane in 0..128 / lane_bits {
        let bits = (vector >> (lane * lane_bits)) as u64 & (u64::MAX >> (64 - lane_bits));
        let value = if lane_bits == 32 { Value::F32(bits as u32) } else { Value::F64(bits) };
        let _ = if is_nan(value) { write!(text, " NaN") } else { write!(text, " {bits:x}") };
    }
    text
}

fn normal(outcome: Outcome, opcode: &Opcode) -> Outcome {
    let log = outcome.log.iter().map(|event| without_nan_bits(event, opcode)).collect();
    Outcome { log, ..outcome }
}

impl Opcodes {
    /// With all opcodes.
    pub fn new(folder: &Path) -> Self {
        // Relaxed opcodes have one answer in a deterministic setting, and the judge gives the same.
        let choice = Choice::new(1, Time::Lazy).with("relaxed vectors deterministic", true);
        let setups = [choice.clone(), choice.with("optimised", false)].map(|choice| choice.setup(folder)).into();
        Self { all: find_all(), judge: judge::engine(), setups, folder: folder.to_owned() }
    }

    fn apply(&self, opcode: &Opcode, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let mut rng = Rng::new(seed);
        let mut builder = Builder::default();
        let tuples = if drive::one_is_enough() { FEW_TUPLES } else { TUPLES };
        for _ in 0..tuples {
            let values: Vec<Value> = opcode.params.iter().map(|ty| edge(*ty, &mut rng)).collect();
            for forms in forms(opcode) {
                applied(opcode, &values, &forms, &mut builder);
                tally.count("applications");
            }
        }
        let wasm = builder.finish();
        drive::note_module(&self.folder, &wasm);
        let wrong = |what: String| Finding::new(format!("{}: {what}", opcode.name), &wasm);
        let expected = judge::run(&self.judge, &wasm, seed, tally).map_err(|error| wrong(format!("{error:?}")))?;
        let expected = normal(expected, opcode);
        for setup in &self.setups {
            let found = subject::run(setup, &wasm, seed).map_err(|error| wrong(format!("{error:?}")))?;
            if let Some(what) = normal(found, opcode).difference(&expected) {
                return Err(wrong(format!("{}: {what}", setup.name)));
            }
        }
        tally.count(&format!("opcode {}", opcode.name));
        Ok(())
    }

    /// A `br_table` of a size; every index leads where its target says.
    fn table(&self, size: u32, tally: &mut Tally) -> Result<(), Finding> {
        const BLOCKS: u32 = 5;
        let target = |index: u32| index.wrapping_mul(2_654_435_761) >> 7;
        let mut body = Function::new([]);
        for _ in 0..BLOCKS {
            body.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
        }
        let targets: Vec<u32> = (0..size).map(|index| target(index) % BLOCKS).collect();
        body.instruction(&Instruction::LocalGet(0));
        body.instruction(&Instruction::BrTable(targets.clone().into(), BLOCKS - 1));
        for block in 0..BLOCKS {
            body.instruction(&Instruction::End).instruction(&Instruction::I32Const(block as i32));
            body.instruction(&Instruction::Return);
        }
        body.instruction(&Instruction::End);
        let mut builder = Builder::default();
        builder.function(&[ValType::I32], ValType::I32, &body);
        let wasm = builder.finish();
        for setup in &self.setups {
            let wrong = |what: String| Finding::new(format!("br_table of {size}, {}: {what}", setup.name), &wasm);
            let mut call = subject::callable(setup, &wasm).map_err(|error| wrong(error.to_string()))?;
            let beyond = [size, size + 1, 1 << 31, u32::MAX];
            for index in (0..size).chain(beyond) {
                let expected = targets.get(index as usize).copied().unwrap_or(BLOCKS - 1);
                let found = call(index as i32).map_err(|error| wrong(error.to_string()))?;
                tally.count("br_table branches");
                if found != expected as i32 {
                    return Err(wrong(format!("index {index} leads to {found}, not {expected}")));
                }
            }
        }
        Ok(())
    }

    /// A loop around so many instructions, left from its middle and from its end.
    fn far(&self, len: usize, tally: &mut Tally) -> Result<(), Finding> {
        let mut body = Function::new([(2, ValType::I32)]);
        let (param, n, sum) = (0, 1, 2);
        body.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
        body.instruction(&Instruction::Loop(wasm_encoder::BlockType::Empty));
        let step = |body: &mut Function, constant: i32| {
            body.instruction(&Instruction::LocalGet(sum)).instruction(&Instruction::I32Const(constant));
            body.instruction(&Instruction::I32Xor).instruction(&Instruction::LocalGet(param));
            body.instruction(&Instruction::I32Add).instruction(&Instruction::LocalSet(sum));
        };
        for at in 0..len as i32 {
            if at == 3 {
                body.instruction(&Instruction::LocalGet(n)).instruction(&Instruction::I32Const(2));
                body.instruction(&Instruction::I32GeU).instruction(&Instruction::BrIf(1));
            }
            step(&mut body, at);
        }
        body.instruction(&Instruction::LocalGet(n)).instruction(&Instruction::I32Const(1));
        body.instruction(&Instruction::I32Add).instruction(&Instruction::LocalTee(n));
        body.instruction(&Instruction::I32Const(9))
            .instruction(&Instruction::I32LtU)
            .instruction(&Instruction::BrIf(0));
        body.instruction(&Instruction::End).instruction(&Instruction::End);
        body.instruction(&Instruction::LocalGet(sum)).instruction(&Instruction::End);
        let mut builder = Builder::default();
        builder.function(&[ValType::I32], ValType::I32, &body);
        let wasm = builder.finish();
        let model = |param: i32| {
            let turn = |sum: i32, steps: usize| (0..steps as i32).fold(sum, |sum, at| (sum ^ at).wrapping_add(param));
            turn(turn(turn(0, len), len), 3)
        };
        for setup in &self.setups {
            let wrong = |what: String| Finding::new(format!("{len} far, {}: {what}", setup.name), &wasm);
            let mut call = subject::callable(setup, &wasm).map_err(|error| wrong(error.to_string()))?;
            for param in [0, 1, -7, i32::MAX] {
                let found = call(param).map_err(|error| wrong(error.to_string()))?;
                tally.count("far branches");
                if found != model(param) {
                    return Err(wrong(format!("{param} gives {found}, not {}", model(param))));
                }
            }
        }
        Ok(())
    }
}

impl Check for Opcodes {
    /// One opcode, table size or distance; seeds go round through all of them.
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let sizes: Vec<u32> = TABLE_POWERS.flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1]).collect();
        let n = (seed - 1) as usize % (self.all.len() + sizes.len() + FAR.len());
        if let Some(opcode) = self.all.get(n) {
            return self.apply(opcode, seed, tally);
        }
        let n = n - self.all.len();
        match sizes.get(n) {
            Some(size) => self.table(*size, tally),
            None => self.far(FAR[n - sizes.len()], tally),
        }
    }
}
