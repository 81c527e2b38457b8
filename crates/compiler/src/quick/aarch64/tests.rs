//! Every form of every instruction that is used, against a disassembler: all registers, and immediates at the ends of
//! their ranges. It prints instructions without aliases.

use super::asm::{Assembler, Cond, Mem, Op, Reg, ZERO, float_immediate, logical_immediate, v, x};
use super::lanes::Lanes;
use super::ops::*;

fn theirs(word: u32) -> String {
    let text = disarm64::decoder::decode(word).map_or_else(|| "nothing".to_owned(), |insn| insn.to_string());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn ours(lay: impl FnOnce(&mut Assembler)) -> Vec<u32> {
    let mut asm = Assembler::default();
    lay(&mut asm);
    asm.code().chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
}

/// One instruction is laid, and is what is expected.
#[track_caller]
fn is(lay: impl FnOnce(&mut Assembler), expected: &str) {
    let words = ours(lay);
    assert_eq!(words.len(), 1, "{expected}: {words:08x?}");
    assert_eq!(theirs(words[0]), expected, "{:08x}", words[0]);
}

/// A general register, 31 being the zero register.
fn r(wide: bool, n: u8) -> String {
    match (wide, n) {
        (true, 31) => "xzr".into(),
        (false, 31) => "wzr".into(),
        (true, n) => format!("x{n}"),
        (false, n) => format!("w{n}"),
    }
}

/// The same with 31 being the stack pointer.
fn sp(n: u8) -> String {
    if n == 31 { "sp".into() } else { format!("x{n}") }
}

/// A scalar float.
fn f(double: bool, n: u8) -> String {
    format!("{}{n}", if double { 'd' } else { 's' })
}

fn lower(name: &str) -> String {
    name.trim_end_matches("_V").to_lowercase()
}

const BOTH: [bool; 2] = [false, true];

/// Triples of registers in which each register is in each place, beside others.
fn triples() -> impl Iterator<Item = (u8, u8, u8)> {
    (0..32).flat_map(|a| (0..32).map(move |b| (a, b, (a + 3 * b + 1) % 32)))
}

#[test]
fn integers() {
    for (name, op) in integers::ALL {
        for (wide, (a, b, c)) in BOTH.into_iter().flat_map(|wide| triples().map(move |t| (wide, t))) {
            let expected = format!("{} {}, {}, {}", lower(name), r(wide, a), r(wide, b), r(wide, c));
            is(|asm| asm.rrr(op.wide(wide), x(a), x(b), x(c)), &expected);
        }
    }
    for (wide, (a, b, c)) in BOTH.into_iter().flat_map(|wide| triples().map(move |t| (wide, t))) {
        for (name, op) in unary::ALL {
            is(|asm| asm.rr(op.wide(wide), x(a), x(b)), &format!("{} {}, {}", lower(name), r(wide, a), r(wide, b)));
        }
        for (name, op) in products::ALL {
            let d = (a + b) % 32;
            let registers = [a, b, c, d].map(|n| r(wide, n)).join(", ");
            is(|asm| asm.rrrr(op.wide(wide), x(a), x(b), x(c), x(d)), &format!("{} {registers}", lower(name)));
        }
        let three = [a, b, c].map(|n| r(true, n)).join(", ");
        is(|asm| asm.rrr(SMULH, x(a), x(b), x(c)), &format!("smulh {three}"));
        is(|asm| asm.rrr(UMULH, x(a), x(b), x(c)), &format!("umulh {three}"));
        let (target, first, second) = (r(wide, a), r(wide, b), r(wide, c));
        for left in [1, 2, 3, 4] {
            let lay = |asm: &mut Assembler| asm.rrr_shifted(ADD.wide(wide), x(a), x(b), x(c), left);
            is(lay, &format!("add {target}, {first}, {second}, lsl #{left}"));
        }
    }
    for (a, b, c) in triples() {
        let (target, first, word) = (r(true, a), sp(b), r(false, c));
        is(|asm| asm.rrr(SUBS_UXTW, x(a), x(b), x(c)), &format!("subs {target}, {first}, {word}, uxtw"));
        is(|asm| asm.rrr(SUBS_SXTW, x(a), x(b), x(c)), &format!("subs {target}, {first}, {word}, sxtw"));
    }
    is(|asm| asm.rrr(SUB_UXTX, x(31), x(31), x(16)), "sub sp, sp, x16");
}

const CONDITIONS: [&str; 14] = ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"];

#[test]
fn conditions() {
    for (cond, name) in Cond::ALL.into_iter().zip(CONDITIONS) {
        for (wide, (a, b, c)) in BOTH.into_iter().flat_map(|wide| triples().map(move |t| (wide, t))) {
            let three = [a, b, c].map(|n| r(wide, n)).join(", ");
            is(|asm| asm.rrr(CSEL.wide(wide).on(cond), x(a), x(b), x(c)), &format!("csel {three}, {name}"));
            is(|asm| asm.rrr(CSINC.wide(wide).on(cond), x(a), x(b), x(c)), &format!("csinc {three}, {name}"));
            let three = [a, b, c].map(|n| f(wide, n)).join(", ");
            is(|asm| asm.rrr(FCSEL.double(wide).on(cond), v(a), v(b), v(c)), &format!("fcsel {three}, {name}"));
        }
        for (wide, n) in BOTH.into_iter().flat_map(|wide| (0..32).map(move |n| (wide, n))) {
            let op = Op(CCMP_IMM.wide(wide).on(cond).0 | 1 << 16);
            is(|asm| asm.rr(op, Reg(0), x(n)), &format!("ccmp {}, #0x1, #0x0, {name}", r(wide, n)));
        }
        let forward = ours(|asm| {
            let label = asm.new_label();
            asm.jcc(cond, label);
            asm.put(NOP.0);
            asm.bind(label);
        });
        assert!(theirs(forward[0]).starts_with(&format!("b.{name} 0x8")), "{}", theirs(forward[0]));
    }
}

#[test]
fn additions() {
    let values = [0, 1, 0xfff, 0x1000, 0xfff_000];
    for (wide, n) in BOTH.into_iter().flat_map(|wide| (0..31).map(move |n| (wide, n))) {
        for value in values {
            let shown = match value {
                0 => "#0x0".to_owned(),
                value if value & 0xfff == 0 => format!("#{:#x}, lsl #12", value >> 12),
                value => format!("#{value:#x}"),
            };
            let (a, b) = (r(wide, n), r(wide, 30 - n));
            let check = |flags, value: i64, name: &str| {
                let lay = |asm: &mut Assembler| assert!(asm.add_imm(wide, flags, x(n), x(30 - n), value));
                is(lay, &format!("{name} {a}, {b}, {shown}"));
            };
            if value > 0 {
                check(false, value, "add");
                check(true, value, "adds");
            }
            check(false, -value, "sub");
            check(true, -value, "subs");
        }
        let compare = |asm: &mut Assembler| assert!(asm.add_imm(wide, true, ZERO, x(n), -5));
        is(compare, &format!("subs {}, {}, #0x5", r(wide, 31), r(wide, n)));
    }
    for value in [0x1001, -0x1001, 1 << 24, i64::MAX, i64::MIN] {
        assert!(ours(|asm| assert!(!asm.add_imm(true, false, x(0), x(1), value))).is_empty(), "{value:#x}");
    }
    is(|asm| asm.add_any(x(31), x(31), -4080), "sub sp, sp, #0xff0");
    let two = ours(|asm| asm.add_any(x(31), x(31), -0x12_3450));
    assert_eq!(
        two.iter().map(|word| theirs(*word)).collect::<Vec<_>>(),
        ["sub sp, sp, #0x124, lsl #12", "add sp, sp, #0xbb0"]
    );
}

/// What the bits of a logical immediate stand for, as the manual says it.
fn decoded(wide: bool, bits: u32) -> u64 {
    let (n, immr, imms) = (bits >> 12, bits >> 6 & 0x3f, bits & 0x3f);
    let len = 31 - (n << 6 | !imms & 0x3f).leading_zeros();
    let size = 1u32 << len;
    let (s, r) = (imms & (size - 1), immr & (size - 1));
    let mask = if size == 64 { u64::MAX } else { (1 << size) - 1 };
    let ones = (1u64 << (s + 1)) - 1;
    let element = if r == 0 { ones } else { (ones >> r | ones << (size - r)) & mask };
    let all = (0..64 / size).fold(0, |all, at| all | element << (at * size));
    if wide { all } else { all & 0xffff_ffff }
}

#[test]
fn logical_immediates() {
    let mut count = 0;
    for wide in BOTH {
        let sizes: &[u32] = if wide { &[2, 4, 8, 16, 32, 64] } else { &[2, 4, 8, 16, 32] };
        for &size in sizes {
            for (ones, rotation) in (1..size).flat_map(|ones| (0..size).map(move |rotation| (ones, rotation))) {
                let n = u32::from(size == 64) << 12;
                let bits = n | rotation << 6 | (!(2 * size - 1) & 0x3f) | (ones - 1);
                let value = decoded(wide, bits);
                let found = logical_immediate(wide, value).unwrap_or_else(|| panic!("{value:#x}"));
                assert_eq!(decoded(wide, found), value, "{wide}, {value:#x}");
                count += 1;
            }
        }
        for value in [0, u64::MAX, 5, 0x1234, 0x8000_0001_0000_0000] {
            let value = if wide { value } else { value & 0xffff_ffff };
            assert_eq!(logical_immediate(wide, value), None, "{wide}, {value:#x}");
        }
    }
    assert_eq!(count, 5334 + 1302);
    for (name, op) in [("and", AND_IMM), ("orr", ORR_IMM), ("eor", EOR_IMM), ("ands", ANDS_IMM)] {
        for n in 0..31 {
            let lay = |asm: &mut Assembler| assert!(asm.logical_imm(op, true, x(n), x(30 - n), 0xff0));
            is(lay, &format!("{name} x{n}, x{}, #0xff0", 30 - n));
            let lay = |asm: &mut Assembler| assert!(asm.logical_imm(op, false, x(n), x(30 - n), 7));
            is(lay, &format!("{name} w{n}, w{}, #0x7", 30 - n));
        }
    }
}

/// What instructions that move constants leave in a register.
fn moved(words: &[u32]) -> u64 {
    let mut value = 0u64;
    for word in words {
        let (wide, half, bits) = (word >> 31 == 1, 16 * (word >> 21 & 3), u64::from(word >> 5 & 0xffff));
        let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
        value = match word & 0x7f80_0000 {
            0x5280_0000 => bits << half,
            0x1280_0000 => cut(!(bits << half)),
            0x7280_0000 => cut(value & !(0xffff << half) | bits << half),
            _ => {
                assert_eq!(word & 0x7f80_03e0, 0x3200_03e0, "{}", theirs(*word));
                decoded(wide, word >> 10 & 0x1fff)
            }
        };
    }
    value
}

#[test]
fn constants() {
    let halves = [0, 1, 0x8000, 0xfffe, 0xffff];
    let mut longest = 0;
    for at in 0..5usize.pow(4) {
        let value = (0..4).fold(0, |value, n| value << 16 | halves[at / 5usize.pow(n) % 5]);
        for n in [0, 30] {
            let words = ours(|asm| asm.mov_imm(x(n), value));
            assert_eq!(moved(&words), value, "{value:#x}");
            assert!(words.iter().all(|word| word & 31 == u32::from(n)));
            longest = longest.max(words.len());
        }
    }
    assert_eq!(longest, 4);
    is(|asm| asm.mov_imm(x(3), 0), "movz w3, #0x0, lsl #0x0");
    is(|asm| asm.mov_imm(x(3), u64::MAX), "movn x3, #0x0, lsl #0x0");
    is(|asm| asm.mov_imm(x(3), 0xffff_ffff), "movn w3, #0x0, lsl #0x0");
    is(|asm| asm.mov_imm(x(3), 0x7fff_ffff_0000_0000), "orr x3, xzr, #0x7fffffff00000000");
    // Floats: a sign, three bits of an exponent and four of a fraction.
    for imm in 0..256u32 {
        let scale = 2f64.powi(((imm >> 4 & 7) as i32 ^ 4) - 3);
        let value = (16.0 + f64::from(imm & 15)) / 16.0 * scale * if imm >> 7 == 1 { -1.0 } else { 1.0 };
        assert_eq!(float_immediate(true, value.to_bits()), Some(imm), "{value}");
        assert_eq!(float_immediate(false, u64::from((value as f32).to_bits())), Some(imm), "{value}");
    }
    for value in [0.0, 0.1, 32.0, f64::INFINITY, f64::NAN] {
        assert_eq!(float_immediate(true, value.to_bits()), None, "{value}");
        assert_eq!(float_immediate(false, u64::from((value as f32).to_bits())), None, "{value}");
    }
}

#[test]
fn fields() {
    for (wide, n) in BOTH.into_iter().flat_map(|wide| (0..32).map(move |n| (wide, n))) {
        let (a, b) = (r(wide, n), r(wide, 31 - n));
        let bits = if wide { 64 } else { 32 };
        for amount in 0..bits {
            let to = |name: &str, immr: u32, imms: u32| format!("{name} {a}, {b}, #{immr}, #{imms}");
            is(|asm| asm.bitfield(UBFM, wide, x(n), x(31 - n), amount, bits - 1), &to("ubfm", amount, bits - 1));
            is(|asm| asm.bitfield(SBFM, wide, x(n), x(31 - n), 0, amount), &to("sbfm", 0, amount));
            let left = to("ubfm", (bits - amount) % bits, bits - 1 - amount);
            is(|asm| asm.shift_left(wide, x(n), x(31 - n), amount), &left);
        }
    }
}

#[test]
fn memory() {
    for (name, access) in ACCESSES {
        let (mnemonic, kind) = name.split_once('_').unwrap_or((name, if *name == "LDRSW" { "X" } else { "W" }));
        let unscaled = mnemonic.replace("LDR", "LDUR").replace("STR", "STUR");
        let (bytes, scale) = match (mnemonic.chars().last(), kind) {
            (Some('B'), _) => (1, 1),
            (Some('H'), _) => (2, 2),
            (Some('W'), _) | (_, "W" | "S") => (4, 4),
            (_, "Q") => (16, 16),
            _ => (8, 8),
        };
        for n in 0..32u8 {
            let is_vector = matches!(kind, "S" | "D" | "Q");
            let reg = if is_vector { v(n) } else { x(n) };
            let shown = if is_vector { format!("{}{n}", kind.to_lowercase()) } else { r(kind == "X", n) };
            for base in 0..32u8 {
                for at in [0, scale, 4095 * scale, -1, -256, if bytes == 1 { 7 } else { 1 }, 255] {
                    assert!(access.reaches(at), "{name} {at}");
                    let is_scaled = at >= 0 && at % scale == 0;
                    let mnemonic = if is_scaled { mnemonic.to_lowercase() } else { unscaled.to_lowercase() };
                    let place = match at {
                        0 => format!("[{}]", sp(base)),
                        at if is_scaled => format!("[{}, #{at:#x}]", sp(base)),
                        at => format!("[{}, #{at}]", sp(base)),
                    };
                    let lay = |asm: &mut Assembler| asm.access(*access, reg, Mem::Base(x(base), at));
                    is(lay, &format!("{mnemonic} {shown}, {place}"));
                }
                let index = (base + n) % 31;
                let lay = |asm: &mut Assembler| asm.access(*access, reg, Mem::Index(x(base), x(index)));
                is(lay, &format!("{} {shown}, [{}, x{index}]", mnemonic.to_lowercase(), sp(base)));
            }
        }
        assert!(!access.reaches(4096 * scale) && !access.reaches(-257), "{name}");
    }
    for at in [-512, -16, 8, 504] {
        is(|asm| asm.pair(STP, x(1), x(2), x(29), at), &format!("stp x1, x2, [x29, #{at}]"));
        is(|asm| asm.pair(LDP, x(1), x(2), x(29), at), &format!("ldp x1, x2, [x29, #{at}]"));
        is(|asm| asm.pair(STP_D, v(8), v(9), x(29), at), &format!("stp d8, d9, [x29, #{at}]"));
        is(|asm| asm.pair(LDP_D, v(8), v(9), x(29), at), &format!("ldp d8, d9, [x29, #{at}]"));
        is(|asm| asm.pair(STP_BEFORE, x(29), x(30), x(31), at), &format!("stp x29, x30, [sp, #{at}]!"));
        is(|asm| asm.pair(STP_BEHIND, x(31), x(31), x(16), at), &format!("stp xzr, xzr, [x16], #{at}"));
        is(|asm| asm.pair(LDP_BEHIND, x(29), x(30), x(31), at), &format!("ldp x29, x30, [sp], #{at}"));
    }
    is(|asm| asm.rrr(LDRSW_SCALED, x(16), x(1), x(16)), "ldrsw x16, [x1, x16, lsl #2]");
}

#[test]
fn atomics() {
    let widths = [("b", false), ("h", false), ("", false), ("", true)];
    for (log2, (suffix, wide)) in widths.into_iter().enumerate() {
        let sized = |op: Op| Op(op.0 | (log2 as u32) << 30);
        for (a, b, c) in triples().filter(|(_, b, _)| *b < 31) {
            let (reg, base, status) = (r(wide, a), sp(b), r(false, c));
            for (name, op) in [("ldar", LDAR), ("stlr", STLR), ("ldaxr", LDAXR)] {
                is(|asm| asm.rr(sized(op), x(a), x(b)), &format!("{name}{suffix} {reg}, [{base}]"));
            }
            let lay = |asm: &mut Assembler| asm.rrr(sized(STLXR), x(a), x(b), x(c));
            is(lay, &format!("stlxr{suffix} {status}, {reg}, [{base}]"));
            let second = r(wide, c);
            let names = [
                ("ldaddal", LDADDAL),
                ("ldclral", LDCLRAL),
                ("ldeoral", LDEORAL),
                ("ldsetal", LDSETAL),
                ("swpal", SWPAL),
                ("casal", CASAL),
            ];
            for (name, op) in names {
                let lay = |asm: &mut Assembler| asm.rrr(sized(op), x(a), x(b), x(c));
                is(lay, &format!("{name}{suffix} {second}, {reg}, [{base}]"));
            }
        }
    }
    is(|asm| asm.put(DMB_ISH.0), "dmb ish");
}

#[test]
fn branches() {
    is(|asm| asm.rr(BR, Reg(0), x(16)), "br x16");
    is(|asm| asm.rr(BLR, Reg(0), x(1)), "blr x1");
    is(|asm| asm.put(RET.0), "ret x30");
    is(|asm| asm.put(NOP.0), "nop");
    is(|asm| asm.put(CSDB.0), "csdb");
    is(|asm| asm.put(UDF.0), "udf #0xc11f");
    is(|asm| asm.put(B.0 | 2), "b 0x8");
    is(|asm| asm.put(BL.0 | 2), "bl 0x8");
    for n in 0..31 {
        for (cond, name) in [(Cond::Equal, "cbz"), (Cond::NotEqual, "cbnz")] {
            for wide in BOTH {
                let lay = |asm: &mut Assembler| {
                    asm.test_zero(x(n), wide);
                    let label = asm.new_label();
                    asm.jcc(cond, label);
                    asm.bind(label);
                };
                is(lay, &format!("{name} {}, 0x4", r(wide, n)));
            }
        }
        let lay = |asm: &mut Assembler| {
            let label = asm.new_label();
            asm.address_of(x(n), label);
            asm.bind(label);
        };
        is(lay, &format!("adr x{n}, 0x4"));
        let lay = |asm: &mut Assembler| {
            let label = asm.new_label();
            asm.load_near(v(n), label);
            asm.bind(label);
        };
        is(lay, &format!("ldr q{n}, 0x4"));
    }
    // Flags that are read after another instruction are kept.
    let kept = ours(|asm| {
        asm.test_zero(x(0), false);
        asm.put(NOP.0);
        let label = asm.label_here();
        asm.jcc(Cond::Equal, label);
    });
    assert_eq!(theirs(kept[0]), "subs wzr, w0, #0x0");
}

#[test]
fn distances() {
    const FAR_WORDS: u32 = (1 << 18) + 10;
    let lay = |far: bool, wide_test: bool| {
        let mut asm = Assembler::default();
        if far {
            asm.reach_far();
        }
        let (start, end) = (asm.label_here(), asm.new_label());
        if wide_test {
            asm.test_zero(x(5), true);
        }
        asm.jcc(Cond::Equal, end);
        for _ in 0..FAR_WORDS {
            asm.put(NOP.0);
        }
        asm.jcc(Cond::Less, start);
        asm.bind(end);
        asm
    };
    assert!(lay(false, false).has_failed());
    for (wide_test, first) in [(false, "b.ne 0x8"), (true, "cbnz x5, 0x8")] {
        let asm = lay(true, wide_test);
        assert!(!asm.has_failed());
        let word = |at: usize| u32::from_le_bytes(asm.code()[4 * at..4 * at + 4].try_into().expect("four bytes"));
        let count = asm.code().len() / 4;
        assert_eq!(theirs(word(0)).split_whitespace().collect::<Vec<_>>().join(" "), first);
        assert_eq!(word(1), B.0 | (count as u32 - 1), "the forward branch");
        // Backwards, what is bound decides: over a branch that leads far.
        assert_eq!(theirs(word(count - 2)), "b.ge 0x8");
        assert_eq!(word(count - 1), B.0 | (0u32.wrapping_sub(count as u32 - 1) & 0x3ff_ffff));
    }
}

#[test]
fn floats() {
    for (double, (a, b, c)) in BOTH.into_iter().flat_map(|double| triples().map(move |t| (double, t))) {
        let (to, first, second) = (f(double, a), f(double, b), f(double, c));
        for (name, op) in floats::ALL {
            let expected = format!("{} {to}, {first}, {second}", lower(name));
            is(|asm| asm.rrr(op.double(double), v(a), v(b), v(c)), &expected);
        }
        for (name, op) in unary_floats::ALL {
            is(|asm| asm.rr(op.double(double), v(a), v(b)), &format!("{} {to}, {first}", lower(name)));
        }
        is(|asm| asm.rrr(FCMP.double(double), Reg(0), v(a), v(b)), &format!("fcmp {to}, {first}"));
        for wide in BOTH {
            for (name, op) in [("scvtf", SCVTF), ("ucvtf", UCVTF)] {
                is(|asm| asm.rr(op.wide(wide).double(double), v(a), x(b)), &format!("{name} {to}, {}", r(wide, b)));
            }
            for (name, op) in [("fcvtzs", FCVTZS), ("fcvtzu", FCVTZU)] {
                is(|asm| asm.rr(op.wide(wide).double(double), x(a), v(b)), &format!("{name} {}, {first}", r(wide, a)));
            }
        }
        let (to_int, from_int) = (r(double, a), r(double, b));
        is(|asm| asm.rr(FMOV_TO_FLOAT.wide(double).double(double), v(a), x(b)), &format!("fmov {to}, {from_int}"));
        is(|asm| asm.rr(FMOV_FROM_FLOAT.wide(double).double(double), x(a), v(b)), &format!("fmov {to_int}, {first}"));
    }
    for (a, b, _) in triples() {
        // The disassembler prints both registers by the source's width.
        is(|asm| asm.rr(FCVT_TO_DOUBLE, v(a), v(b)), &format!("fcvt s{a}, s{b}"));
        is(|asm| asm.rr(FCVT_TO_SINGLE, v(a), v(b)), &format!("fcvt d{a}, d{b}"));
    }
    is(|asm| asm.put(FMOV_IMM.double(true).0 | 0xf0 << 13 | 3), "fmov d3, #-1");
}

const INTS: [(Lanes, &str, &str); 4] =
    [(Lanes::I8, "16b", "8b"), (Lanes::I16, "8h", "4h"), (Lanes::I32, "4s", "2s"), (Lanes::I64, "2d", "1d")];
const FLOATS: [(Lanes, &str); 2] = [(Lanes::F32, "4s"), (Lanes::F64, "2d")];

#[test]
fn vectors() {
    for (a, b, c) in triples() {
        for (at, (lanes, shape, _)) in INTS.into_iter().enumerate() {
            let ops = three_same::ALL.iter().chain(if at < 3 { three_same_narrow::ALL } else { &[] });
            for (name, op) in ops.filter(|(name, _)| at < 3 || *name != "MUL_V") {
                let expected = format!("{} v{a}.{shape}, v{b}.{shape}, v{c}.{shape}", lower(name));
                is(|asm| asm.rrr(lanes.of(*op), v(a), v(b), v(c)), &expected);
            }
            for (name, op) in two_same::ALL {
                let (mnemonic, zero) = name.strip_suffix("_ZERO_V").map_or((lower(name), ""), |n| (lower(n), ", #0"));
                let expected = format!("{mnemonic} v{a}.{shape}, v{b}.{shape}{zero}");
                is(|asm| asm.rr(lanes.of(*op), v(a), v(b)), &expected);
            }
        }
        for (name, op) in bits::ALL {
            let expected = format!("{} v{a}.16b, v{b}.16b, v{c}.16b", lower(name));
            is(|asm| asm.rrr(*op, v(a), v(b), v(c)), &expected);
        }
        for (lanes, shape) in FLOATS {
            for (name, op) in float_lanes::ALL {
                let expected = format!("{} v{a}.{shape}, v{b}.{shape}, v{c}.{shape}", lower(name));
                is(|asm| asm.rrr(lanes.of(*op), v(a), v(b), v(c)), &expected);
            }
            for (name, op) in unary_float_lanes::ALL {
                is(|asm| asm.rr(lanes.of(*op), v(a), v(b)), &format!("{} v{a}.{shape}, v{b}.{shape}", lower(name)));
            }
        }
        widths(a, b, c);
        single(a, b, c);
    }
}

/// Instructions whose sources and targets have lanes of different widths.
fn widths(a: u8, b: u8, c: u8) {
    for at in 0..3 {
        let ((lanes, whole, half), (_, wide, _)) = (INTS[at], INTS[at + 1]);
        for (name, op) in [("xtn", XTN_V), ("sqxtn", SQXTN_V), ("uqxtn", UQXTN_V), ("sqxtun", SQXTUN_V)] {
            is(|asm| asm.rr(lanes.of(op), v(a), v(b)), &format!("{name} v{a}.{half}, v{b}.{wide}"));
            is(|asm| asm.rr(upper(lanes.of(op)), v(a), v(b)), &format!("{name}2 v{a}.{whole}, v{b}.{wide}"));
        }
        for (name, op) in [("saddlp", SADDLP_V), ("uaddlp", UADDLP_V)] {
            is(|asm| asm.rr(lanes.of(op), v(a), v(b)), &format!("{name} v{a}.{wide}, v{b}.{whole}"));
        }
        for (name, op) in [("smull", SMULL_V), ("umull", UMULL_V), ("umlal", UMLAL_V)] {
            let expected = |two: &str, from: &str| format!("{name}{two} v{a}.{wide}, v{b}.{from}, v{c}.{from}");
            is(|asm| asm.rrr(lanes.of(op), v(a), v(b), v(c)), &expected("", half));
            is(|asm| asm.rrr(upper(lanes.of(op)), v(a), v(b), v(c)), &expected("2", whole));
        }
        for (name, op) in [("sshll", SSHLL_V), ("ushll", USHLL_V)] {
            let op = Op(op.0 | lanes.left(0));
            is(|asm| asm.rr(op, v(a), v(b)), &format!("{name} v{a}.{wide}, v{b}.{half}, #0"));
            is(|asm| asm.rr(upper(op), v(a), v(b)), &format!("{name}2 v{a}.{wide}, v{b}.{whole}, #0"));
        }
    }
    is(|asm| asm.rr(FCVTL_V, v(a), v(b)), &format!("fcvtl v{a}.2d, v{b}.2s"));
    is(|asm| asm.rr(FCVTN_V, v(a), v(b)), &format!("fcvtn v{a}.2s, v{b}.2d"));
    for (lanes, shape, _) in INTS {
        let bits = 8 * lanes.bytes();
        for amount in 0..bits {
            let expected = format!("shl v{a}.{shape}, v{b}.{shape}, #{amount}");
            is(|asm| asm.rr(Op(SHL_V.0 | lanes.left(amount)), v(a), v(b)), &expected);
            for (name, op) in [("sshr", SSHR_V), ("ushr", USHR_V)] {
                let expected = format!("{name} v{a}.{shape}, v{b}.{shape}, #{}", amount + 1);
                is(|asm| asm.rr(Op(op.0 | lanes.right(amount + 1)), v(a), v(b)), &expected);
            }
        }
    }
}

/// Instructions of one shape, and those that move lanes.
fn single(a: u8, b: u8, c: u8) {
    is(|asm| asm.rr(CNT_V, v(a), v(b)), &format!("cnt v{a}.16b, v{b}.16b"));
    is(|asm| asm.rr(CNT_LOW_V, v(a), v(b)), &format!("cnt v{a}.8b, v{b}.8b"));
    is(|asm| asm.rr(NOT_V, v(a), v(b)), &format!("not v{a}.16b, v{b}.16b"));
    is(|asm| asm.rr(Lanes::I32.of(REV64_V), v(a), v(b)), &format!("rev64 v{a}.4s, v{b}.4s"));
    is(|asm| asm.rr(ADDV_LOW_V, v(a), v(b)), &format!("addv b{a}, v{b}.8b"));
    is(|asm| asm.rr(Lanes::I16.of(ADDV_V), v(a), v(b)), &format!("addv h{a}, v{b}.8h"));
    is(|asm| asm.rr(Lanes::I32.of(ADDV_V), v(a), v(b)), &format!("addv s{a}, v{b}.4s"));
    let bytes = format!("v{a}.16b, v{b}.16b, v{c}.16b");
    is(|asm| asm.rrr(Op(EXT_V.0 | 8 << 11), v(a), v(b), v(c)), &format!("ext {bytes}, #8"));
    is(|asm| asm.rrr(ZIP1_BYTES_V, v(a), v(b), v(c)), &format!("zip1 {bytes}"));
    is(|asm| asm.rrr(TBL_V, v(a), v(b), v(c)), &format!("tbl v{a}.16b, {{ v{b}.16b }}, v{c}.16b"));
    let next = (b + 1) % 32;
    let expected = format!("tbl v{a}.16b, {{ v{b}.16b, v{next}.16b }}, v{c}.16b");
    is(|asm| asm.rrr(TBL2_V, v(a), v(b), v(c)), &expected);
    is(|asm| asm.rrr(SQRDMULH_WORDS_V, v(a), v(b), v(c)), &format!("sqrdmulh v{a}.8h, v{b}.8h, v{c}.8h"));
    is(|asm| asm.rrr(SDOT_V, v(a), v(b), v(c)), &format!("sdot v{a}.4s, v{b}.16b, v{c}.16b"));
    for (lanes, letter, count) in
        [(Lanes::I8, 'b', 16), (Lanes::I16, 'h', 8), (Lanes::I32, 's', 4), (Lanes::I64, 'd', 2)]
    {
        let wide = letter == 'd';
        let shape = format!("{count}{letter}");
        let base = b % 31;
        let splat = Op(LD1R_V.0 | lanes.log2() << 10);
        // The disassembler prints one double for two.
        let printed = if wide { "1d" } else { &shape };
        is(|asm| asm.rr(splat, v(a), x(base)), &format!("ld1r {{ v{a}.{printed} }}, [x{base}]"));
        is(|asm| asm.rr(Op(DUP_V.0 | lanes.at(0)), v(a), x(b)), &format!("dup v{a}.{shape}, {}", r(wide, b)));
        for lane in 0..count {
            let at = lanes.at(lane);
            // The disassembler names a register of 32 bits in each case.
            is(|asm| asm.rr(Op(INS_V.0 | at), v(a), x(b)), &format!("ins v{a}.{letter}[{lane}], {}", r(false, b)));
            let expected = format!("dup v{a}.{shape}, v{b}.{letter}[{lane}]");
            is(|asm| asm.rr(Op(DUP_LANE_V.0 | at), v(a), v(b)), &expected);
            let expected = format!("ins v{a}.{letter}[{lane}], v{b}.{letter}[0]");
            is(|asm| asm.rr(Op(INS_LANE_V.0 | at), v(a), v(b)), &expected);
            let expected = format!("umov {}, v{b}.{letter}[{lane}]", r(wide, a));
            is(|asm| asm.rr(Op(UMOV_V.0 | u32::from(wide) << 30 | at), x(a), v(b)), &expected);
            if lanes.bytes() < 4 {
                is(
                    |asm| asm.rr(Op(SMOV_V.0 | at), x(a), v(b)),
                    &format!("smov {}, v{b}.{letter}[{lane}]", r(false, a)),
                );
            }
            for (name, op) in [("ld1", LD1_LANE_V), ("st1", ST1_LANE_V)] {
                let op = Op(op.0 | super::lanes::lane_bits(lanes, lane));
                let expected = format!("{name} {{ v{a}.{letter} }}[{lane}], [x{base}]");
                is(|asm| asm.rr(op, v(a), x(base)), &expected);
            }
        }
    }
    for value in [0u32, 1, 0x1f, 0x20, 0xa5, 0xff] {
        let word = MOVI_BYTES_V.0 | (value >> 5) << 16 | (value & 31) << 5 | u32::from(a);
        is(|asm| asm.put(word), &format!("movi v{a}.16b, #{value:#x}"));
    }
}
