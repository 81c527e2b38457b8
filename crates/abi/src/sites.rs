//! [`Sites`]: what is known of a function's instructions beside its code, in few bytes. Written once, kept as it is, and
//! read only when something is asked of it: when a trap is explained or a backtrace is made.
//!
//! | bytes | what |
//! |---|---|
//! | number, *t* | length of the traps; traps |
//! | number, *s* | length of the sources; sources |
//! | … | inlined operators |
//!
//! Numbers are as in [`numbers`]. A trap is its distance from the one before, times two; plus one if its code differs from
//! that of the one before, and then follows. A source is its distance times four plus the kind of its position, and what
//! that needs: how much further on in the binary it lies than the last offset, or how much further back; nothing for none;
//! the number of an inlined operator. An inlined operator is the distance of its offset, and its call as a source has it.
//!
//! Reading trusts nothing: from damaged bytes come wrong sites or fewer, and nothing else.

use crate::{InlinedSite, Position, SourceSite, TrapCode, TrapSite, numbers};

/// Which instructions of a function may trap, and where its instructions come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites(Box<[u8]>);

impl Sites {
    /// Traps and sources sorted by their offsets, and the inlined operators that these name.
    pub fn new(traps: &[TrapSite], sources: &[SourceSite], inlined: &[InlinedSite]) -> Self {
        if traps.is_empty() && sources.is_empty() && inlined.is_empty() {
            return Self::default();
        }
        let mut bytes = Vec::new();
        let mut part = Vec::with_capacity(2 * sources.len().max(traps.len()));
        write_traps(&mut part, traps);
        numbers::write(&mut bytes, part.len() as u64);
        bytes.append(&mut part);
        write_sources(&mut part, sources);
        numbers::write(&mut bytes, part.len() as u64);
        bytes.append(&mut part);
        write_inlined(&mut bytes, inlined);
        Self(bytes.into())
    }

    /// Sites that were written before.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// As they are written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Instructions that may trap, sorted by offset.
    pub fn traps(&self) -> impl Iterator<Item = TrapSite> {
        let [mut bytes, ..] = self.parts();
        let (mut offset, mut code) = (0u32, None);
        std::iter::from_fn(move || {
            let number = numbers::read(&mut bytes)?;
            offset = offset.wrapping_add((number >> 1) as u32);
            if number & 1 == 1 {
                let (number, rest) = bytes.split_first()?;
                (code, bytes) = (TrapCode::from_u8(*number), rest);
            }
            Some(TrapSite { offset, code: code? })
        })
    }

    /// Where each run of instructions comes from, sorted by offset; a site holds until the next one.
    pub fn sources(&self) -> impl Iterator<Item = SourceSite> {
        let [_, mut bytes, _] = self.parts();
        let (mut offset, mut base) = (0u32, 0);
        std::iter::from_fn(move || {
            let (distance, position) = read_position(&mut bytes, &mut base)?;
            offset = offset.wrapping_add(distance);
            Some(SourceSite { offset, position })
        })
    }

    /// Operators of other functions that were translated in place of calls: [`Position`]s beyond
    /// [`Position::FIRST_INLINED`] count them.
    pub fn inlined(&self) -> Vec<InlinedSite> {
        let [.., mut bytes] = self.parts();
        let (mut wasm_offset, mut base) = (0u32, 0);
        let next = || {
            wasm_offset = wasm_offset.wrapping_add(numbers::read_signed(&mut bytes)? as u32);
            let (_, call) = read_position(&mut bytes, &mut base)?;
            Some(InlinedSite { wasm_offset, call })
        };
        std::iter::from_fn(next).collect()
    }

    /// The trap that the instruction at an offset raises.
    pub fn trap_at(&self, offset: u32) -> Option<TrapCode> {
        let mut traps = self.traps().skip_while(|site| site.offset < offset);
        traps.next().filter(|site| site.offset == offset).map(|site| site.code)
    }

    /// The offsets in the module's binary of the operator that the instruction at an offset belongs to, and of the inlined
    /// calls around it, innermost first.
    pub fn source_at(&self, offset: u32) -> Vec<u32> {
        let site = self.sources().take_while(|site| site.offset <= offset).last();
        site.map(|site| site.position.offsets(&self.inlined()).collect()).unwrap_or_default()
    }

    /// The traps, the sources, and the inlined operators.
    fn parts(&self) -> [&[u8]; 3] {
        let mut rest = &*self.0;
        let mut part = || {
            let len = numbers::read(&mut rest).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
            let (part, behind) = rest.split_at(len.min(rest.len()));
            rest = behind;
            part
        };
        let (traps, sources) = (part(), part());
        [traps, sources, rest]
    }
}

/// Kinds of positions.
const FURTHER: u64 = 0;
const BACK: u64 = 1;
const NONE: u64 = 2;
const INLINED: u64 = 3;

fn write_traps(bytes: &mut Vec<u8>, traps: &[TrapSite]) {
    let (mut last, mut code) = (0, None);
    for site in traps {
        let is_other = code != Some(site.code);
        numbers::write(bytes, u64::from(site.offset - last) << 1 | u64::from(is_other));
        if is_other {
            bytes.push(site.code as u8);
        }
        (last, code) = (site.offset, Some(site.code));
    }
}

fn write_sources(bytes: &mut Vec<u8>, sources: &[SourceSite]) {
    let (mut last, mut base) = (0, 0);
    for site in sources {
        write_position(bytes, site.offset - last, site.position, &mut base);
        last = site.offset;
    }
}

fn write_inlined(bytes: &mut Vec<u8>, inlined: &[InlinedSite]) {
    let (mut last, mut base) = (0, 0);
    for site in inlined {
        numbers::write_signed(bytes, i64::from(site.wasm_offset) - i64::from(last));
        write_position(bytes, 0, site.call, &mut base);
        last = site.wasm_offset;
    }
}

/// Writes a distance with a position. `base` is the last offset in the binary.
fn write_position(bytes: &mut Vec<u8>, distance: u32, position: Position, base: &mut u32) {
    let (kind, number) = match position.inlined_site() {
        _ if position == Position::NONE => (NONE, None),
        Some(site) => (INLINED, Some(site as u32)),
        None => {
            let from = std::mem::replace(base, position.0);
            (if position.0 >= from { FURTHER } else { BACK }, Some(position.0.abs_diff(from)))
        }
    };
    numbers::write(bytes, u64::from(distance) << 2 | kind);
    if let Some(number) = number {
        numbers::write(bytes, number.into());
    }
}

fn read_position(bytes: &mut &[u8], base: &mut u32) -> Option<(u32, Position)> {
    let number = numbers::read(bytes)?;
    let position = match number & 3 {
        NONE => Position::NONE,
        INLINED => Position::inlined(numbers::read_u32(bytes)? as usize),
        kind => {
            let by = numbers::read_u32(bytes)?;
            *base = if kind == FURTHER { base.wrapping_add(by) } else { base.wrapping_sub(by) };
            Position(*base)
        }
    };
    Some(((number >> 2) as u32, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tables = (Vec<TrapSite>, Vec<SourceSite>, Vec<InlinedSite>);

    fn sample() -> Tables {
        let trap = |offset, code| TrapSite { offset, code };
        let source = |offset, position| SourceSite { offset, position };
        let traps = vec![
            trap(3, TrapCode::MemoryOutOfBounds),
            trap(9, TrapCode::MemoryOutOfBounds),
            trap(9, TrapCode::UnreachableCodeReached),
            trap(70_000, TrapCode::MemoryOutOfBounds),
        ];
        let sources = vec![
            source(0, Position::NONE),
            source(4, Position(1_000_000)),
            source(9, Position::inlined(1)),
            source(12, Position(999_990)),
            source(300, Position(Position::FIRST_INLINED - 1)),
            source(u32::MAX, Position(0)),
        ];
        let inlined = vec![
            InlinedSite { wasm_offset: 99, call: Position(77) },
            InlinedSite { wasm_offset: 12, call: Position::inlined(0) },
            InlinedSite { wasm_offset: u32::MAX, call: Position::NONE },
        ];
        (traps, sources, inlined)
    }

    fn read(sites: &Sites) -> Tables {
        (sites.traps().collect(), sites.sources().collect(), sites.inlined())
    }

    #[test]
    fn tables_come_back() {
        let (traps, sources, inlined) = sample();
        let all = Sites::new(&traps, &sources, &inlined);
        assert_eq!(read(&all), sample());
        assert_eq!(Sites::from_bytes(all.as_bytes()), all);
        assert_eq!(read(&Sites::new(&traps, &[], &[])), (traps, vec![], vec![]));
        assert_eq!(read(&Sites::new(&[], &sources, &[])), (vec![], sources, vec![]));
        assert_eq!(read(&Sites::new(&[], &[], &inlined)), (vec![], vec![], inlined));
        assert_eq!(read(&Sites::default()), (vec![], vec![], vec![]));
    }

    #[test]
    fn what_is_asked_of_an_instruction_is_found() {
        let (traps, sources, inlined) = sample();
        let sites = Sites::new(&traps, &sources, &inlined);
        let found: Vec<_> = [2, 3, 4, 9, 70_000, 70_001].into_iter().map(|offset| sites.trap_at(offset)).collect();
        let memory = Some(TrapCode::MemoryOutOfBounds);
        assert_eq!(found, [None, memory, None, memory, memory, None]);
        let found: Vec<_> = [0, 4, 8, 9, 11, 299].into_iter().map(|offset| sites.source_at(offset)).collect();
        assert_eq!(
            found,
            [vec![], vec![1_000_000], vec![1_000_000], vec![12, 99, 77], vec![12, 99, 77], vec![999_990]]
        );
    }

    #[test]
    fn no_damage_panics_or_goes_on_for_ever() {
        let (traps, sources, inlined) = sample();
        let whole = Sites::new(&traps, &sources, &inlined);
        let bytes = whole.as_bytes();
        for len in 0..bytes.len() {
            read(&Sites::from_bytes(&bytes[..len]));
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let sites = Sites::from_bytes(&damaged);
            let (traps, sources, inlined) = read(&sites);
            assert!(traps.len() + sources.len() + inlined.len() <= bytes.len());
            sites.source_at(9);
        }
    }
}
