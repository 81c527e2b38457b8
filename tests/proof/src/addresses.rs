//! Loads, stores and atomic accesses of every width around the ends of a memory and of the index type, against a model:
//! access, static offset, shape and type of the index are a case; each runs in every memory plan with all bases that
//! matter.

mod accesses;

use crate::case::{Check, Finding, Rng, Tally};
use crate::setup;
use accesses::{Effect, OFFSETS, OPERATORS, Operator, PAGE, SHAPES, Shape, WIDE_OFFSETS, WIDE_SHAPES, number};
use epsilon::{Compilation, Config, Engine, Instance, Memory, Module, OptLevel, Store, Trap, TypedFunc};

/// The check.
pub struct Addresses {
    engines: Vec<(String, Engine)>,
    /// Those for 64-bit memories, which every plan treats alike.
    wide_engines: Vec<(String, Engine)>,
}

/// How the index is computed, and its type.
enum Index {
    Narrow(Shape<u32>),
    Wide(Shape<u64>),
}

impl Index {
    fn of(&self, param: u64) -> u64 {
        match self {
            Self::Narrow((_, shape)) => shape(param as u32).into(),
            Self::Wide((_, shape)) => shape(param),
        }
    }
}

/// One case: an access with an offset and a shape.
struct Access {
    operator: Operator,
    offset: u64,
    index: Index,
    pages: u64,
}

impl Access {
    /// Neighbouring cases have the two types of index, then come the operators.
    fn of(n: usize, rng: &mut Rng) -> Self {
        let (is_wide, n) = (n % 2 == 1, n / 2);
        let (operator, rest) = (n % OPERATORS, n / OPERATORS);
        let (offset, shape) = (rest % OFFSETS.len(), rest / OFFSETS.len() % SHAPES.len());
        let turn = offset + shape;
        let (offset, index) = match is_wide {
            false => (OFFSETS[offset], Index::Narrow(SHAPES[shape])),
            true => (WIDE_OFFSETS[offset], Index::Wide(WIDE_SHAPES[shape])),
        };
        Self { operator: Operator::of(operator, turn), offset, index, pages: 1 + rng.below(2) as u64 }
    }

    fn text(&self) -> String {
        let (ty, index) = match self.index {
            Index::Narrow((text, _)) => ("i32", text),
            Index::Wide((text, _)) => ("i64", text),
        };
        let Operator { name, lane, before, after, .. } = &self.operator;
        format!(
            "(module (memory (export \"m\") {ty} {pages} {pages})
            (func (export \"f\") (param {ty} i64) (result i64) (local v128)
                {index} {before} {name} offset={} {lane} {after}))",
            self.offset,
            pages = self.pages,
        )
    }

    /// Bases that put the access around an end of the memory, of the index type, or of a sign.
    fn params(&self, rng: &mut Rng) -> Vec<u64> {
        let mut addresses: Vec<u64> = vec![0, 1, 8, 1 << 31, (1 << 31) - 1, u64::from(u32::MAX), 0xffff_fff0, 0x1_0000];
        let end = self.pages * PAGE;
        addresses.extend((end - 20..end + 4).map(|address| address.wrapping_sub(self.offset)));
        addresses.extend((0..6).map(|_| rng.next() % (end + 64)));
        addresses.extend((0..2).map(|_| rng.next()));
        let is_wide = matches!(self.index, Index::Wide(_));
        if is_wide {
            addresses.extend([
                1 << 32,
                (1 << 32) + 8,
                1 << 48,
                1 << 62,
                1 << 63,
                (1 << 63) - 1,
                u64::MAX,
                u64::MAX - 7,
            ]);
        }
        let mut params: Vec<u64> = Vec::new();
        for base in addresses {
            let base = if is_wide { base } else { base & 0xffff_ffff };
            params.extend([base, base.wrapping_sub(16), base.wrapping_add(16), base >> 3, base >> 2]);
        }
        if !is_wide {
            params.iter_mut().for_each(|param| *param &= 0xffff_ffff);
        }
        params.sort_unstable();
        params.dedup();
        params
    }
}

/// A memory's first contents: no two neighbouring words alike.
fn fill(memory: &mut [u8]) {
    let mut rng = Rng::new(77);
    for word in memory.chunks_mut(8) {
        word.copy_from_slice(&rng.next().to_le_bytes()[..word.len()]);
    }
}

/// The function under test, by the type of its index.
enum Call {
    Narrow(TypedFunc<(i32, i64), i64>),
    Wide(TypedFunc<(i64, i64), i64>),
}

/// A module's parts under test.
struct Instantiated {
    store: Store<()>,
    call: Call,
    memory: Memory,
}

impl Instantiated {
    fn new(engine: &Engine, access: &Access, wasm: &[u8]) -> epsilon::Result<Self> {
        let module = Module::new(engine, wasm)?;
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        let call = match access.index {
            Index::Narrow(_) => Call::Narrow(instance.get_typed_func(&mut store, "f")?),
            Index::Wide(_) => Call::Wide(instance.get_typed_func(&mut store, "f")?),
        };
        let memory = instance.get_memory(&mut store, "m").expect("exported");
        Ok(Self { store, call, memory })
    }

    fn call(&mut self, param: u64, operand: u64) -> epsilon::Result<i64> {
        match &self.call {
            Call::Narrow(call) => call.call(&mut self.store, (param as i32, operand as i64)),
            Call::Wide(call) => call.call(&mut self.store, (param as i64, operand as i64)),
        }
    }
}

fn engine(name: &str, strategy: epsilon::MemoryStrategy, anchored: Option<bool>, level: OptLevel) -> (String, Engine) {
    let mut config = Config::new();
    config.memory_strategy(strategy).cranelift_opt_level(level).compilation(Compilation::Lazy).cache(None);
    if let Some(anchored) = anchored {
        config.memory_at_anchor(anchored);
    }
    (format!("{name} {level:?}").to_lowercase(), Engine::new(&config).expect("an engine"))
}

impl Addresses {
    /// With an engine of every memory plan, optimising or not.
    pub fn new() -> Self {
        let (mut engines, mut wide_engines) = (Vec::new(), Vec::new());
        for (name, strategy, anchored) in setup::MEMORIES {
            let [speed, none] = [OptLevel::Speed, OptLevel::None].map(|level| engine(name, strategy, anchored, level));
            wide_engines.push(if anchored == Some(true) { speed.clone() } else { none.clone() });
            engines.extend([speed, none]);
        }
        // Without guards, the optimised code of 64-bit memories is what it is with them.
        wide_engines.truncate(2);
        Self { engines, wide_engines }
    }
}

/// Makes one access, and compares result, trap and memory with the model's; whether it trapped.
fn compare(
    access: &Access,
    param: u64,
    value: u64,
    subject: &mut Instantiated,
    model: &mut [u8],
) -> Result<bool, String> {
    let Operator { width, is_atomic, effect, .. } = access.operator;
    let start = u128::from(access.index.of(param)) + u128::from(access.offset);
    let end = start + width as u128;
    let is_outside = end > model.len() as u128;
    let is_unaligned = is_atomic && start % width as u128 != 0;
    // An expected value is often the one that is there.
    let operand = match effect {
        Effect::Update(_) if !is_outside && value & 1 == 0 => number(&model[start as usize..end as usize]),
        _ => value,
    };
    let result = subject.call(param, operand);
    if is_outside || is_unaligned {
        return match result.as_ref().err().and_then(epsilon::Error::trap) {
            Some(Trap::MemoryOutOfBounds) if is_outside => Ok(true),
            Some(Trap::HeapMisaligned) if is_unaligned => Ok(true),
            _ => Err(format!("{start:#x} is out of bounds or not aligned, but gives {result:?}")),
        };
    }
    let range = start as usize..end as usize;
    let expected = access.operator.apply(&mut model[range.clone()], operand);
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
        let engines = if matches!(access.index, Index::Wide(_)) { &self.wide_engines } else { &self.engines };
        for (name, engine) in engines {
            let wrong = |what: String| Finding::new(format!("{name}: {text}: {what}"), &wasm);
            let mut subject = Instantiated::new(engine, &access, &wasm).map_err(|error| wrong(error.to_string()))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use std::collections::BTreeSet;

    /// Every opcode of the catalogue that accesses memory is among the operators, atomic updates with each of their turns.
    #[test]
    fn no_access_is_forgotten() {
        let plain = |name: &str| name.replace(['.', '_'], "").to_lowercase();
        let cases = 2 * OPERATORS * OFFSETS.len() * SHAPES.len();
        let tested: BTreeSet<String> =
            (0..cases).map(|n| plain(&Access::of(n, &mut Rng::new(1)).operator.name)).collect();
        let accesses = catalogue::all().iter().filter(|opcode| opcode.access.is_some());
        let names: BTreeSet<String> =
            accesses.map(|opcode| plain(opcode.name)).filter(|name| !name.starts_with("memoryatomic")).collect();
        assert_eq!(names, tested);
    }
}
