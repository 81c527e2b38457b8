//! What a module did, in words that two engines can agree on.

use crate::case::Rng;

/// A value without an engine's types.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit number, as bits.
    F32(u32),
    /// 64-bit number, as bits.
    F64(u64),
    /// Vector.
    V128(u128),
    /// A function reference, and whether it is null.
    Func(bool),
    /// A host reference, and whether it is null.
    Extern(bool),
}

/// A type of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the specification's names
pub enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
    Extern,
}

const INTERESTING: [u64; 14] = [
    0,
    1,
    u64::MAX,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 32,
    i64::MAX as u64,
    i64::MIN as u64,
    0x80,
    0xffff,
    31,
    65_535,
    65_536,
];

/// A value of a type: often an edge, never a NaN but the canonical one.
pub fn random_value(ty: Type, rng: &mut Rng) -> Value {
    let bits = if rng.one_in(2) { *rng.pick(&INTERESTING) } else { rng.next() >> (rng.below(8) * 8) };
    let f32_of = |bits: u64| {
        let number = if bits & 1 == 0 { f32::from_bits(bits as u32) } else { bits as i32 as f32 };
        if number.is_nan() { 0x7fc0_0000 } else { number.to_bits() }
    };
    let f64_of = |bits: u64| {
        let number = if bits & 1 == 0 { f64::from_bits(bits) } else { bits as i64 as f64 };
        if number.is_nan() { 0x7ff8 << 48 } else { number.to_bits() }
    };
    match ty {
        Type::I32 => Value::I32(bits as i32),
        Type::I64 => Value::I64(bits as i64),
        Type::F32 => Value::F32(f32_of(bits)),
        Type::F64 => Value::F64(f64_of(bits)),
        Type::V128 => Value::V128(u128::from(f64_of(bits)) << 64 | u128::from(f64_of(rng.next()))),
        Type::Func => Value::Func(true),
        Type::Extern => Value::Extern(rng.one_in(2)),
    }
}

/// Everything that can be seen of a module from outside.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Outcome {
    /// Calls, results, traps, host calls and globals, in order.
    pub log: Vec<String>,
    /// Memories, by the names of their exports.
    pub memories: Vec<(String, Vec<u8>)>,
    /// Whether an engine's own limit ended the run: what follows cannot be compared.
    pub stopped: bool,
}

/// Why a module could not be run.
#[derive(Clone, PartialEq, Debug)]
pub enum Refusal {
    /// The engine does not take it.
    Module(String),
    /// It could not be instantiated, which is a result.
    Instance(String),
}

impl Outcome {
    /// The first difference, if there is one.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let pairs = self.log.iter().zip(&other.log).enumerate();
        if let Some((at, (ours, theirs))) = pairs.into_iter().find(|(_, (a, b))| a != b) {
            let limit = |text: &String| text.contains("stack exhausted");
            if limit(ours) || limit(theirs) {
                return None;
            }
            return Some(format!("event {at}: {ours:?}, expected {theirs:?}"));
        }
        if self.stopped || other.stopped {
            return None;
        }
        if self.log.len() != other.log.len() {
            return Some(format!("{} events, expected {}", self.log.len(), other.log.len()));
        }
        for ((name, ours), (_, theirs)) in self.memories.iter().zip(&other.memories) {
            if ours.len() != theirs.len() {
                return Some(format!("memory {name} has {} bytes, expected {}", ours.len(), theirs.len()));
            }
            if let Some(at) = ours.iter().zip(theirs).position(|(a, b)| a != b) {
                return Some(format!("memory {name} at {at:#x}: {:#x}, expected {:#x}", ours[at], theirs[at]));
            }
        }
        (self.memories.len() != other.memories.len()).then(|| "another number of memories".into())
    }
}
