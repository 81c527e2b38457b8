//! The instructions that are used, by the names of the processor's manual. Those that end in `_V` are of vectors.

use super::asm::{Access, Op};

macro_rules! ops {
    ($($name:ident = $bits:literal;)*) => {
        $(pub(in crate::quick) const $name: Op = Op($bits);)*

        /// All of a list, by name.
        #[cfg(test)]
        pub(in crate::quick) const ALL: &[(&str, Op)] = &[$((stringify!($name), $name)),*];
    };
}

/// Two sources and a target; wide or not.
pub(super) mod integers {
    use super::Op;
    ops! {
        ADD = 0x0b00_0000;
        ADDS = 0x2b00_0000;
        SUB = 0x4b00_0000;
        SUBS = 0x6b00_0000;
        ADC = 0x1a00_0000;
        SBC = 0x5a00_0000;
        AND = 0x0a00_0000;
        BIC = 0x0a20_0000;
        ORR = 0x2a00_0000;
        ORN = 0x2a20_0000;
        EOR = 0x4a00_0000;
        UDIV = 0x1ac0_0800;
        SDIV = 0x1ac0_0c00;
        LSLV = 0x1ac0_2000;
        LSRV = 0x1ac0_2400;
        ASRV = 0x1ac0_2800;
        RORV = 0x1ac0_2c00;
    }
}

/// One source and a target; wide or not.
pub(super) mod unary {
    use super::Op;
    ops! {
        RBIT = 0x5ac0_0000;
        CLZ = 0x5ac0_1000;
    }
}

/// Three sources and a target; wide or not.
pub(super) mod products {
    use super::Op;
    ops! {
        MADD = 0x1b00_0000;
        MSUB = 0x1b00_8000;
    }
}

pub(super) use integers::*;
pub(super) use products::*;
pub(super) use unary::*;

macro_rules! more {
    ($($name:ident = $bits:literal;)*) => {
        $(pub(in crate::quick) const $name: Op = Op($bits);)*
    };
}

// What has operands of its own kind.
more! {
    ADD_IMM = 0x1100_0000;
    SUB_IMM = 0x5100_0000;
    AND_IMM = 0x1200_0000;
    ORR_IMM = 0x3200_0000;
    EOR_IMM = 0x5200_0000;
    ANDS_IMM = 0x7200_0000;
    MOVN = 0x1280_0000;
    MOVZ = 0x5280_0000;
    MOVK = 0x7280_0000;
    SBFM = 0x1300_0000;
    UBFM = 0x5300_0000;
    EXTR = 0x1380_0000;
    SMULH = 0x9b40_7c00;
    UMULH = 0x9bc0_7c00;
    CSEL = 0x1a80_0000;
    CSINC = 0x1a80_0400;
    CCMP_IMM = 0x7a40_0800;
    // With the second source's low 32 bits, zero-extended or sign-extended.
    SUBS_UXTW = 0xeb20_4000;
    SUBS_SXTW = 0xeb20_c000;
    // With the stack pointer.
    SUB_UXTX = 0xcb20_6000;
    B = 0x1400_0000;
    BL = 0x9400_0000;
    B_COND = 0x5400_0000;
    CBZ = 0x3400_0000;
    BR = 0xd61f_0000;
    BLR = 0xd63f_0000;
    RET = 0xd65f_03c0;
    ADR = 0x1000_0000;
    NOP = 0xd503_201f;
    // Ends speculation about what conditional selects before it have given.
    CSDB = 0xd503_229f;
    // What Cranelift's code traps by.
    UDF = 0x0000_c11f;
    // The index is scaled by 4.
    LDRSW_SCALED = 0xb8a0_7800;
    LDR_LITERAL_Q = 0x9c00_0000;
    LDP = 0xa940_0000;
    STP = 0xa900_0000;
    LDP_D = 0x6d40_0000;
    STP_D = 0x6d00_0000;
    // The base is moved before or behind the access.
    STP_BEFORE = 0xa980_0000;
    STP_BEHIND = 0xa880_0000;
    LDP_BEHIND = 0xa8c0_0000;
}

// Loads and stores. The first letter of what is extended says to how many bits.
macro_rules! accesses {
    ($($name:ident = $size:literal $vector:literal $opc:literal;)*) => {
        $(pub(in crate::quick) const $name: Access = Access::new($size, $vector, $opc);)*

        #[cfg(test)]
        pub(in crate::quick) const ACCESSES: &[(&str, Access)] = &[$((stringify!($name), $name)),*];
    };
}

accesses! {
    STRB = 0 false 0;
    LDRB = 0 false 1;
    LDRSB_X = 0 false 2;
    LDRSB_W = 0 false 3;
    STRH = 1 false 0;
    LDRH = 1 false 1;
    LDRSH_X = 1 false 2;
    LDRSH_W = 1 false 3;
    STR_W = 2 false 0;
    LDR_W = 2 false 1;
    LDRSW = 2 false 2;
    STR_X = 3 false 0;
    LDR_X = 3 false 1;
    STR_S = 2 true 0;
    LDR_S = 2 true 1;
    STR_D = 3 true 0;
    LDR_D = 3 true 1;
    STR_Q = 0 true 2;
    LDR_Q = 0 true 3;
}

// Atomic accesses: at a register alone. The two upper bits are the logarithm of the bytes.
more! {
    LDAR = 0x08df_fc00;
    STLR = 0x089f_fc00;
    LDAXR = 0x085f_fc00;
    STLXR = 0x0800_fc00;
    LDADDAL = 0x38e0_0000;
    LDCLRAL = 0x38e0_1000;
    LDEORAL = 0x38e0_2000;
    LDSETAL = 0x38e0_3000;
    SWPAL = 0x38e0_8000;
    CASAL = 0x08e0_fc00;
    DMB_ISH = 0xd503_3bbf;
}

/// Floats: two sources and a target.
pub(super) mod floats {
    use super::Op;
    ops! {
        FMUL = 0x1e20_0800;
        FDIV = 0x1e20_1800;
        FADD = 0x1e20_2800;
        FSUB = 0x1e20_3800;
        FMAX = 0x1e20_4800;
        FMIN = 0x1e20_5800;
    }
}

/// Floats: a source and a target.
pub(super) mod unary_floats {
    use super::Op;
    ops! {
        FMOV = 0x1e20_4000;
        FABS = 0x1e20_c000;
        FNEG = 0x1e21_4000;
        FSQRT = 0x1e21_c000;
        FRINTN = 0x1e24_4000;
        FRINTP = 0x1e24_c000;
        FRINTM = 0x1e25_4000;
        FRINTZ = 0x1e25_c000;
    }
}

pub(super) use floats::*;
pub(super) use unary_floats::*;

more! {
    FCMP = 0x1e20_2000;
    FCSEL = 0x1e20_0c00;
    FMOV_IMM = 0x1e20_1000;
    FCVT_TO_DOUBLE = 0x1e22_c000;
    FCVT_TO_SINGLE = 0x1e62_4000;
    // From and to integers, wide or not; of doubles or singles.
    SCVTF = 0x1e22_0000;
    UCVTF = 0x1e23_0000;
    FCVTZS = 0x1e38_0000;
    FCVTZU = 0x1e39_0000;
    FMOV_TO_FLOAT = 0x1e27_0000;
    FMOV_FROM_FLOAT = 0x1e26_0000;
}

/// Vectors of integers: two sources and a target, of lanes with any width.
pub(super) mod three_same {
    use super::Op;
    ops! {
        ADD_V = 0x4e20_8400;
        SUB_V = 0x6e20_8400;
        CMEQ_V = 0x6e20_8c00;
        CMGT_V = 0x4e20_3400;
        CMGE_V = 0x4e20_3c00;
        CMHI_V = 0x6e20_3400;
        CMHS_V = 0x6e20_3c00;
        SSHL_V = 0x4e20_4400;
        USHL_V = 0x6e20_4400;
        ADDP_V = 0x4e20_bc00;
        SQADD_V = 0x4e20_0c00;
        UQADD_V = 0x6e20_0c00;
        SQSUB_V = 0x4e20_2c00;
        UQSUB_V = 0x6e20_2c00;
    }
}

/// The same, of lanes with up to 32 bits.
pub(super) mod three_same_narrow {
    use super::Op;
    ops! {
        SMIN_V = 0x4e20_6c00;
        UMIN_V = 0x6e20_6c00;
        SMAX_V = 0x4e20_6400;
        UMAX_V = 0x6e20_6400;
        UMAXP_V = 0x6e20_a400;
        URHADD_V = 0x6e20_1400;
        MUL_V = 0x4e20_9c00;
    }
}

/// Vectors as bits: two sources and a target.
pub(super) mod bits {
    use super::Op;
    ops! {
        AND_V = 0x4e20_1c00;
        BIC_V = 0x4e60_1c00;
        ORR_V = 0x4ea0_1c00;
        EOR_V = 0x6e20_1c00;
        BSL_V = 0x6e60_1c00;
        BIT_V = 0x6ea0_1c00;
    }
}

/// Vectors of floats: two sources and a target, of singles or doubles.
pub(super) mod float_lanes {
    use super::Op;
    ops! {
        FADD_V = 0x4e20_d400;
        FSUB_V = 0x4ea0_d400;
        FMUL_V = 0x6e20_dc00;
        FDIV_V = 0x6e20_fc00;
        FMAX_V = 0x4e20_f400;
        FMIN_V = 0x4ea0_f400;
        FCMEQ_V = 0x4e20_e400;
        FCMGE_V = 0x6e20_e400;
        FCMGT_V = 0x6ea0_e400;
        FMLA_V = 0x4e20_cc00;
        FMLS_V = 0x4ea0_cc00;
    }
}

/// Vectors of floats: a source and a target, of singles or doubles.
pub(super) mod unary_float_lanes {
    use super::Op;
    ops! {
        FABS_V = 0x4ea0_f800;
        FNEG_V = 0x6ea0_f800;
        FSQRT_V = 0x6ea1_f800;
        FRINTN_V = 0x4e21_8800;
        FRINTM_V = 0x4e21_9800;
        FRINTP_V = 0x4ea1_8800;
        FRINTZ_V = 0x4ea1_9800;
        FCVTZS_V = 0x4ea1_b800;
        FCVTZU_V = 0x6ea1_b800;
        SCVTF_V = 0x4e21_d800;
        UCVTF_V = 0x6e21_d800;
    }
}

/// Vectors of integers: a source and a target, of lanes with any width.
pub(super) mod two_same {
    use super::Op;
    ops! {
        ABS_V = 0x4e20_b800;
        NEG_V = 0x6e20_b800;
        CMEQ_ZERO_V = 0x4e20_9800;
    }
}

pub(super) use bits::*;
pub(super) use float_lanes::*;
pub(super) use three_same::*;
pub(super) use three_same_narrow::*;
pub(super) use two_same::*;
pub(super) use unary_float_lanes::*;

more! {
    CNT_V = 0x4e20_5800;
    CNT_LOW_V = 0x0e20_5800;
    NOT_V = 0x6e20_5800;
    REV64_V = 0x4e20_0800;
    // The target's lanes are half as wide. The second form writes the upper half.
    XTN_V = 0x0e21_2800;
    SQXTN_V = 0x0e21_4800;
    UQXTN_V = 0x2e21_4800;
    SQXTUN_V = 0x2e21_2800;
    // And twice as wide.
    SADDLP_V = 0x4e20_2800;
    UADDLP_V = 0x6e20_2800;
    SMULL_V = 0x0e20_c000;
    UMULL_V = 0x2e20_c000;
    UMLAL_V = 0x2e20_8000;
    SSHLL_V = 0x0f00_a400;
    USHLL_V = 0x2f00_a400;
    FCVTL_V = 0x0e61_7800;
    FCVTN_V = 0x0e61_6800;
    // By a constant.
    SHL_V = 0x4f00_5400;
    SSHR_V = 0x4f00_0400;
    USHR_V = 0x6f00_0400;
    MOVI_BYTES_V = 0x4f00_e400;
    EXT_V = 0x6e00_0000;
    ZIP1_BYTES_V = 0x4e00_3800;
    // To one lane.
    ADDV_V = 0x4e31_b800;
    ADDV_LOW_V = 0x0e31_b800;
    // One lane.
    DUP_LANE_V = 0x4e00_0400;
    DUP_V = 0x4e00_0c00;
    INS_V = 0x4e00_1c00;
    INS_LANE_V = 0x6e00_0400;
    SMOV_V = 0x0e00_2c00;
    UMOV_V = 0x0e00_3c00;
    TBL_V = 0x4e00_0000;
    // The table is two vectors, whose registers follow each other.
    TBL2_V = 0x4e00_2000;
    SQRDMULH_WORDS_V = 0x6e60_b400;
    SDOT_V = 0x4e80_9400;
    LD1R_V = 0x4d40_c000;
    LD1_LANE_V = 0x0d40_0000;
    ST1_LANE_V = 0x0d00_0000;
}

/// The form of an instruction that reads or writes upper halves.
pub(in crate::quick) const fn upper(op: Op) -> Op {
    Op(op.0 | 1 << 30)
}
