//! Compiled functions as bytes, and back. Reading trusts nothing: whatever the bytes, the answer is a function or none.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | tier: 0 quick, 1 optimised; plus 2 × the binary logarithm of the alignment |
//! | numbers | code length *c*, number of relocations *r*, number of handlers *h*, length of the sites *s* |
//! | *c* | machine code |
//! | *r* times | distance from the relocation before × 8 plus its kind; target; addend, which may be negative |
//! | *h* times | distance of the return address from the one before; frame size; tag plus one, 0 for all; offset of the handler |
//! | *s* | what is known of instructions ([`Sites`]) |
//!
//! Numbers are as in [`numbers`].

use epsilon_abi::{
    CodeTier, CompiledFunction, DefinedFuncIndex, HandlerSite, RelocKind, Relocation, Sites, StackMaps, TagIndex,
    numbers,
};

/// No code needs more.
const MAX_ALIGN_LOG2: u8 = 12;

/// The bytes of a function.
pub fn encode(function: &CompiledFunction) -> Vec<u8> {
    let (sites, maps) = (function.sites.as_bytes(), function.stack_maps.as_bytes());
    let tables = 8 * function.relocations.len() + 16 * function.handlers.len();
    let mut bytes = Vec::with_capacity(16 + function.code.len() + tables + sites.len() + maps.len());
    bytes.push(function.tier as u8 | (function.align_bytes.trailing_zeros() as u8) << 1);
    for count in [function.code.len(), function.relocations.len(), function.handlers.len(), sites.len(), maps.len()] {
        numbers::write(&mut bytes, count as u64);
    }
    bytes.extend_from_slice(&function.code);
    let mut last = 0;
    for relocation in &function.relocations {
        let distance = i64::from(relocation.offset) - i64::from(last);
        numbers::write_signed(&mut bytes, distance << 3 | relocation.kind as i64);
        numbers::write(&mut bytes, relocation.target.0.into());
        numbers::write_signed(&mut bytes, relocation.addend);
        last = relocation.offset;
    }
    let mut last = 0;
    for handler in &function.handlers {
        let tag = handler.tag.map_or(0, |tag| tag.0 + 1);
        for number in [handler.return_offset - last, handler.frame_bytes, tag, handler.handler_offset] {
            numbers::write(&mut bytes, number.into());
        }
        last = handler.return_offset;
    }
    bytes.extend_from_slice(sites);
    bytes.extend_from_slice(maps);
    bytes
}

/// The function that these bytes are, if they are one of a module with so many functions.
pub fn decode(bytes: &[u8], function_count: usize) -> Option<CompiledFunction> {
    let (tier, align_bytes) = kind_of(bytes)?;
    let mut rest = &bytes[1..];
    let mut count = || usize::try_from(numbers::read(&mut rest)?).ok();
    let (code_len, relocation_count, handler_count) = (count()?, count()?, count()?);
    let (sites_len, maps_len) = (count()?, count()?);
    let (code, mut rest) = rest.split_at_checked(code_len)?;
    let mut last = 0;
    let relocation = || {
        let number = numbers::read_signed(&mut rest)?;
        last = u32::try_from(i64::from(last).checked_add(number >> 3)?).ok()?;
        let relocation = Relocation {
            offset: last,
            kind: reloc_kind((number & 7) as u8)?,
            target: DefinedFuncIndex(numbers::read_u32(&mut rest)?),
            addend: numbers::read_signed(&mut rest)?,
        };
        let fits = (relocation.offset as usize).checked_add(4)? <= code_len;
        (fits && relocation.target.index() < function_count).then_some(relocation)
    };
    let relocations = exactly(relocation_count, relocation)?;
    let mut last = 0u32;
    let handler = || {
        last = last.checked_add(numbers::read_u32(&mut rest)?)?;
        let (return_offset, frame_bytes) = (last, numbers::read_u32(&mut rest)?);
        let tag = numbers::read_u32(&mut rest)?.checked_sub(1).map(TagIndex);
        let handler_offset = numbers::read_u32(&mut rest)?;
        let inside = (return_offset as usize) <= code_len && (handler_offset as usize) < code_len;
        inside.then_some(HandlerSite { return_offset, frame_bytes, tag, handler_offset })
    };
    let handlers = exactly(handler_count, handler)?;
    let (sites, maps) = rest.split_at_checked(sites_len)?;
    let (code, sites, stack_maps) = (code.to_vec(), Sites::from_bytes(sites), StackMaps::from_bytes(maps));
    let function = CompiledFunction { tier, code, align_bytes, relocations, sites, handlers, stack_maps };
    (maps.len() == maps_len).then_some(function)
}

/// So many of what `next` gives; each takes some of the bytes, so that damage cannot ask for more than there are.
fn exactly<T>(count: usize, next: impl FnMut() -> Option<T>) -> Option<Vec<T>> {
    let items: Vec<T> = std::iter::from_fn(next).take(count).collect();
    (items.len() == count).then_some(items)
}

/// The tier of the function that these bytes are, if they are one.
pub fn tier(bytes: &[u8]) -> Option<CodeTier> {
    kind_of(bytes).map(|(tier, _)| tier)
}

fn kind_of(bytes: &[u8]) -> Option<(CodeTier, u32)> {
    let kind = bytes.first()?;
    let tier = tier_of(kind & 1)?;
    (kind >> 1 <= MAX_ALIGN_LOG2).then(|| (tier, 1 << (kind >> 1)))
}

fn tier_of(number: u8) -> Option<CodeTier> {
    [CodeTier::Quick, CodeTier::Optimised].into_iter().find(|tier| *tier as u8 == number)
}

fn reloc_kind(number: u8) -> Option<RelocKind> {
    const KINDS: [RelocKind; 5] = [
        RelocKind::X86CallPcRel4,
        RelocKind::X86PcRel4,
        RelocKind::Arm64Call,
        RelocKind::Aarch64AdrPrelPgHi21,
        RelocKind::Aarch64AddAbsLo12Nc,
    ];
    KINDS.into_iter().find(|kind| *kind as u8 == number)
}

/// Reads little-endian numbers from the front of bytes.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The next number of 32 bits.
    pub fn u32(&mut self) -> Option<u32> {
        self.fixed().map(u32::from_le_bytes)
    }

    /// The next number of 64 bits.
    pub fn u64(&mut self) -> Option<u64> {
        self.fixed().map(u64::from_le_bytes)
    }

    /// The next 32 bytes.
    pub fn hash(&mut self) -> Option<[u8; 32]> {
        self.fixed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use epsilon_abi::{InlinedSite, Position, SourceSite, StackMap, TrapCode, TrapSite};

    fn sample() -> CompiledFunction {
        CompiledFunction {
            tier: CodeTier::Quick,
            code: vec![1, 2, 3, 4, 5, 6, 7, 8],
            align_bytes: 16,
            relocations: vec![
                Relocation { offset: 2, kind: RelocKind::X86CallPcRel4, target: DefinedFuncIndex(1), addend: -4 },
                Relocation { offset: 1, kind: RelocKind::Aarch64AddAbsLo12Nc, target: DefinedFuncIndex(0), addend: 9 },
            ],
            sites: Sites::new(
                &[TrapSite { offset: 3, code: TrapCode::UnreachableCodeReached }],
                &[SourceSite { offset: 0, position: Position(77) }],
                &[InlinedSite { wasm_offset: 99, call: Position(77) }],
            ),
            handlers: vec![
                HandlerSite { return_offset: 5, frame_bytes: 32, tag: Some(TagIndex(0)), handler_offset: 7 },
                HandlerSite { return_offset: 5, frame_bytes: 32, tag: None, handler_offset: 6 },
            ],
            stack_maps: StackMaps::new(&[StackMap { return_offset: 5, slots: vec![-8, 16] }]),
        }
    }

    #[test]
    fn functions_round_trip() {
        assert_eq!(decode(&encode(&sample()), 2), Some(sample()));
    }

    #[test]
    fn no_damage_panics_and_targets_outside_are_refused() {
        let bytes = encode(&sample());
        assert_eq!(decode(&bytes, 1), None);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], 2), None);
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&damaged, 2);
        }
    }
}
