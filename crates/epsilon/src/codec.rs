//! Compiled functions as bytes, and back. Reading trusts nothing: whatever the bytes, the answer is a function or none.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | code length *c* |
//! | 4 | alignment |
//! | 4 | tier: 0 quick, 1 optimised |
//! | 4, 4, 4, 4, 4 | numbers of relocations *r*, trap sites *t*, source sites *s*, handler sites *h*, inlined sites *i* |
//! | *c* | machine code |
//! | 17 × *r* | offset (4), kind (1), target (4), addend (8) |
//! | 5 × *t* | offset (4), code (1) |
//! | 8 × *s* | offset (4), position (4) |
//! | 16 × *h* | offset of the return address (4), frame size (4), tag plus one, 0 for all (4), offset of the handler (4) |
//! | 8 × *i* | offset in the module's binary (4), position of the call (4) |
//!
//! All numbers are little-endian.

use epsilon_abi::{
    CodeTier, CompiledFunction, DefinedFuncIndex, HandlerSite, InlinedSite, Position, RelocKind, Relocation,
    SourceSite, TagIndex, TrapCode, TrapSite,
};

const RELOCATION_BYTES: usize = 17;
const TRAP_BYTES: usize = 5;
const SOURCE_BYTES: usize = 8;
const HANDLER_BYTES: usize = 16;
const INLINED_BYTES: usize = 8;

/// The bytes of a function.
pub fn encode(function: &CompiledFunction) -> Vec<u8> {
    let counts = [
        function.code.len(),
        function.align_bytes as usize,
        function.tier as usize,
        function.relocations.len(),
        function.traps.len(),
        function.sources.len(),
        function.handlers.len(),
        function.inlined.len(),
    ];
    let tables = counts[3] * RELOCATION_BYTES + counts[4] * TRAP_BYTES + counts[5] * SOURCE_BYTES;
    let tables = tables + counts[6] * HANDLER_BYTES + counts[7] * INLINED_BYTES;
    let mut bytes = Vec::with_capacity(32 + counts[0] + tables);
    for count in counts {
        bytes.extend_from_slice(&(count as u32).to_le_bytes());
    }
    bytes.extend_from_slice(&function.code);
    for relocation in &function.relocations {
        bytes.extend_from_slice(&relocation.offset.to_le_bytes());
        bytes.push(relocation.kind as u8);
        bytes.extend_from_slice(&relocation.target.0.to_le_bytes());
        bytes.extend_from_slice(&relocation.addend.to_le_bytes());
    }
    for trap in &function.traps {
        bytes.extend_from_slice(&trap.offset.to_le_bytes());
        bytes.push(trap.code as u8);
    }
    for source in &function.sources {
        bytes.extend_from_slice(&source.offset.to_le_bytes());
        bytes.extend_from_slice(&source.position.0.to_le_bytes());
    }
    for handler in &function.handlers {
        let tag = handler.tag.map_or(0, |tag| tag.0 + 1);
        for number in [handler.return_offset, handler.frame_bytes, tag, handler.handler_offset] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    for site in &function.inlined {
        bytes.extend_from_slice(&site.wasm_offset.to_le_bytes());
        bytes.extend_from_slice(&site.call.0.to_le_bytes());
    }
    bytes
}

/// The function that these bytes are, if they are one of a module with so many functions.
pub fn decode(bytes: &[u8], function_count: usize) -> Option<CompiledFunction> {
    let mut reader = Reader(bytes);
    let code_len = reader.u32()? as usize;
    let align_bytes = reader.u32()?;
    let tier = tier_of(reader.u32()?)?;
    let (relocations, traps, sources) = (reader.u32()? as usize, reader.u32()? as usize, reader.u32()? as usize);
    let (handlers, inlined) = (reader.u32()? as usize, reader.u32()? as usize);
    if !align_bytes.is_power_of_two() || align_bytes > 4096 {
        return None;
    }
    let code = reader.take(code_len)?.to_vec();
    let relocations = reader.array(relocations, RELOCATION_BYTES, |mut r| {
        let relocation = Relocation {
            offset: r.u32()?,
            kind: reloc_kind(r.u8()?)?,
            target: DefinedFuncIndex(r.u32()?),
            addend: r.u64()? as i64,
        };
        let fits = (relocation.offset as usize).checked_add(4)? <= code_len;
        (fits && relocation.target.index() < function_count).then_some(relocation)
    })?;
    let traps = reader
        .array(traps, TRAP_BYTES, |mut r| Some(TrapSite { offset: r.u32()?, code: TrapCode::from_u8(r.u8()?)? }))?;
    let sources = reader
        .array(sources, SOURCE_BYTES, |mut r| Some(SourceSite { offset: r.u32()?, position: Position(r.u32()?) }))?;
    let handlers = reader.array(handlers, HANDLER_BYTES, |mut r| {
        let (return_offset, frame_bytes) = (r.u32()?, r.u32()?);
        let (tag, handler_offset) = (r.u32()?.checked_sub(1).map(TagIndex), r.u32()?);
        let inside = (return_offset as usize) <= code_len && (handler_offset as usize) < code_len;
        inside.then_some(HandlerSite { return_offset, frame_bytes, tag, handler_offset })
    })?;
    let inlined = reader
        .array(inlined, INLINED_BYTES, |mut r| Some(InlinedSite { wasm_offset: r.u32()?, call: Position(r.u32()?) }))?;
    let function = CompiledFunction { tier, code, align_bytes, relocations, traps, sources, handlers, inlined };
    reader.0.is_empty().then_some(function)
}

/// The tier of the function that these bytes are, if they are one.
pub fn tier(bytes: &[u8]) -> Option<CodeTier> {
    const TIER_AT: usize = 8;
    tier_of(Reader(bytes.get(TIER_AT..)?).u32()?)
}

fn tier_of(number: u32) -> Option<CodeTier> {
    [CodeTier::Quick, CodeTier::Optimised].into_iter().find(|tier| *tier as u32 == number)
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

    /// The next number of 8 bits.
    pub fn u8(&mut self) -> Option<u8> {
        self.fixed().map(u8::from_le_bytes)
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

    fn array<T>(&mut self, count: usize, bytes: usize, read: impl Fn(Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
        self.take(count.checked_mul(bytes)?)?.chunks_exact(bytes).map(|chunk| read(Reader(chunk))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CompiledFunction {
        CompiledFunction {
            tier: CodeTier::Quick,
            code: vec![1, 2, 3, 4, 5, 6, 7, 8],
            align_bytes: 16,
            relocations: vec![Relocation {
                offset: 2,
                kind: RelocKind::X86CallPcRel4,
                target: DefinedFuncIndex(1),
                addend: -4,
            }],
            traps: vec![TrapSite { offset: 3, code: TrapCode::Unreachable }],
            sources: vec![SourceSite { offset: 0, position: Position(77) }],
            handlers: vec![
                HandlerSite { return_offset: 5, frame_bytes: 32, tag: Some(TagIndex(0)), handler_offset: 7 },
                HandlerSite { return_offset: 5, frame_bytes: 32, tag: None, handler_offset: 6 },
            ],
            inlined: vec![InlinedSite { wasm_offset: 99, call: Position(77) }],
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
