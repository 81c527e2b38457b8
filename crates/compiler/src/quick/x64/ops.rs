//! The instructions that are used, by the names of the processor's manual.

use super::asm::{Op, Vex};

macro_rules! ops {
    ($($name:ident = $op:expr;)*) => {
        $(pub(in crate::quick) const $name: Op = $op;)*
    };
}

// Integers. Where both a register and memory are possible, the register is written, but for those ending in `_STORE`.
ops! {
    MOV = Op::one(0x8b);
    MOV_STORE = Op::one(0x89);
    MOV_STORE8 = Op::one(0x88).bytes();
    MOV_STORE16 = Op::one(0x89).prefix(0x66);
    MOV_IMM = Op::one(0xc7);
    MOV_IMM8 = Op::one(0xc6);
    MOV_IMM16 = Op::one(0xc7).prefix(0x66);
    MOVZX8 = Op::two(0xb6).bytes();
    MOVZX16 = Op::two(0xb7);
    MOVSX8 = Op::two(0xbe).bytes();
    MOVSX16 = Op::two(0xbf);
    MOVSXD = Op::one(0x63);
    LEA = Op::one(0x8d);
    ADD = Op::one(0x03);
    OR = Op::one(0x0b);
    ADC = Op::one(0x13);
    SBB = Op::one(0x1b);
    AND = Op::one(0x23);
    SUB = Op::one(0x2b);
    XOR = Op::one(0x33);
    CMP = Op::one(0x3b);
    TEST = Op::one(0x85);
    IMUL = Op::two(0xaf);
    IMUL_IMM8 = Op::one(0x6b);
    IMUL_IMM = Op::one(0x69);
    TEST_IMM8 = Op::one(0xf6).bytes();
    GROUP3 = Op::one(0xf7);
    SHIFT_IMM = Op::one(0xc1);
    SHIFT_CL = Op::one(0xd3);
    POPCNT = Op::two(0xb8).prefix(0xf3);
    LZCNT = Op::two(0xbd).prefix(0xf3);
    TZCNT = Op::two(0xbc).prefix(0xf3);
    BSR = Op::two(0xbd);
    BSF = Op::two(0xbc);
    SETCC = Op::two(0x90).bytes();
    CMOV = Op::two(0x40);
    GROUP5 = Op::one(0xff);
    AND8 = Op::one(0x22).bytes();
    OR8 = Op::one(0x0a).bytes();
}

// Atomic accesses, the memory operand being read and written.
ops! {
    XCHG8 = Op::one(0x86).bytes();
    XCHG16 = Op::one(0x87).prefix(0x66);
    XCHG = Op::one(0x87);
    LOCK_XADD8 = Op::two(0xc0).bytes().locked();
    LOCK_XADD16 = Op::two(0xc1).prefix(0x66).locked();
    LOCK_XADD = Op::two(0xc1).locked();
    LOCK_CMPXCHG8 = Op::two(0xb0).bytes().locked();
    LOCK_CMPXCHG16 = Op::two(0xb1).prefix(0x66).locked();
    LOCK_CMPXCHG = Op::two(0xb1).locked();
}

// Scalar floats: those ending in `S` are single, in `D` double.
ops! {
    MOVSS = Op::two(0x10).prefix(0xf3);
    MOVSD = Op::two(0x10).prefix(0xf2);
    MOVSS_STORE = Op::two(0x11).prefix(0xf3);
    MOVSD_STORE = Op::two(0x11).prefix(0xf2);
    MOVD = Op::two66(0x6e);
    MOVD_STORE = Op::two66(0x7e);
    UCOMISS = Op::two(0x2e);
    UCOMISD = Op::two66(0x2e);
    SQRTSS = Op::two(0x51).prefix(0xf3);
    SQRTSD = Op::two(0x51).prefix(0xf2);
    ADDSS = Op::two(0x58).prefix(0xf3);
    ADDSD = Op::two(0x58).prefix(0xf2);
    MULSS = Op::two(0x59).prefix(0xf3);
    MULSD = Op::two(0x59).prefix(0xf2);
    SUBSS = Op::two(0x5c).prefix(0xf3);
    SUBSD = Op::two(0x5c).prefix(0xf2);
    MINSS = Op::two(0x5d).prefix(0xf3);
    MINSD = Op::two(0x5d).prefix(0xf2);
    DIVSS = Op::two(0x5e).prefix(0xf3);
    DIVSD = Op::two(0x5e).prefix(0xf2);
    MAXSS = Op::two(0x5f).prefix(0xf3);
    MAXSD = Op::two(0x5f).prefix(0xf2);
    ROUNDSS = Op::three3a(0x0a);
    ROUNDSD = Op::three3a(0x0b);
    CVTSI2SS = Op::two(0x2a).prefix(0xf3);
    CVTSI2SD = Op::two(0x2a).prefix(0xf2);
    CVTTSS2SI = Op::two(0x2c).prefix(0xf3);
    CVTTSD2SI = Op::two(0x2c).prefix(0xf2);
    CVTSS2SD = Op::two(0x5a).prefix(0xf3);
    CVTSD2SS = Op::two(0x5a).prefix(0xf2);
}

// Moves and logic of whole vectors.
ops! {
    MOVAPS = Op::two(0x28);
    MOVUPS = Op::two(0x10);
    MOVUPS_STORE = Op::two(0x11);
    ANDPS = Op::two(0x54);
    ANDNPS = Op::two(0x55);
    ORPS = Op::two(0x56);
    XORPS = Op::two(0x57);
    PTEST = Op::three38(0x17);
}

// Lanes of integers.
ops! {
    PUNPCKLBW = Op::two66(0x60);
    PUNPCKLWD = Op::two66(0x61);
    PACKSSWB = Op::two66(0x63);
    PCMPGTB = Op::two66(0x64);
    PCMPGTW = Op::two66(0x65);
    PCMPGTD = Op::two66(0x66);
    PACKUSWB = Op::two66(0x67);
    PUNPCKHBW = Op::two66(0x68);
    PUNPCKHWD = Op::two66(0x69);
    PACKSSDW = Op::two66(0x6b);
    PACKUSDW = Op::three38(0x2b);
    PCMPEQB = Op::two66(0x74);
    PCMPEQW = Op::two66(0x75);
    PCMPEQD = Op::two66(0x76);
    PCMPEQQ = Op::three38(0x29);
    PCMPGTQ = Op::three38(0x37);
    PADDB = Op::two66(0xfc);
    PADDW = Op::two66(0xfd);
    PADDD = Op::two66(0xfe);
    PADDQ = Op::two66(0xd4);
    PADDSB = Op::two66(0xec);
    PADDSW = Op::two66(0xed);
    PADDUSB = Op::two66(0xdc);
    PADDUSW = Op::two66(0xdd);
    PSUBB = Op::two66(0xf8);
    PSUBW = Op::two66(0xf9);
    PSUBD = Op::two66(0xfa);
    PSUBQ = Op::two66(0xfb);
    PSUBSB = Op::two66(0xe8);
    PSUBSW = Op::two66(0xe9);
    PSUBUSB = Op::two66(0xd8);
    PSUBUSW = Op::two66(0xd9);
    PMINSB = Op::three38(0x38);
    PMINSW = Op::two66(0xea);
    PMINSD = Op::three38(0x39);
    PMINUB = Op::two66(0xda);
    PMINUW = Op::three38(0x3a);
    PMINUD = Op::three38(0x3b);
    PMAXSB = Op::three38(0x3c);
    PMAXSW = Op::two66(0xee);
    PMAXSD = Op::three38(0x3d);
    PMAXUB = Op::two66(0xde);
    PMAXUW = Op::three38(0x3e);
    PMAXUD = Op::three38(0x3f);
    PAVGB = Op::two66(0xe0);
    PAVGW = Op::two66(0xe3);
    PMULLW = Op::two66(0xd5);
    PMULHW = Op::two66(0xe5);
    PMULHUW = Op::two66(0xe4);
    PMULLD = Op::three38(0x40);
    PMULDQ = Op::three38(0x28);
    PMULUDQ = Op::two66(0xf4);
    PMULHRSW = Op::three38(0x0b);
    PMADDWD = Op::two66(0xf5);
    PMADDUBSW = Op::three38(0x04);
    PABSB = Op::three38(0x1c);
    PABSW = Op::three38(0x1d);
    PABSD = Op::three38(0x1e);
    PSHUFB = Op::three38(0x00);
    PMOVSXBW = Op::three38(0x20);
    PMOVSXWD = Op::three38(0x23);
    PMOVSXDQ = Op::three38(0x25);
    PMOVZXBW = Op::three38(0x30);
    PMOVZXWD = Op::three38(0x33);
    PMOVZXDQ = Op::three38(0x35);
}

// Lanes of floats.
ops! {
    ADDPS = Op::two(0x58);
    MULPS = Op::two(0x59);
    SUBPS = Op::two(0x5c);
    MINPS = Op::two(0x5d);
    DIVPS = Op::two(0x5e);
    MAXPS = Op::two(0x5f);
    SQRTPS = Op::two(0x51);
    ADDPD = Op::two66(0x58);
    MULPD = Op::two66(0x59);
    SUBPD = Op::two66(0x5c);
    MINPD = Op::two66(0x5d);
    DIVPD = Op::two66(0x5e);
    MAXPD = Op::two66(0x5f);
    SQRTPD = Op::two66(0x51);
    CVTDQ2PS = Op::two(0x5b);
    CVTTPS2DQ = Op::two(0x5b).prefix(0xf3);
    CVTPS2PD = Op::two(0x5a);
    CVTPD2PS = Op::two66(0x5a);
    CVTDQ2PD = Op::two(0xe6).prefix(0xf3);
    CVTTPD2DQ = Op::two66(0xe6);
    UNPCKLPS = Op::two(0x14);
    MOVLHPS = Op::two(0x16);
    MOVDDUP = Op::two(0x12).prefix(0xf2);
}

// With an immediate.
ops! {
    CMPPS = Op::two(0xc2);
    CMPPD = Op::two66(0xc2);
    SHUFPS = Op::two(0xc6);
    PSHUFD = Op::two66(0x70);
    PSHUFLW = Op::two(0x70).prefix(0xf2);
    ROUNDPS = Op::three3a(0x08);
    ROUNDPD = Op::three3a(0x09);
    PBLENDW = Op::three3a(0x0e);
    INSERTPS = Op::three3a(0x21);
    PINSRB = Op::three3a(0x20);
    PINSRW = Op::two66(0xc4);
    PINSRD = Op::three3a(0x22);
    PEXTRB = Op::three3a(0x14);
    PEXTRW = Op::three3a(0x15);
    PEXTRD = Op::three3a(0x16);
}

// Shifts of lanes, by a register, and groups that take an immediate.
ops! {
    PSRLW = Op::two66(0xd1);
    PSRLD = Op::two66(0xd2);
    PSRLQ = Op::two66(0xd3);
    PSRAW = Op::two66(0xe1);
    PSRAD = Op::two66(0xe2);
    PSLLW = Op::two66(0xf1);
    PSLLD = Op::two66(0xf2);
    PSLLQ = Op::two66(0xf3);
    SHIFT_WORDS = Op::two66(0x71);
    SHIFT_DWORDS = Op::two66(0x72);
    SHIFT_QWORDS = Op::two66(0x73);
}

// From the highest bits of lanes to a general register.
ops! {
    PMOVMSKB = Op::two66(0xd7);
    MOVMSKPS = Op::two(0x50);
    MOVMSKPD = Op::two66(0x50);
}

// Instructions of the VEX kind: of BMI2, and fused ones.
pub(in crate::quick) const SHLX: Vex = Vex { prefix: 1, map: 2, opcode: 0xf7 };
pub(in crate::quick) const SARX: Vex = Vex { prefix: 2, map: 2, opcode: 0xf7 };
pub(in crate::quick) const SHRX: Vex = Vex { prefix: 3, map: 2, opcode: 0xf7 };
pub(in crate::quick) const VFMADD213: Vex = Vex { prefix: 1, map: 2, opcode: 0xa8 };
pub(in crate::quick) const VFNMADD213: Vex = Vex { prefix: 1, map: 2, opcode: 0xac };
