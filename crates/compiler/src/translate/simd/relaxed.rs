//! The relaxed operators. The specification lets an implementation choose some of their results, as long as it always
//! chooses alike; [`RelaxedSimd`] is the choice for one target.
//!
//! | operator | deterministic, and aarch64 | x86_64 |
//! |---|---|---|
//! | `relaxed_swizzle` | 0 for indices from 16 | index modulo 16 below 128: `pshufb` |
//! | `relaxed_trunc…_s` | saturates, NaN is 0 | -2^31 for both: `cvttps2dq`, `cvttpd2dq` |
//! | `relaxed_trunc…_u` | saturates, NaN is 0 | the same |
//! | `relaxed_madd`, `relaxed_nmadd` | rounds once | [`Madd`] |
//! | `relaxed_laneselect` | bit by bit | by the highest bit of each lane: `pblendvb` and others; not of 16-bit lanes |
//! | `relaxed_min`, `relaxed_max` | as `min`, `max` | as `pmin`, `pmax`: `minps` and others |
//! | `relaxed_q15mulr_s` | saturates | -2^15 for the one overflow: `pmulhrsw` |
//! | `relaxed_dot…` | [`Dot`] | [`Dot`] |
//! | `relaxed_dot…_add` | [`DotAdd`] | [`DotAdd`] |

use super::super::{FuncTranslator, Translated};
use super::lanes::Widen;
use crate::error::CompileError;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32X4, I8X16, I16X8, I32X4};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};
use cranelift_codegen::isa::TargetIsa;

/// What the relaxed operators do on a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RelaxedSimd {
    /// Whether operators are what one instruction of x86_64 makes of them.
    native_x86: bool,
    madd: Madd,
    dot: Dot,
    dot_add: DotAdd,
}

/// `x * y + z`: with FMA as everywhere else, without it as well as can be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Madd {
    /// Rounded once.
    Fused,
    /// The product is rounded, then the sum.
    Separate,
    /// The target cannot round once, and nothing else would be deterministic.
    Refused,
}

/// The dot product of pairs: 8 bits by 8 bits in lanes of 16.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dot {
    /// Both operands signed, sums saturate: what deterministic execution has to do.
    Saturating,
    /// Both operands signed. The only sum that overflows, of twice -128 by -128, wraps.
    Wrapping,
    /// The second operand unsigned, sums saturate: `pmaddubsw`.
    Pmaddubsw,
}

/// The dot product of four, in lanes of 32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DotAdd {
    /// The sums of the pairs of [`Dot`].
    OfPairs,
    /// Both operands signed, exact sums: `sdot`.
    ExactSigned,
    /// The second operand unsigned, exact sums: `vpdpbusd`.
    ExactUnsigned,
}

impl RelaxedSimd {
    /// What `isa` is best at; or, if `deterministic`, what every target does.
    pub fn new(isa: &dyn TargetIsa, deterministic: bool) -> Self {
        let madd = match (isa.has_native_fma(), deterministic) {
            (true, _) => Madd::Fused,
            (false, true) => Madd::Refused,
            (false, false) => Madd::Separate,
        };
        if deterministic {
            return Self { native_x86: false, madd, dot: Dot::Saturating, dot_add: DotAdd::OfPairs };
        }
        let native_x86 = isa.has_x86_pshufb_lowering() && isa.has_blendv_lowering(I8X16);
        let dot = if native_x86 { Dot::Pmaddubsw } else { Dot::Wrapping };
        Self { native_x86, madd, dot, dot_add: DotAdd::new(isa) }
    }
}

impl RelaxedSimd {
    /// Whether a product and a sum are rounded once.
    pub fn rounds_once(self) -> bool {
        self.madd == Madd::Fused
    }

    /// Whether operators are not what one instruction of x86_64 makes of them.
    pub const fn is_deterministic(self) -> bool {
        !self.native_x86
    }

    /// Whether the dot product of pairs saturates, both operands being signed.
    pub fn dot_saturates(self) -> bool {
        self.dot == Dot::Saturating
    }

    /// Whether the dot product of four is exact.
    pub fn has_exact_dot(self) -> bool {
        self.dot_add != DotAdd::OfPairs
    }
}

impl DotAdd {
    /// The exact forms are worth their many instructions only where one instruction replaces them all.
    fn new(isa: &dyn TargetIsa) -> Self {
        let flags = isa.isa_flags();
        let has = |name| flags.iter().any(|flag| flag.name == name && flag.as_bool() == Some(true));
        if has("has_dotprod") {
            Self::ExactSigned
        } else if has("has_avx") && has("has_avx_vnni") || has("has_avx512vl") && has("has_avx512vnni") {
            Self::ExactUnsigned
        } else {
            Self::OfPairs
        }
    }
}

impl FuncTranslator<'_> {
    pub(super) fn relaxed_swizzle(&mut self) -> Translated {
        let opcode = if self.env.relaxed_simd.native_x86 { Opcode::X86Pshufb } else { Opcode::Swizzle };
        self.binary_lanes(I8X16, opcode)
    }

    pub(super) fn relaxed_trunc(&mut self) -> Translated {
        let opcode = self.trunc_opcode();
        self.convert_lanes(F32X4, I32X4, opcode)
    }

    pub(super) fn relaxed_trunc_zero(&mut self) -> Translated {
        let opcode = self.trunc_opcode();
        self.convert_and_narrow(opcode, Opcode::Snarrow)
    }

    fn trunc_opcode(&self) -> Opcode {
        if self.env.relaxed_simd.native_x86 { Opcode::X86Cvtt2dq } else { Opcode::FcvtToSintSat }
    }

    pub(super) fn relaxed_madd(&mut self, ty: Type) -> Translated {
        let (x, y, z) = self.pop3_lanes(ty);
        self.multiply_add(x, y, z)
    }

    pub(super) fn relaxed_nmadd(&mut self, ty: Type) -> Translated {
        let (x, y, z) = self.pop3_lanes(ty);
        let negative = self.ins().fneg(x);
        self.multiply_add(negative, y, z)
    }

    fn multiply_add(&mut self, x: Value, y: Value, z: Value) -> Translated {
        let result = match self.env.relaxed_simd.madd {
            Madd::Fused => self.ins().fma(x, y, z),
            Madd::Separate => {
                let product = self.ins().fmul(x, y);
                self.ins().fadd(product, z)
            }
            Madd::Refused => return Err(self.cannot_fuse()),
        };
        self.push_lanes(result)
    }

    #[cold]
    fn cannot_fuse(&self) -> CompileError {
        let what =
            "deterministic `relaxed_madd` and `relaxed_nmadd` on a processor that cannot multiply and add at once";
        CompileError::unsupported(what, self.offset)
    }

    /// x86_64 has no instruction that selects lanes of 16 bits by their highest bits.
    pub(super) fn relaxed_select(&mut self, ty: Type) -> Translated {
        let native = self.env.relaxed_simd.native_x86 && ty != I16X8;
        self.select_lanes(ty, if native { Opcode::Blendv } else { Opcode::Bitselect })
    }

    pub(super) fn relaxed_min(&mut self, ty: Type) -> Translated {
        if self.env.relaxed_simd.native_x86 { self.pmin(ty) } else { self.binary_lanes(ty, Opcode::Fmin) }
    }

    pub(super) fn relaxed_max(&mut self, ty: Type) -> Translated {
        if self.env.relaxed_simd.native_x86 { self.pmax(ty) } else { self.binary_lanes(ty, Opcode::Fmax) }
    }

    pub(super) fn relaxed_q15mulr(&mut self) -> Translated {
        let opcode = if self.env.relaxed_simd.native_x86 { Opcode::X86Pmulhrsw } else { Opcode::SqmulRoundSat };
        self.binary_lanes(I16X8, opcode)
    }

    pub(super) fn relaxed_dot(&mut self) -> Translated {
        let (x, y) = self.pop2_lanes(I8X16);
        let sums = self.pair_dot(x, y);
        self.push_lanes(sums)
    }

    pub(super) fn relaxed_dot_add(&mut self) -> Translated {
        let (x, y, z) = self.pop3();
        let (x, y, z) = (self.as_lanes(x, I8X16), self.as_lanes(y, I8X16), self.as_lanes(z, I32X4));
        let sums = match self.env.relaxed_simd.dot_add {
            DotAdd::OfPairs => {
                let pairs = self.pair_dot(x, y);
                self.wide_pair_sums(I16X8, Widen::SIGNED, pairs)
            }
            DotAdd::ExactSigned => self.exact_dot((Widen::SIGNED, x), (Widen::SIGNED, y)),
            DotAdd::ExactUnsigned => self.exact_dot((Widen::SIGNED, x), (Widen::UNSIGNED, y)),
        };
        let result = self.ins().iadd(sums, z);
        self.push_lanes(result)
    }

    /// Sums of two products in lanes of 16 bits.
    fn pair_dot(&mut self, x: Value, y: Value) -> Value {
        match self.env.relaxed_simd.dot {
            Dot::Pmaddubsw => self.ins().x86_pmaddubsw(x, y),
            Dot::Wrapping => self.wrapping_dot(x, y),
            Dot::Saturating => {
                // Only the sum that overflows is -2^15; flipping its bits makes it 2^15 - 1.
                let sums = self.wrapping_dot(x, y);
                let least = self.same_i16_lanes(i16::MIN);
                let overflowed = self.ins().icmp(IntCC::Equal, sums, least);
                self.ins().bxor(sums, overflowed)
            }
        }
    }

    fn wrapping_dot(&mut self, x: Value, y: Value) -> Value {
        let [low, high] = self.products(I8X16, (Widen::SIGNED, x), (Widen::SIGNED, y));
        self.ins().iadd_pairwise(low, high)
    }

    /// Sums of four products in lanes of 32 bits, none of them rounded. Instruction selection knows this tree.
    fn exact_dot(&mut self, x: (Widen, Value), y: (Widen, Value)) -> Value {
        let [low, high] = self.products(I8X16, x, y);
        let low = self.wide_pair_sums(I16X8, Widen::SIGNED, low);
        let high = self.wide_pair_sums(I16X8, Widen::SIGNED, high);
        self.ins().iadd_pairwise(low, high)
    }
}
