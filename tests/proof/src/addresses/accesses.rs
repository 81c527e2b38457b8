//! What `addresses` accesses memory with: every load and store, scalar, vector or atomic, with what it does to bytes;
//! static offsets, and ways to compute an index. Plain tables, and the model; runs nothing.

pub const PAGE: u64 = 65_536;

/// How an index is computed from the parameter: in the text, and in the model.
pub type Shape<T> = (&'static str, fn(T) -> T);

pub const SHAPES: [Shape<u32>; 7] = [
    ("(local.get 0)", |n| n),
    ("(i32.add (local.get 0) (i32.const 16))", |n| n.wrapping_add(16)),
    ("(i32.add (local.get 0) (i32.const -16))", |n| n.wrapping_sub(16)),
    ("(i32.shl (local.get 0) (i32.const 3))", |n| n << 3),
    ("(i32.and (local.get 0) (i32.const 0x1ffff))", |n| n & 0x1ffff),
    ("(i32.wrap_i64 (i64.add (i64.extend_i32_u (local.get 0)) (i64.const 0x1_0000_0000)))", |n| n),
    ("(i32.mul (local.get 0) (i32.const 4))", |n| n.wrapping_mul(4)),
];

/// The same for 64-bit memories.
pub const WIDE_SHAPES: [Shape<u64>; 7] = [
    ("(local.get 0)", |n| n),
    ("(i64.add (local.get 0) (i64.const 16))", |n| n.wrapping_add(16)),
    ("(i64.add (local.get 0) (i64.const -16))", |n| n.wrapping_sub(16)),
    ("(i64.shl (local.get 0) (i64.const 3))", |n| n << 3),
    ("(i64.and (local.get 0) (i64.const 0x1ffff))", |n| n & 0x1ffff),
    ("(i64.extend_i32_u (i32.wrap_i64 (local.get 0)))", |n| n & 0xffff_ffff),
    ("(i64.mul (local.get 0) (i64.const 4))", |n| n.wrapping_mul(4)),
];

/// Static offsets.
pub const OFFSETS: [u64; 14] = [
    0,
    1,
    7,
    16,
    4095,
    PAGE - 1,
    PAGE,
    2 * PAGE - 8,
    2 * PAGE,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_0000,
    0xffff_fff0,
    0xffff_ffff,
];

/// The same for 64-bit memories.
pub const WIDE_OFFSETS: [u64; 14] = [
    0,
    1,
    7,
    16,
    4095,
    PAGE - 1,
    PAGE,
    2 * PAGE - 8,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff0,
    0xffff_ffff_ffff_ffff,
];

/// What a load makes of the bytes that it reads: the 64 bits that the function returns.
type Widen = fn(&[u8]) -> u64;

pub fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

fn signed(bytes: &[u8], bits: u32) -> u64 {
    let shift = 64 - bytes.len() as u32 * 8;
    let wide = ((number(bytes) << shift) as i64 >> shift) as u64;
    if bits == 32 { wide & 0xffff_ffff } else { wide }
}

fn extend_lanes(bytes: &[u8], lane: usize, is_signed: bool) -> u64 {
    let lanes = bytes.chunks(lane).enumerate().take(4 / lane);
    lanes.fold(0, |sum, (n, bytes)| {
        let wide = if is_signed { signed(bytes, 64) } else { number(bytes) };
        sum | (wide & (u64::MAX >> (64 - lane * 16))) << (n * lane * 16)
    })
}

/// Loads: the operator, how its result becomes an `i64`, bytes read, and the model. Of vectors the lower half is seen,
/// and whole vectors are folded.
const LOADS: [(&str, &str, usize, Widen); 32] = [
    ("i32.load", "i64.extend_i32_u", 4, number),
    ("i64.load", "", 8, number),
    ("f32.load", "i32.reinterpret_f32 i64.extend_i32_u", 4, number),
    ("f64.load", "i64.reinterpret_f64", 8, number),
    ("i32.load8_s", "i64.extend_i32_u", 1, |b| signed(b, 32)),
    ("i32.load8_u", "i64.extend_i32_u", 1, number),
    ("i32.load16_s", "i64.extend_i32_u", 2, |b| signed(b, 32)),
    ("i32.load16_u", "i64.extend_i32_u", 2, number),
    ("i64.load8_s", "", 1, |b| signed(b, 64)),
    ("i64.load8_u", "", 1, number),
    ("i64.load16_s", "", 2, |b| signed(b, 64)),
    ("i64.load16_u", "", 2, number),
    ("i64.load32_s", "", 4, |b| signed(b, 64)),
    ("i64.load32_u", "", 4, number),
    ("v128.load", "local.tee 2 i64x2.extract_lane 0 local.get 2 i64x2.extract_lane 1 i64.xor", 16, |b| {
        number(&b[..8]) ^ number(&b[8..])
    }),
    ("v128.load8x8_s", "i64x2.extract_lane 0", 8, |b| extend_lanes(b, 1, true)),
    ("v128.load8x8_u", "i64x2.extract_lane 0", 8, |b| extend_lanes(b, 1, false)),
    ("v128.load16x4_s", "i64x2.extract_lane 0", 8, |b| extend_lanes(b, 2, true)),
    ("v128.load16x4_u", "i64x2.extract_lane 0", 8, |b| extend_lanes(b, 2, false)),
    ("v128.load32x2_s", "i64x2.extract_lane 1", 8, |b| signed(&b[4..], 64)),
    ("v128.load32x2_u", "i64x2.extract_lane 1", 8, |b| number(&b[4..])),
    ("v128.load8_splat", "i64x2.extract_lane 1", 1, |b| number(b) * 0x0101_0101_0101_0101),
    ("v128.load16_splat", "i64x2.extract_lane 1", 2, |b| number(b) * 0x0001_0001_0001_0001),
    ("v128.load32_splat", "i64x2.extract_lane 1", 4, |b| number(b) * 0x0000_0001_0000_0001),
    ("v128.load64_splat", "i64x2.extract_lane 1", 8, number),
    ("v128.load32_zero", "i64x2.extract_lane 0", 4, number),
    ("v128.load64_zero", "i64x2.extract_lane 0", 8, number),
    ("v128.load8_lane 15", "i64x2.extract_lane 1", 1, |b| number(b) << 56),
    ("v128.load16_lane 6", "i64x2.extract_lane 1", 2, |b| number(b) << 32),
    ("v128.load32_lane 1", "i64x2.extract_lane 0", 4, |b| number(b) << 32),
    ("v128.load64_lane 0", "i64x2.extract_lane 0", 8, number),
    ("v128.load64_lane 1", "i64x2.extract_lane 1", 8, number),
];

/// Stores: the operator, how it gets its value from the `i64` in local 1, and bytes written, the first of the value's.
const STORES: [(&str, &str, usize); 15] = [
    ("i32.store", "i32.wrap_i64", 4),
    ("i64.store", "", 8),
    ("f32.store", "i32.wrap_i64 f32.reinterpret_i32", 4),
    ("f64.store", "f64.reinterpret_i64", 8),
    ("i32.store8", "i32.wrap_i64", 1),
    ("i32.store16", "i32.wrap_i64", 2),
    ("i64.store8", "", 1),
    ("i64.store16", "", 2),
    ("i64.store32", "", 4),
    ("v128.store", "i64x2.splat", 16),
    ("v128.store8_lane 8", "i64x2.splat", 1),
    ("v128.store16_lane 4", "i64x2.splat", 2),
    ("v128.store32_lane 2", "i64x2.splat", 4),
    ("v128.store64_lane 0", "i64x2.splat", 8),
    ("v128.store64_lane 1", "i64x2.splat", 8),
];

/// Atomic accesses: the type of the operands, what is behind the operator's name, and bytes of memory.
const ATOMICS: [(&str, &str, usize); 7] = [
    ("i32", "", 4),
    ("i64", "", 8),
    ("i32", "8", 1),
    ("i32", "16", 2),
    ("i64", "8", 1),
    ("i64", "16", 2),
    ("i64", "32", 4),
];

/// What an atomic update makes of the old value and its operand.
type Change = fn(u64, u64) -> u64;

/// Atomic updates: what they are called, and what they do.
const UPDATES: [(&str, Change); 7] = [
    ("add", u64::wrapping_add),
    ("sub", u64::wrapping_sub),
    ("and", |old, n| old & n),
    ("or", |old, n| old | n),
    ("xor", |old, n| old ^ n),
    ("xchg", |_, n| n),
    (EXCHANGE, |old, n| if old == n { replacement(n) } else { old }),
];
const EXCHANGE: &str = "cmpxchg";

/// What takes the place of an expected value.
const fn replacement(expected: u64) -> u64 {
    expected ^ 0x5a
}

/// What an access does to the bytes at its address.
#[derive(Clone, Copy)]
pub enum Effect {
    /// Reads them.
    Load(Widen),
    /// Puts the operand there.
    Store,
    /// Gives the old value and puts a new one there.
    Update(Change),
}

/// An operator that accesses memory.
pub struct Operator {
    /// Without immediates.
    pub name: String,
    /// The lane, if it has one.
    pub lane: &'static str,
    /// Bytes of memory.
    pub width: usize,
    /// Whether it traps where it is not aligned.
    pub is_atomic: bool,
    /// Operators that make its operands of the `i64` in local 1, with the index on the stack.
    pub before: String,
    /// Operators that make an `i64` of its result.
    pub after: String,
    pub effect: Effect,
}

/// Number of operators; atomic updates of one width take turns.
pub const OPERATORS: usize = LOADS.len() + STORES.len() + 3 * ATOMICS.len();

impl Operator {
    /// One of all; `turn` says which of the atomic updates.
    pub fn of(n: usize, turn: usize) -> Self {
        if let Some((name, after, width, widen)) = LOADS.get(n) {
            let before = if name.contains("_lane") { "v128.const i64x2 0 0" } else { "" };
            return Self::plain(name, *width, before.into(), (*after).into(), Effect::Load(*widen));
        }
        let n = n - LOADS.len();
        if let Some((name, before, width)) = STORES.get(n) {
            return Self::plain(name, *width, format!("local.get 1 {before}"), "i64.const 0".into(), Effect::Store);
        }
        let n = n - STORES.len();
        Self::atomic(n / ATOMICS.len(), ATOMICS[n % ATOMICS.len()], UPDATES[turn % UPDATES.len()])
    }

    fn plain(name: &'static str, width: usize, before: String, after: String, effect: Effect) -> Self {
        let (name, lane) = name.split_once(' ').unwrap_or((name, ""));
        Self { name: name.into(), lane, width, is_atomic: false, before, after, effect }
    }

    fn atomic(kind: usize, (ty, bits, width): (&str, &str, usize), (update, change): (&str, Change)) -> Self {
        let (cut, after) = if ty == "i32" { ("i32.wrap_i64", "i64.extend_i32_u") } else { ("", "") };
        let extends = if bits.is_empty() { "" } else { "_u" };
        let operand = format!("local.get 1 {cut}");
        let (name, before, after, effect) = match kind {
            0 => (format!("{ty}.atomic.load{bits}{extends}"), String::new(), after, Effect::Load(number)),
            1 => (format!("{ty}.atomic.store{bits}"), operand, "i64.const 0", Effect::Store),
            _ => {
                let replacement = format!("local.get 1 i64.const {:#x} i64.xor {cut}", replacement(0));
                let operands = if update == EXCHANGE { format!("{operand} {replacement}") } else { operand };
                (format!("{ty}.atomic.rmw{bits}.{update}{extends}"), operands, after, Effect::Update(change))
            }
        };
        Self { name, lane: "", width, is_atomic: true, before, after: after.into(), effect }
    }

    /// Changes the bytes at its address, and gives what the function returns.
    pub fn apply(&self, bytes: &mut [u8], operand: u64) -> u64 {
        let operands = [operand.to_le_bytes(), operand.to_le_bytes()].concat();
        match self.effect {
            Effect::Load(widen) => widen(bytes),
            Effect::Store => {
                bytes.copy_from_slice(&operands[..bytes.len()]);
                0
            }
            Effect::Update(change) => {
                let old = number(bytes);
                let new = change(old, number(&operands[..bytes.len()])).to_le_bytes();
                bytes.copy_from_slice(&new[..bytes.len()]);
                old
            }
        }
    }
}
