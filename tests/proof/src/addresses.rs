//! Loads and stores of every width around the ends of a memory and of the index type, against a model: access, static
//! offset and shape of the index are a case; each runs in every memory plan with all bases that matter.

use crate::case::{Check, Finding, Rng, Tally};
use crate::setup;
use epsilon::{Compilation, Config, Engine, Instance, Memory, Module, OptLevel, Store, Trap, TypedFunc};
use std::fmt::Write;

const PAGE: u64 = 65_536;

/// How the index is computed from the parameter: in the text, and in the model.
type Shape = (&'static str, fn(u32) -> u32);

const SHAPES: [Shape; 7] = [
    ("(local.get 0)", |n| n),
    ("(i32.add (local.get 0) (i32.const 16))", |n| n.wrapping_add(16)),
    ("(i32.add (local.get 0) (i32.const -16))", |n| n.wrapping_sub(16)),
    ("(i32.shl (local.get 0) (i32.const 3))", |n| n << 3),
    ("(i32.and (local.get 0) (i32.const 0x1ffff))", |n| n & 0x1ffff),
    ("(i32.wrap_i64 (i64.add (i64.extend_i32_u (local.get 0)) (i64.const 0x1_0000_0000)))", |n| n),
    ("(i32.mul (local.get 0) (i32.const 4))", |n| n.wrapping_mul(4)),
];

/// Static offsets.
const OFFSETS: [u64; 14] = [
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

/// What a load makes of the bytes that it reads: the 64 bits that the function returns.
type Widen = fn(&[u8]) -> u64;

fn number(bytes: &[u8]) -> u64 {
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
    ("v128.load", "local.tee 1 i64x2.extract_lane 0 local.get 1 i64x2.extract_lane 1 i64.xor", 16, |b| {
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

/// Stores: the operator, how it gets its value from the `i64` in local 0, bytes written, and the first of the value's.
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

/// The check.
pub struct Addresses {
    engines: Vec<(String, Engine)>,
}

/// One case: an access with an offset and a shape.
struct Access {
    load: Option<Widen>,
    operator: &'static str,
    convert: &'static str,
    width: usize,
    offset: u64,
    shape: Shape,
    pages: u64,
}

impl Access {
    fn of(n: usize, rng: &mut Rng) -> Self {
        let accesses = LOADS.len() + STORES.len();
        let (access, rest) = (n % accesses, n / accesses);
        let shape = SHAPES[rest / OFFSETS.len() % SHAPES.len()];
        let (offset, pages) = (OFFSETS[rest % OFFSETS.len()], 1 + rng.below(2) as u64);
        match LOADS.get(access) {
            Some((operator, convert, width, widen)) => {
                Self { load: Some(*widen), operator, convert, width: *width, offset, shape, pages }
            }
            None => {
                let (operator, convert, width) = STORES[access - LOADS.len()];
                Self { load: None, operator, convert, width, offset, shape, pages }
            }
        }
    }

    fn text(&self) -> String {
        let (name, lane) = self.operator.split_once(' ').unwrap_or((self.operator, ""));
        let access = format!("{name} offset={} {lane}", self.offset);
        let mut text = format!("(module (memory (export \"m\") {0} {0})\n", self.pages);
        let vector = if name.contains("_lane") { "v128.const i64x2 0 0" } else { "" };
        let (index, convert) = (self.shape.0, self.convert);
        // The value of a store comes second, so that both kinds have the index in local 0.
        let _ = match self.load {
            Some(_) => {
                let body = format!("{index} {vector} {access} {convert}");
                write!(text, "(func (export \"f\") (param i32 i64) (result i64) (local v128) {})", third_local(&body))
            }
            None => write!(
                text,
                "(func (export \"f\") (param i32 i64) (result i64) {index} local.get 1 {convert} {access} i64.const 0)"
            ),
        };
        text.push(')');
        text
    }

    /// Bases that put the access around an end of the memory, of the index type, or of a sign.
    fn params(&self, rng: &mut Rng) -> Vec<u32> {
        let mut addresses: Vec<u64> = vec![0, 1, 8, 1 << 31, (1 << 31) - 1, u64::from(u32::MAX), 0xffff_fff0, 0x1_0000];
        let end = self.pages * PAGE;
        addresses.extend((end - 20..end + 4).map(|address| address.wrapping_sub(self.offset)));
        addresses.extend((0..6).map(|_| rng.next() % (end + 64)));
        addresses.extend((0..2).map(|_| rng.next()));
        let mut params: Vec<u32> = Vec::new();
        for address in addresses {
            let base = address as u32;
            params.extend([base, base.wrapping_sub(16), base.wrapping_add(16), base >> 3, base >> 2]);
        }
        params.sort_unstable();
        params.dedup();
        params
    }
}

/// `v128.load` folds through a local of its own behind the parameters.
fn third_local(body: &str) -> String {
    body.replace("local.tee 1", "local.tee 2").replace("local.get 1 i64x2", "local.get 2 i64x2")
}

/// A memory's first contents: no two neighbouring words alike.
fn fill(memory: &mut [u8]) {
    let mut rng = Rng::new(77);
    for word in memory.chunks_mut(8) {
        word.copy_from_slice(&rng.next().to_le_bytes()[..word.len()]);
    }
}

/// A module's parts under test.
struct Instantiated {
    store: Store<()>,
    call: TypedFunc<(i32, i64), i64>,
    memory: Memory,
}

fn instantiate(engine: &Engine, wasm: &[u8]) -> epsilon::Result<Instantiated> {
    let module = Module::new(engine, wasm)?;
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let call = instance.get_typed_func(&mut store, "f")?;
    let memory = instance.get_memory(&mut store, "m").expect("exported");
    Ok(Instantiated { store, call, memory })
}

impl Addresses {
    /// With an engine of every memory plan, optimising or not.
    pub fn new() -> Self {
        let mut engines = Vec::new();
        for (name, strategy, anchored) in setup::MEMORIES {
            for (opt, level) in [("speed", OptLevel::Speed), ("none", OptLevel::None)] {
                let mut config = Config::new();
                config.memory_strategy(strategy).cranelift_opt_level(level).compilation(Compilation::Lazy).cache(None);
                if let Some(anchored) = anchored {
                    config.memory_at_anchor(anchored);
                }
                engines.push((format!("{name} {opt}"), Engine::new(&config).expect("an engine")));
            }
        }
        Self { engines }
    }
}

/// Makes one access, and compares result, trap and memory with the model's.
fn compare(
    access: &Access,
    param: u32,
    value: u64,
    subject: &mut Instantiated,
    model: &mut [u8],
) -> Result<bool, String> {
    let start = u64::from((access.shape.1)(param)) + access.offset;
    let end = start + access.width as u64;
    let result = subject.call.call(&mut subject.store, (param as i32, value as i64));
    if end > model.len() as u64 {
        return match result {
            Err(error) if error.trap() == Some(Trap::MemoryOutOfBounds) => Ok(true),
            other => Err(format!("{start:#x} is out of bounds, but gives {other:?}")),
        };
    }
    let range = start as usize..end as usize;
    let expected = match access.load {
        Some(widen) => widen(&model[range.clone()]),
        None => {
            let bytes = [value.to_le_bytes(), value.to_le_bytes()].concat();
            model[range.clone()].copy_from_slice(&bytes[..access.width]);
            0
        }
    };
    match result {
        Ok(found) if found as u64 == expected => {}
        other => return Err(format!("{start:#x} gives {other:x?}, not {expected:#x}")),
    }
    let around = range.start.saturating_sub(16)..(range.end + 16).min(model.len());
    if subject.memory.data(&subject.store)[around.clone()] != model[around] {
        return Err(format!("the memory around {start:#x} is another"));
    }
    Ok(false)
}

impl Check for Addresses {
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let mut rng = Rng::new(seed);
        let access = Access::of((seed - 1) as usize, &mut rng);
        let text = access.text();
        let wasm = wat::parse_str(&text).expect("the text is well formed");
        let params = access.params(&mut rng);
        for (name, engine) in &self.engines {
            let wrong = |what: String| Finding::new(format!("{name}: {text}: {what}"), &wasm);
            let mut subject = instantiate(engine, &wasm).map_err(|error| wrong(error.to_string()))?;
            let mut model = vec![0; (access.pages * PAGE) as usize];
            fill(&mut model);
            subject.memory.data_mut(&mut subject.store).copy_from_slice(&model);
            for param in &params {
                let trapped = compare(&access, *param, rng.next(), &mut subject, &mut model)
                    .map_err(|what| wrong(format!("param {param:#x}: {what}")))?;
                tally.count(if trapped { "accesses out of bounds" } else { "accesses in bounds" });
            }
            if *subject.memory.data(&subject.store) != model[..] {
                return Err(wrong("the memory is another in the end".into()));
            }
        }
        Ok(())
    }
}
