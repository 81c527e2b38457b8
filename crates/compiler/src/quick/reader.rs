//! Reads immediates from a body that has been validated, so that nothing is checked twice: a body that ends too early
//! ends in a panic.

use epsilon_abi::{HeapType, TypeIndex};

/// A place in a body.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Where an access goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemArg {
    pub memory: u32,
    pub offset: u64,
}

/// What a block takes and gives, as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockType {
    Empty,
    /// One result, by the code of its type.
    One(TypeCode),
    Func(TypeIndex),
}

/// A value type as the machine sees it, read from its code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TypeCode {
    Number(super::Ty),
    Ref(HeapCode),
}

/// What a reference points to, read from its code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeapCode {
    Abstract(HeapType),
    /// A type of the module.
    Defined(TypeIndex),
}

/// The labels of a `br_table`: so many, and the default behind them.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    pub count: u32,
    pub depths: Reader<'a>,
}

/// The clauses of a `try_table`.
#[derive(Clone, Copy)]
pub(super) struct Catches<'a> {
    pub count: u32,
    pub clauses: Reader<'a>,
}

/// A clause of a `try_table`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clause {
    /// `None` catches everything.
    pub tag: Option<u32>,
    pub wants_reference: bool,
    pub depth: u32,
}

/// A cast that branches: the label, and the types before and after, each with whether it has null.
#[derive(Clone, Copy, Debug)]
pub(super) struct CastBranch {
    pub depth: u32,
    pub from: (bool, HeapCode),
    pub to: (bool, HeapCode),
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub const fn position(&self) -> usize {
        self.at
    }

    pub const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next byte but `n`, without reading it; 0 behind the end.
    #[inline]
    pub fn peek(&self, n: usize) -> u8 {
        self.bytes.get(self.at + n).copied().unwrap_or(0)
    }

    #[inline]
    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes[self.at];
        self.at += 1;
        byte
    }

    #[inline]
    pub fn u32(&mut self) -> u32 {
        let first = self.byte();
        if first < 0x80 { u32::from(first) } else { self.long(u64::from(first & 0x7f)) as u32 }
    }

    #[inline]
    pub fn u64(&mut self) -> u64 {
        let first = self.byte();
        if first < 0x80 { u64::from(first) } else { self.long(u64::from(first & 0x7f)) }
    }

    fn long(&mut self, mut value: u64) -> u64 {
        let mut shift = 7;
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    #[inline]
    pub fn i64(&mut self) -> i64 {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                let sign = if shift < 64 && byte & 0x40 != 0 { u64::MAX << shift } else { 0 };
                return (value | sign).cast_signed();
            }
        }
    }

    #[inline]
    pub fn i32(&mut self) -> i32 {
        self.i64() as i32
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let bytes = self.bytes[self.at..self.at + N].try_into().expect("a slice of that length");
        self.at += N;
        bytes
    }

    /// The bits of a float.
    pub fn f32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// The bits of a float.
    pub fn f64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A vector, or the lanes of a shuffle.
    pub fn v128(&mut self) -> [u8; 16] {
        self.array()
    }

    #[inline]
    pub fn memarg(&mut self) -> MemArg {
        /// Set beside the alignment if an index of a memory follows.
        const HAS_MEMORY: u32 = 1 << 6;
        let flags = self.u32();
        let memory = if flags & HAS_MEMORY != 0 { self.u32() } else { 0 };
        MemArg { memory, offset: self.u64() }
    }

    #[inline]
    pub fn block(&mut self) -> BlockType {
        match self.peek(0) {
            0x40 => {
                self.at += 1;
                BlockType::Empty
            }
            0x41..=0x7f => BlockType::One(self.ty()),
            _ => BlockType::Func(TypeIndex(self.i64() as u32)),
        }
    }

    pub fn ty(&mut self) -> TypeCode {
        use super::Ty;
        TypeCode::Number(match self.byte() {
            0x7f => Ty::I32,
            0x7e => Ty::I64,
            0x7d => Ty::F32,
            0x7c => Ty::F64,
            0x7b => Ty::V128,
            // `(ref null heap)` and `(ref heap)`.
            0x63 | 0x64 => return TypeCode::Ref(self.heap()),
            abstract_ => return TypeCode::Ref(HeapCode::Abstract(abstract_type(abstract_))),
        })
    }

    /// The types of a cast that branches: whether the first and the second one have null, the label, and the two.
    pub fn cast(&mut self) -> CastBranch {
        let nullable = self.byte();
        let depth = self.u32();
        let (from, to) = (self.heap(), self.heap());
        CastBranch { depth, from: (nullable & 1 != 0, from), to: (nullable & 2 != 0, to) }
    }

    pub fn heap(&mut self) -> HeapCode {
        match self.peek(0) {
            code @ 0x40..=0x7f => {
                self.at += 1;
                HeapCode::Abstract(abstract_type(code))
            }
            _ => HeapCode::Defined(TypeIndex(self.i64() as u32)),
        }
    }

    /// The types of a `select`: the first one, if there is just one.
    pub fn types(&mut self) -> Option<TypeCode> {
        let count = self.u32();
        let first = (count > 0).then(|| self.ty());
        for _ in 1..count {
            self.ty();
        }
        first.filter(|_| count == 1)
    }

    pub fn targets(&mut self) -> Targets<'a> {
        let count = self.u32();
        let depths = *self;
        for _ in 0..=count {
            self.u32();
        }
        Targets { count, depths }
    }

    pub fn catches(&mut self) -> Catches<'a> {
        let count = self.u32();
        let clauses = *self;
        for _ in 0..count {
            self.clause();
        }
        Catches { count, clauses }
    }

    pub fn clause(&mut self) -> Clause {
        let kind = self.byte();
        let tag = (kind < 2).then(|| self.u32());
        Clause { tag, wants_reference: kind & 1 != 0, depth: self.u32() }
    }
}

/// An abstract type by its code.
fn abstract_type(code: u8) -> HeapType {
    match code {
        0x69 => HeapType::Exn,
        0x6a => HeapType::Array,
        0x6b => HeapType::Struct,
        0x6c => HeapType::I31,
        0x6d => HeapType::Eq,
        0x6e => HeapType::Any,
        0x6f => HeapType::Extern,
        0x70 => HeapType::Func,
        0x71 => HeapType::None,
        0x72 => HeapType::NoExtern,
        0x73 => HeapType::NoFunc,
        0x74 => HeapType::NoExn,
        _ => unreachable!("validated to be the code of a type: {code:#x}"),
    }
}
