//! Every form of every instruction that is used, against Cranelift's assembler: all registers, and memory at all bases
//! with all lengths of displacements.

use super::asm::{Assembler, Cond, Op, Reg, Rm, Vex};
use super::ops::*;
use cranelift_assembler_x64::{
    Amode, AmodeOffset, AmodeOffsetPlusKnownOffset, NonRspGpr, Registers, Scale, TrapCode, inst,
};
use std::num::NonZeroU8;

struct Regs;

impl Registers for Regs {
    type ReadGpr = u8;
    type ReadWriteGpr = u8;
    type WriteGpr = u8;
    type ReadXmm = u8;
    type ReadWriteXmm = u8;
    type WriteXmm = u8;
}

const RAX: u8 = 0;
const RDX: u8 = 2;
const TRAP: TrapCode = TrapCode(NonZeroU8::MIN);

/// Memory operands, ours and theirs.
fn memory() -> impl Iterator<Item = (Rm, Amode<u8>)> {
    const DISPLACEMENTS: [i32; 8] = [0, 1, 127, 128, -128, -129, i32::MAX, i32::MIN];
    let indices = [None, Some(0), Some(5), Some(12), Some(13), Some(15)];
    (0..16u8).flat_map(move |base| {
        indices.into_iter().flat_map(move |index: Option<u8>| {
            DISPLACEMENTS.into_iter().map(move |at| {
                let offset = AmodeOffset::new(at);
                match index {
                    None => {
                        let simm32 = AmodeOffsetPlusKnownOffset { simm32: offset, offset: None };
                        (Rm::Base(Reg(base), at), Amode::ImmReg { base, simm32, trap: None })
                    }
                    Some(index) => {
                        let (rm, index) = (Rm::Index(Reg(base), Reg(index), at), NonRspGpr::new(index));
                        let amode =
                            Amode::ImmRegRegShift { base, index, scale: Scale::One, simm32: offset, trap: None };
                        (rm, amode)
                    }
                }
            })
        })
    })
}

fn ours(lay: impl FnOnce(&mut Assembler)) -> Vec<u8> {
    let mut asm = Assembler::default();
    lay(&mut asm);
    asm.code().to_vec()
}

fn same(what: &str, ours: &[u8], theirs: &[u8]) {
    assert_eq!(ours, theirs, "{what}: {ours:02x?}, not {theirs:02x?}");
}

macro_rules! theirs {
    ($inst:ident($($arg:expr),*)) => {{
        let mut bytes: Vec<u8> = Vec::new();
        inst::$inst::<Regs>::new($($arg),*).encode(&mut bytes);
        bytes
    }};
}

/// A register, then a register or memory.
macro_rules! reg_rm {
    ($($op:expr, $wide:literal: $inst:ident;)*) => {$(
        for reg in 0..16 {
            for rm in 0..16u8 {
                same(stringify!($inst), &ours(|a| a.rr($op, $wide, Reg(reg), Reg(rm))), &theirs!($inst(reg, rm)));
            }
        }
        reg_mem! { $op, $wide: $inst; }
    )*};
}

/// A register, then memory.
macro_rules! reg_mem {
    ($($op:expr, $wide:literal: $inst:ident;)*) => {$(
        for reg in 0..16 {
            for (rm, amode) in memory() {
                same(stringify!($inst), &ours(|a| a.rm($op, $wide, Reg(reg), rm)), &theirs!($inst(reg, amode)));
            }
        }
    )*};
}

/// A register, then a register.
macro_rules! reg_reg {
    ($($op:expr, $wide:literal: $inst:ident;)*) => {$(
        for reg in 0..16 {
            for rm in 0..16u8 {
                same(stringify!($inst), &ours(|a| a.rr($op, $wide, Reg(reg), Reg(rm))), &theirs!($inst(reg, rm)));
            }
        }
    )*};
}

/// Memory, then a register, and what else theirs is told.
macro_rules! mem_reg {
    ($($op:expr, $wide:literal: $inst:ident $(($more:expr))?;)*) => {$(
        for reg in 0..16u8 {
            for (rm, amode) in memory() {
                let theirs = theirs!($inst(amode, reg $(, $more)?));
                same(stringify!($inst), &ours(|a| a.rm($op, $wide, Reg(reg), rm)), &theirs);
            }
        }
    )*};
}

/// A register, then a register or memory, then a byte.
macro_rules! reg_rm_imm {
    ($($op:expr, $wide:literal: $inst:ident;)*) => {$(
        for reg in 0..16 {
            for rm in 0..16u8 {
                let ours = ours(|a| a.rri($op, $wide, Reg(reg), Reg(rm), 0xa5));
                same(stringify!($inst), &ours, &theirs!($inst(reg, rm, 0xa5u8)));
            }
            for (rm, amode) in memory() {
                let ours = ours(|a| a.ins($op, $wide, Reg(reg), rm, 0xa5, 1));
                same(stringify!($inst), &ours, &theirs!($inst(reg, amode, 0xa5u8)));
            }
        }
    )*};
}

#[test]
fn integers() {
    reg_rm! {
        MOV, false: movl_rm; MOV, true: movq_rm;
        MOVZX8, false: movzbl_rm; MOVZX16, false: movzwl_rm;
        MOVSX8, false: movsbl_rm; MOVSX8, true: movsbq_rm;
        MOVSX16, false: movswl_rm; MOVSX16, true: movswq_rm;
        MOVSXD, true: movslq_rm;
        ADD, false: addl_rm; ADD, true: addq_rm;
        OR, false: orl_rm; OR, true: orq_rm;
        ADC, true: adcq_rm; SBB, true: sbbq_rm;
        AND, false: andl_rm; AND, true: andq_rm;
        SUB, false: subl_rm; SUB, true: subq_rm;
        XOR, false: xorl_rm; XOR, true: xorq_rm;
        CMP, false: cmpl_rm; CMP, true: cmpq_rm;
        IMUL, false: imull_rm; IMUL, true: imulq_rm;
        POPCNT, false: popcntl_rm; POPCNT, true: popcntq_rm;
        LZCNT, false: lzcntl_rm; LZCNT, true: lzcntq_rm;
        TZCNT, false: tzcntl_a; TZCNT, true: tzcntq_a;
        BSR, false: bsrl_rm; BSR, true: bsrq_rm;
        BSF, false: bsfl_rm; BSF, true: bsfq_rm;
        AND8, false: andb_rm; OR8, false: orb_rm;
    }
    reg_mem! { LEA, false: leal_rm; LEA, true: leaq_rm; }
    mem_reg! {
        MOV_STORE, false: movl_mr; MOV_STORE, true: movq_mr;
        MOV_STORE8, false: movb_mr; MOV_STORE16, false: movw_mr;
        TEST, false: testl_mr; TEST, true: testq_mr;
    }
}

#[test]
fn conditions() {
    macro_rules! on {
        ($($cond:ident: $moves:ident $moves_wide:ident $sets:ident;)*) => {
            reg_rm! { $(CMOV.on(Cond::$cond), false: $moves; CMOV.on(Cond::$cond), true: $moves_wide;)* }
            $(for rm in 0..16u8 {
                let ours = ours(|a| a.rr(SETCC.on(Cond::$cond), false, Reg(0), Reg(rm)));
                same(stringify!($sets), &ours, &theirs!($sets(rm)));
            })*
        };
    }
    on! {
        Overflow: cmovol_rm cmovoq_rm seto_m;
        NoOverflow: cmovnol_rm cmovnoq_rm setno_m;
        Below: cmovbl_rm cmovbq_rm setb_m;
        AboveOrEqual: cmovael_rm cmovaeq_rm setae_m;
        Equal: cmovel_rm cmoveq_rm sete_m;
        NotEqual: cmovnel_rm cmovneq_rm setne_m;
        BelowOrEqual: cmovbel_rm cmovbeq_rm setbe_m;
        Above: cmoval_rm cmovaq_rm seta_m;
        Negative: cmovsl_rm cmovsq_rm sets_m;
        NotNegative: cmovnsl_rm cmovnsq_rm setns_m;
        Parity: cmovpl_rm cmovpq_rm setp_m;
        NoParity: cmovnpl_rm cmovnpq_rm setnp_m;
        Less: cmovll_rm cmovlq_rm setl_m;
        GreaterOrEqual: cmovgel_rm cmovgeq_rm setge_m;
        LessOrEqual: cmovlel_rm cmovleq_rm setle_m;
        Greater: cmovgl_rm cmovgq_rm setg_m;
    }
}

#[test]
fn immediates() {
    macro_rules! arith {
        ($($extension:literal $wide:literal: $short:ident $long:ident;)*) => {$(
            for rm in 0..16u8 {
                for imm in [0, 1, -1, 127, -128] {
                    let ours = ours(|a| a.arith_imm($wide, $extension, Rm::Reg(Reg(rm)), imm));
                    same(stringify!($short), &ours, &theirs!($short(rm, imm as i8)));
                }
                for imm in [128, -129, i32::MAX, i32::MIN] {
                    let ours = ours(|a| a.arith_imm($wide, $extension, Rm::Reg(Reg(rm)), imm));
                    same(stringify!($long), &ours, &theirs!($long(rm, imm)));
                }
            }
            for (rm, amode) in memory() {
                let ours = ours(|a| a.arith_imm($wide, $extension, rm, 1000));
                same(stringify!($long), &ours, &theirs!($long(amode, 1000)));
            }
        )*};
    }
    arith! {
        0 false: addl_mi_sxb addl_mi; 0 true: addq_mi_sxb addq_mi_sxl;
        1 false: orl_mi_sxb orl_mi; 1 true: orq_mi_sxb orq_mi_sxl;
        4 false: andl_mi_sxb andl_mi; 4 true: andq_mi_sxb andq_mi_sxl;
        5 false: subl_mi_sxb subl_mi; 5 true: subq_mi_sxb subq_mi_sxl;
        6 false: xorl_mi_sxb xorl_mi; 6 true: xorq_mi_sxb xorq_mi_sxl;
        7 false: cmpl_mi_sxb cmpl_mi; 7 true: cmpq_mi_sxb cmpq_mi;
    }
    for reg in 0..16u8 {
        for imm in [0u32, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            same("mov", &ours(|a| a.mov_imm(Reg(reg), u64::from(imm))), &theirs!(movl_oi(reg, imm)));
        }
        for imm in [1u64 << 32, i64::MAX as u64, 1 << 63, i64::from(i32::MIN) as u64 - 1] {
            same("movabs", &ours(|a| a.mov_imm(Reg(reg), imm)), &theirs!(movabsq_oi(reg, imm)));
        }
        for imm in [-1, i32::MIN] {
            let ours = ours(|a| a.mov_imm(Reg(reg), i64::from(imm).cast_unsigned()));
            same("mov", &ours, &theirs!(movq_mi_sxl(reg, imm)));
        }
        same("test", &ours(|a| a.ins(TEST_IMM8, false, Reg(0), Rm::Reg(Reg(reg)), 3, 1)), &theirs!(testb_mi(reg, 3u8)));
        for rm in 0..16u8 {
            let ours8 = |wide| ours(|a| a.ins(IMUL_IMM8, wide, Reg(reg), Rm::Reg(Reg(rm)), 0x85, 1));
            same("imul", &ours8(false), &theirs!(imull_rmi_sxb(reg, rm, 0x85u8.cast_signed())));
            same("imul", &ours8(true), &theirs!(imulq_rmi_sxb(reg, rm, 0x85u8.cast_signed())));
            let ours32 = |wide| ours(|a| a.ins(IMUL_IMM, wide, Reg(reg), Rm::Reg(Reg(rm)), 1000, 4));
            same("imul", &ours32(false), &theirs!(imull_rmi(reg, rm, 1000u32)));
            same("imul", &ours32(true), &theirs!(imulq_rmi_sxl(reg, rm, 1000i32)));
        }
    }
    for (rm, amode) in memory() {
        let store = |op, wide, len| ours(|a| a.ins(op, wide, Reg(0), rm, 0x8765_4321, len));
        same("mov8", &store(MOV_IMM8, false, 1), &theirs!(movb_mi(amode, 0x21u8)));
        same("mov16", &store(MOV_IMM16, false, 2), &theirs!(movw_mi(amode, 0x4321u16)));
        same("mov32", &store(MOV_IMM, false, 4), &theirs!(movl_mi(amode, 0x8765_4321u32)));
        same("mov64", &store(MOV_IMM, true, 4), &theirs!(movq_mi_sxl(amode, 0x8765_4321u32.cast_signed())));
    }
}

#[test]
fn shifts_and_groups() {
    macro_rules! shifts {
        ($($extension:literal: $imm:ident $imm_wide:ident $cl:ident $cl_wide:ident;)*) => {$(
            for rm in 0..16u8 {
                let by = |wide| ours(|a| a.ext_imm8(SHIFT_IMM, wide, $extension, Rm::Reg(Reg(rm)), 13));
                same(stringify!($imm), &by(false), &theirs!($imm(rm, 13u8)));
                same(stringify!($imm_wide), &by(true), &theirs!($imm_wide(rm, 13u8)));
                let by_cl = |wide| ours(|a| a.ext(SHIFT_CL, wide, $extension, Rm::Reg(Reg(rm))));
                same(stringify!($cl), &by_cl(false), &theirs!($cl(rm, 1u8)));
                same(stringify!($cl_wide), &by_cl(true), &theirs!($cl_wide(rm, 1u8)));
            }
        )*};
    }
    shifts! {
        0: roll_mi rolq_mi roll_mc rolq_mc;
        1: rorl_mi rorq_mi rorl_mc rorq_mc;
        4: shll_mi shlq_mi shll_mc shlq_mc;
        5: shrl_mi shrq_mi shrl_mc shrq_mc;
        7: sarl_mi sarq_mi sarl_mc sarq_mc;
    }
    for rm in 0..16u8 {
        let group = |op, wide, extension| ours(|a: &mut Assembler| a.ext(op, wide, extension, Rm::Reg(Reg(rm))));
        same("neg", &group(GROUP3, false, 3), &theirs!(negl_m(rm)));
        same("neg", &group(GROUP3, true, 3), &theirs!(negq_m(rm)));
        same("mul", &group(GROUP3, true, 4), &theirs!(mulq_m(RAX, RDX, rm)));
        same("imul", &group(GROUP3, true, 5), &theirs!(imulq_m(RAX, RDX, rm)));
        same("div", &group(GROUP3, false, 6), &theirs!(divl_m(RAX, RDX, rm, TRAP)));
        same("div", &group(GROUP3, true, 6), &theirs!(divq_m(RAX, RDX, rm, TRAP)));
        same("idiv", &group(GROUP3, false, 7), &theirs!(idivl_m(RAX, RDX, rm, TRAP)));
        same("idiv", &group(GROUP3, true, 7), &theirs!(idivq_m(RAX, RDX, rm, TRAP)));
        same("jmp", &group(GROUP5, false, 4), &theirs!(jmpq_m(rm)));
    }
    for (rm, amode) in memory() {
        same("jmp", &ours(|a| a.ext(GROUP5, false, 4, rm)), &theirs!(jmpq_m(amode)));
    }
    vex(SHLX, false, |reg, second, rm| theirs!(shlxl_rmv(reg, rm, second)));
    vex(SHLX, true, |reg, second, rm| theirs!(shlxq_rmv(reg, rm, second)));
    vex(SARX, false, |reg, second, rm| theirs!(sarxl_rmv(reg, rm, second)));
    vex(SARX, true, |reg, second, rm| theirs!(sarxq_rmv(reg, rm, second)));
    vex(SHRX, false, |reg, second, rm| theirs!(shrxl_rmv(reg, rm, second)));
    vex(SHRX, true, |reg, second, rm| theirs!(shrxq_rmv(reg, rm, second)));
    vex(VFMADD213, false, |reg, second, rm| theirs!(vfmadd213ps_a(reg, second, rm)));
    vex(VFMADD213, true, |reg, second, rm| theirs!(vfmadd213pd_a(reg, second, rm)));
    vex(VFNMADD213, false, |reg, second, rm| theirs!(vfnmadd213ps_a(reg, second, rm)));
    vex(VFNMADD213, true, |reg, second, rm| theirs!(vfnmadd213pd_a(reg, second, rm)));
}

fn vex(op: Vex, wide: bool, theirs: impl Fn(u8, u8, u8) -> Vec<u8>) {
    for reg in 0..16 {
        for second in 0..16 {
            for rm in 0..16 {
                let ours = ours(|a| a.vex(op, wide, Reg(reg), Reg(second), Reg(rm)));
                same("an instruction of the VEX kind", &ours, &theirs(reg, second, rm));
            }
        }
    }
}

#[test]
fn atomics() {
    for reg in 0..16u8 {
        for (rm, amode) in memory() {
            let exchange = |op, wide| ours(|a: &mut Assembler| a.rm(op, wide, Reg(reg), rm));
            same("xchg8", &exchange(XCHG8, false), &theirs!(xchgb_rm(reg, amode)));
            same("xchg16", &exchange(XCHG16, false), &theirs!(xchgw_rm(reg, amode)));
            same("xchg", &exchange(XCHG, false), &theirs!(xchgl_rm(reg, amode)));
            same("xchg", &exchange(XCHG, true), &theirs!(xchgq_rm(reg, amode)));
        }
    }
    mem_reg! {
        LOCK_XADD8, false: lock_xaddb_mr; LOCK_XADD16, false: lock_xaddw_mr;
        LOCK_XADD, false: lock_xaddl_mr; LOCK_XADD, true: lock_xaddq_mr;
        LOCK_CMPXCHG8, false: lock_cmpxchgb_mr(RAX); LOCK_CMPXCHG16, false: lock_cmpxchgw_mr(RAX);
        LOCK_CMPXCHG, false: lock_cmpxchgl_mr(RAX); LOCK_CMPXCHG, true: lock_cmpxchgq_mr(RAX);
    }
}

#[test]
fn scalar_floats() {
    reg_mem! { MOVSS, false: movss_a_m; MOVSD, false: movsd_a_m; }
    reg_reg! { MOVSD, false: movsd_a_r; }
    mem_reg! { MOVSS_STORE, false: movss_c_m; MOVSD_STORE, false: movsd_c_m; }
    reg_rm! {
        MOVD, false: movd_a; MOVD, true: movq_a;
        UCOMISS, false: ucomiss_a; UCOMISD, false: ucomisd_a;
        SQRTSS, false: sqrtss_a; SQRTSD, false: sqrtsd_a;
        ADDSS, false: addss_a; ADDSD, false: addsd_a; MULSS, false: mulss_a; MULSD, false: mulsd_a;
        SUBSS, false: subss_a; SUBSD, false: subsd_a; DIVSS, false: divss_a; DIVSD, false: divsd_a;
        MINSS, false: minss_a; MINSD, false: minsd_a; MAXSS, false: maxss_a; MAXSD, false: maxsd_a;
        CVTSI2SS, false: cvtsi2ssl_a; CVTSI2SS, true: cvtsi2ssq_a;
        CVTSI2SD, false: cvtsi2sdl_a; CVTSI2SD, true: cvtsi2sdq_a;
        CVTTSS2SI, true: cvttss2si_aq; CVTTSD2SI, true: cvttsd2si_aq;
        CVTSS2SD, false: cvtss2sd_a; CVTSD2SS, false: cvtsd2ss_a;
    }
    reg_rm_imm! { ROUNDSS, false: roundss_rmi; ROUNDSD, false: roundsd_rmi; }
    for reg in 0..16u8 {
        for rm in 0..16u8 {
            same("movd", &ours(|a| a.rr(MOVD_STORE, false, Reg(reg), Reg(rm))), &theirs!(movd_b(rm, reg)));
            same("movq", &ours(|a| a.rr(MOVD_STORE, true, Reg(reg), Reg(rm))), &theirs!(movq_b(rm, reg)));
        }
    }
}

#[test]
fn vectors() {
    mem_reg! { MOVUPS_STORE, false: movups_b; }
    reg_reg! {
        PMOVMSKB, false: pmovmskb_rm; MOVMSKPS, false: movmskps_rm; MOVMSKPD, false: movmskpd_rm;
        MOVLHPS, false: movlhps_rm;
    }
    reg_rm! {
        MOVAPS, false: movaps_a; MOVUPS, false: movups_a; MOVDDUP, false: movddup_a;
        ANDPS, false: andps_a; ANDNPS, false: andnps_a; ORPS, false: orps_a; XORPS, false: xorps_a;
        PTEST, false: ptest_rm;
        PUNPCKLBW, false: punpcklbw_a; PUNPCKLWD, false: punpcklwd_a; PUNPCKHBW, false: punpckhbw_a;
        PUNPCKHWD, false: punpckhwd_a; PACKSSWB, false: packsswb_a; PACKUSWB, false: packuswb_a;
        PACKSSDW, false: packssdw_a; PACKUSDW, false: packusdw_a;
        PCMPEQB, false: pcmpeqb_a; PCMPEQW, false: pcmpeqw_a; PCMPEQD, false: pcmpeqd_a; PCMPEQQ, false: pcmpeqq_a;
        PCMPGTB, false: pcmpgtb_a; PCMPGTW, false: pcmpgtw_a; PCMPGTD, false: pcmpgtd_a; PCMPGTQ, false: pcmpgtq_a;
        PADDB, false: paddb_a; PADDW, false: paddw_a; PADDD, false: paddd_a; PADDQ, false: paddq_a;
        PADDSB, false: paddsb_a; PADDSW, false: paddsw_a; PADDUSB, false: paddusb_a; PADDUSW, false: paddusw_a;
        PSUBB, false: psubb_a; PSUBW, false: psubw_a; PSUBD, false: psubd_a; PSUBQ, false: psubq_a;
        PSUBSB, false: psubsb_a; PSUBSW, false: psubsw_a; PSUBUSB, false: psubusb_a; PSUBUSW, false: psubusw_a;
        PMINSB, false: pminsb_a; PMINSW, false: pminsw_a; PMINSD, false: pminsd_a;
        PMINUB, false: pminub_a; PMINUW, false: pminuw_a; PMINUD, false: pminud_a;
        PMAXSB, false: pmaxsb_a; PMAXSW, false: pmaxsw_a; PMAXSD, false: pmaxsd_a;
        PMAXUB, false: pmaxub_a; PMAXUW, false: pmaxuw_a; PMAXUD, false: pmaxud_a;
        PAVGB, false: pavgb_a; PAVGW, false: pavgw_a;
        PMULLW, false: pmullw_a; PMULHW, false: pmulhw_a; PMULHUW, false: pmulhuw_a; PMULLD, false: pmulld_a;
        PMULDQ, false: pmuldq_a; PMULUDQ, false: pmuludq_a; PMULHRSW, false: pmulhrsw_a;
        PMADDWD, false: pmaddwd_a; PMADDUBSW, false: pmaddubsw_a;
        PABSB, false: pabsb_a; PABSW, false: pabsw_a; PABSD, false: pabsd_a; PSHUFB, false: pshufb_a;
        PMOVSXBW, false: pmovsxbw_a; PMOVSXWD, false: pmovsxwd_a; PMOVSXDQ, false: pmovsxdq_a;
        PMOVZXBW, false: pmovzxbw_a; PMOVZXWD, false: pmovzxwd_a; PMOVZXDQ, false: pmovzxdq_a;
        ADDPS, false: addps_a; MULPS, false: mulps_a; SUBPS, false: subps_a; MINPS, false: minps_a;
        DIVPS, false: divps_a; MAXPS, false: maxps_a; SQRTPS, false: sqrtps_a;
        ADDPD, false: addpd_a; MULPD, false: mulpd_a; SUBPD, false: subpd_a; MINPD, false: minpd_a;
        DIVPD, false: divpd_a; MAXPD, false: maxpd_a; SQRTPD, false: sqrtpd_a;
        CVTDQ2PS, false: cvtdq2ps_a; CVTTPS2DQ, false: cvttps2dq_a; CVTPS2PD, false: cvtps2pd_a;
        CVTPD2PS, false: cvtpd2ps_a; CVTDQ2PD, false: cvtdq2pd_a; CVTTPD2DQ, false: cvttpd2dq_a;
        UNPCKLPS, false: unpcklps_a;
        PSRLW, false: psrlw_a; PSRLD, false: psrld_a; PSRLQ, false: psrlq_a;
        PSRAW, false: psraw_a; PSRAD, false: psrad_a;
        PSLLW, false: psllw_a; PSLLD, false: pslld_a; PSLLQ, false: psllq_a;
    }
    reg_rm_imm! {
        CMPPS, false: cmpps_a; CMPPD, false: cmppd_a; SHUFPS, false: shufps_a;
        PSHUFD, false: pshufd_a; PSHUFLW, false: pshuflw_a; ROUNDPS, false: roundps_rmi; ROUNDPD, false: roundpd_rmi;
        PBLENDW, false: pblendw_rmi; INSERTPS, false: insertps_a;
        PINSRB, false: pinsrb_a; PINSRW, false: pinsrw_a; PINSRD, false: pinsrd_a; PINSRD, true: pinsrq_a;
    }
}

/// Those whose vector is read, and groups of shifts.
#[test]
fn lanes_and_immediates() {
    macro_rules! extract {
        ($($op:expr, $wide:literal: $inst:ident;)*) => {$(
            for reg in 0..16u8 {
                for rm in 0..16u8 {
                    let ours = ours(|a| a.rri($op, $wide, Reg(reg), Reg(rm), 3));
                    same(stringify!($inst), &ours, &theirs!($inst(rm, reg, 3u8)));
                }
                for (rm, amode) in memory() {
                    let ours = ours(|a| a.ins($op, $wide, Reg(reg), rm, 3, 1));
                    same(stringify!($inst), &ours, &theirs!($inst(amode, reg, 3u8)));
                }
            }
        )*};
    }
    extract! {
        PEXTRB, false: pextrb_a; PEXTRW, false: pextrw_b; PEXTRD, false: pextrd_a; PEXTRD, true: pextrq_a;
    }
    macro_rules! group {
        ($($op:expr, $extension:literal: $inst:ident;)*) => {$(
            for rm in 0..16u8 {
                let ours = ours(|a| a.ext_imm8($op, false, $extension, Rm::Reg(Reg(rm)), 9));
                same(stringify!($inst), &ours, &theirs!($inst(rm, 9u8)));
            }
        )*};
    }
    group! {
        SHIFT_WORDS, 2: psrlw_b; SHIFT_WORDS, 4: psraw_b; SHIFT_WORDS, 6: psllw_b;
        SHIFT_DWORDS, 2: psrld_b; SHIFT_DWORDS, 4: psrad_b; SHIFT_DWORDS, 6: pslld_b;
        SHIFT_QWORDS, 2: psrlq_b; SHIFT_QWORDS, 6: psllq_b;
    }
}

/// What a displacement of 32 bits at a place leads to.
fn led_to(code: &[u8], at: usize) -> usize {
    let bits = i32::from_le_bytes(code[at..at + 4].try_into().expect("four bytes"));
    (at as i64 + 4 + i64::from(bits)) as usize
}

#[test]
fn jumps_lead_to_their_labels() {
    let mut asm = Assembler::default();
    let (ahead, back) = (asm.new_label(), asm.label_here());
    asm.jmp(ahead);
    asm.jcc(Cond::Less, ahead);
    asm.at_label(MOVUPS, false, Reg(25), ahead);
    // Near jumps back are short, and those from farther away long.
    asm.jmp(back);
    asm.jcc(Cond::Above, back);
    asm.raw(&[0x90; 200]);
    asm.jmp(back);
    assert!(asm.is_used(ahead) && asm.is_used(back));
    asm.bind(ahead);
    let code = asm.code();
    let end = code.len();
    assert_eq!(code[0], 0xe9);
    assert_eq!(led_to(code, 1), end);
    assert_eq!(&code[5..7], &[0x0f, 0x8c]);
    assert_eq!(led_to(code, 7), end);
    assert_eq!(&code[11..15], &[0x44, 0x0f, 0x10, 0x0d]);
    assert_eq!(led_to(code, 15), end);
    assert_eq!(&code[19..23], &[0xeb, 0x100u16.wrapping_sub(21) as u8, 0x77, 0x100u16.wrapping_sub(23) as u8]);
    assert_eq!(code[223], 0xe9);
    assert_eq!(led_to(code, 224), 0);
    assert_eq!(asm.position(ahead) as usize, end);
}

#[test]
fn no_label_is_used_before_anything_goes_there() {
    let mut asm = Assembler::default();
    let label = asm.new_label();
    assert!(!asm.is_used(label));
    asm.use_label(label);
    assert!(asm.is_used(label));
    let _: Op = MOV;
}
