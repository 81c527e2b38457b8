//! Debug information, made by structure: well-formed, and hostile.

use super::wasm::{Random, leb};

pub type Sections = Vec<(&'static str, Vec<u8>)>;

/// Abbreviations: tag, whether it has children, attributes with their forms.
type Abbreviation<'a> = (u64, bool, &'a [(u64, u64)]);

const COMPILE_UNIT: u64 = 0x11;
const SUBPROGRAM: u64 = 0x2e;
const INLINED: u64 = 0x1d;
const BLOCK: u64 = 0x0b;

const NAME: u64 = 0x03;
const STMT_LIST: u64 = 0x10;
const LOW_PC: u64 = 0x11;
const HIGH_PC: u64 = 0x12;
const COMP_DIR: u64 = 0x1b;
const ORIGIN: u64 = 0x31;
const SPECIFICATION: u64 = 0x47;
const RANGES: u64 = 0x55;
const CALL_FILE: u64 = 0x58;
const CALL_LINE: u64 = 0x59;

const ADDR: u64 = 0x01;
const DATA4: u64 = 0x06;
const STRING: u64 = 0x08;
const STRP: u64 = 0x0e;
const REF4: u64 = 0x13;
const REF_ADDR: u64 = 0x10;
const SEC_OFFSET: u64 = 0x17;
const FLAG_PRESENT: u64 = 0x19;
const UDATA: u64 = 0x0f;

/// Where all of the module's code ends, and more.
const END: u32 = 0x10000;

/// The size of a unit's header, of version 4 in 32 bits.
const HEADER: u32 = 11;

fn abbreviations(all: &[Abbreviation<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (code, (tag, children, attributes)) in (1..).zip(all) {
        out.extend(leb(code));
        out.extend(leb(*tag));
        out.push((*children).into());
        for (name, form) in *attributes {
            out.extend(leb(*name));
            out.extend(leb(*form));
        }
        out.extend([0, 0]);
    }
    out.push(0);
    out
}

fn unit(body: &[u8]) -> Vec<u8> {
    let mut out = (7 + body.len() as u32).to_le_bytes().to_vec();
    out.extend([4, 0]);
    out.extend(0u32.to_le_bytes());
    out.push(4);
    out.extend(body);
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn string(text: &str) -> Vec<u8> {
    let mut out: Vec<u8> = text.bytes().filter(|byte| *byte != 0).collect();
    out.push(0);
    out
}

/// A line table of version 4: one file, and a program.
fn lines(file: &str, program: &[u8]) -> Vec<u8> {
    let mut header = vec![1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
    header.push(0);
    header.extend(string(file));
    header.extend([0, 0, 0, 0]);
    let mut rest = (4u16).to_le_bytes().to_vec();
    rest.extend((header.len() as u32).to_le_bytes());
    rest.extend(header);
    rest.extend(program);
    let mut out = (rest.len() as u32).to_le_bytes().to_vec();
    out.extend(rest);
    out
}

/// Line 7, column 3, from address 1 on.
fn plain_program() -> Vec<u8> {
    let mut out = vec![0, 5, 2];
    out.extend(1u32.to_le_bytes());
    out.extend([3, 6, 5, 3, 1]);
    out.extend([2]);
    out.extend(leb(u64::from(END)));
    out.extend([0, 1, 1]);
    out
}

const PLAIN: &[Abbreviation<'_>] = &[
    (COMPILE_UNIT, true, &[(LOW_PC, ADDR), (HIGH_PC, DATA4), (STMT_LIST, SEC_OFFSET), (COMP_DIR, STRING)]),
    (SUBPROGRAM, false, &[(NAME, STRING)]),
    (SUBPROGRAM, true, &[(NAME, STRING), (LOW_PC, ADDR), (HIGH_PC, DATA4)]),
    (INLINED, true, &[(ORIGIN, REF4), (LOW_PC, ADDR), (HIGH_PC, DATA4), (CALL_FILE, UDATA), (CALL_LINE, UDATA)]),
    (BLOCK, true, &[]),
];

fn root() -> Vec<u8> {
    [leb(1), words(&[0, END, 0]), string("/source")].concat()
}

fn with_lines(abbreviations: Vec<u8>, info: Vec<u8>, lines: Vec<u8>) -> Sections {
    vec![(".debug_abbrev", abbreviations), (".debug_info", info), (".debug_line", lines)]
}

/// A function of this name in this file.
pub fn one_function(name: &str, file: &str) -> Sections {
    let body = [root(), leb(3), string(name), words(&[0, END]), vec![0, 0]].concat();
    with_lines(abbreviations(PLAIN), unit(&body), lines(file, &plain_program()))
}

/// `depth` copies of a function, each inlined into the one around it.
pub fn inlined(depth: usize, name: &str) -> Sections {
    let mut body = root();
    let origin = HEADER + body.len() as u32;
    body.extend([leb(2), string(name), leb(3), string("outer"), words(&[0, END])].concat());
    for _ in 0..depth {
        body.extend([leb(4), words(&[origin, 0, END]), leb(1), leb(5)].concat());
    }
    body.extend(vec![0; depth + 2]);
    with_lines(abbreviations(PLAIN), unit(&body), lines("a.c", &plain_program()))
}

fn blocks(depth: usize) -> Sections {
    let mut body = [root(), leb(3), string("f"), words(&[0, END])].concat();
    body.extend(vec![5; depth]);
    body.extend(vec![0; depth + 2]);
    with_lines(abbreviations(PLAIN), unit(&body), lines("a.c", &plain_program()))
}

/// Entries that each name another one as what they are a copy of, in a circle, within a unit or across units.
fn circle(attribute: u64, form: u64, length: u32) -> Sections {
    let all: &[Abbreviation<'_>] = &[
        (COMPILE_UNIT, true, &[(LOW_PC, ADDR), (HIGH_PC, DATA4)]),
        (SUBPROGRAM, false, &[(attribute, form), (LOW_PC, ADDR), (HIGH_PC, DATA4)]),
    ];
    let first = HEADER + 9;
    let entry = |n: u32| [leb(2), words(&[first + (n + 1) % length * 13, 0, END])].concat();
    let mut body = [leb(1), words(&[0, END])].concat();
    (0..length).for_each(|n| body.extend(entry(n)));
    body.push(0);
    vec![(".debug_abbrev", abbreviations(all)), (".debug_info", unit(&body))]
}

/// Units that all claim the same addresses, and share abbreviations and a line table.
fn units(count: usize, attributes: usize, program: &[u8]) -> Sections {
    let flags: Vec<(u64, u64)> = (0..attributes).map(|_| (0x3f, FLAG_PRESENT)).collect();
    let root: Vec<(u64, u64)> =
        [(LOW_PC, ADDR), (HIGH_PC, DATA4), (STMT_LIST, SEC_OFFSET)].into_iter().chain(flags).collect();
    let body = [leb(1), words(&[0, END, 0])].concat();
    let info = unit(&body).repeat(count);
    with_lines(abbreviations(&[(COMPILE_UNIT, false, &root)]), info, lines("a.c", program))
}

/// Entries of no bytes but their code, with as many attributes as there is room for.
fn attributes_without_bytes(entries: usize, attributes: usize) -> Sections {
    let flags: Vec<(u64, u64)> = (0..attributes).map(|_| (0x3f, FLAG_PRESENT)).collect();
    let all: &[Abbreviation<'_>] = &[
        (COMPILE_UNIT, true, &[(LOW_PC, ADDR), (HIGH_PC, DATA4)]),
        (SUBPROGRAM, false, &flags),
        (BLOCK, false, &flags),
    ];
    let mut body = [leb(1), words(&[0, END])].concat();
    body.extend((0..entries).map(|n| 2 + (n % 2) as u8));
    body.push(0);
    vec![(".debug_abbrev", abbreviations(all)), (".debug_info", unit(&body))]
}

/// Functions, or functions inlined into one, that share one long list of ranges.
fn ranges(entries: usize, length: usize, inlined: bool) -> Sections {
    let tag = if inlined { INLINED } else { SUBPROGRAM };
    let all: &[Abbreviation<'_>] = &[
        (COMPILE_UNIT, true, &[(LOW_PC, ADDR), (HIGH_PC, DATA4)]),
        (tag, false, &[(RANGES, SEC_OFFSET)]),
        (SUBPROGRAM, true, &[(LOW_PC, ADDR), (HIGH_PC, DATA4)]),
    ];
    let mut body = [leb(1), words(&[0, END])].concat();
    if inlined {
        body.extend([leb(3), words(&[0, END])].concat());
    }
    (0..entries).for_each(|_| body.extend([leb(2), words(&[0])].concat()));
    body.extend([0, 0]);
    let list: Vec<u8> = (0..length as u32).flat_map(|n| words(&[n % 2, END - n % 16])).chain([0; 8]).collect();
    vec![(".debug_abbrev", abbreviations(all)), (".debug_info", unit(&body)), (".debug_ranges", list)]
}

/// A line table of version 5 whose header promises `count` folders and files, and has bytes for some of them.
fn files(count: u64, bytes: usize) -> Vec<u8> {
    let mut header = vec![1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
    for _ in 0..2 {
        header.extend([1, 1]);
        header.extend(leb(UDATA));
        header.extend(leb(count));
        header.extend(vec![0; bytes]);
    }
    let mut rest = vec![5, 0, 4, 0];
    rest.extend((header.len() as u32).to_le_bytes());
    rest.extend(header);
    rest.extend(plain_program());
    [words(&[rest.len() as u32]), rest].concat()
}

fn with_files(lines: Vec<u8>) -> Sections {
    let mut sections = one_function("f", "a.c");
    sections[2].1 = lines;
    sections
}

/// Programs of many rows, many sequences, and many definitions of files.
fn programs() -> Vec<(&'static str, Vec<u8>)> {
    let start = [&[0, 5, 2][..], &1u32.to_le_bytes()].concat();
    let end = [&[2][..], &leb(u64::from(END)), &[0, 1, 1]].concat();
    let sequence = [&start[..], &[1], &end].concat();
    vec![
        ("rows", [&start[..], &vec![0x21; 6 << 20], &end].concat()),
        ("rows at one address", [&start[..], &vec![1; 6 << 20], &end].concat()),
        ("sequences", sequence.repeat(300_000)),
        ("definitions of files", [&start[..], &[0, 6, 3, b'a', 0, 0, 0, 0].repeat(600_000), &end].concat()),
        ("opcodes that do nothing", vec![0x0c; 8 << 20]),
    ]
}

/// Each a kind.
pub fn hostile() -> Vec<(&'static str, Sections)> {
    let small = plain_program();
    let mut all = vec![
        ("nested, 20,000 deep", inlined(20_000, "N")),
        ("nested, a million deep", inlined(300_000, "N")),
        ("nested, long names", inlined(3000, &"N".repeat(1_000_000))),
        ("blocks, a million deep", blocks(1_000_000)),
        ("its own origin", circle(ORIGIN, REF4, 1)),
        ("origins in a circle", circle(ORIGIN, REF_ADDR, 1000)),
        ("specifications in a circle", circle(SPECIFICATION, REF_ADDR, 2)),
        ("units", units(100_000, 0, &small)),
        ("units with attributes", units(20_000, 60_000, &small)),
        ("units that share a line table", units(20_000, 0, &vec![0x21; 1 << 20])),
        ("attributes without bytes", attributes_without_bytes(1_000_000, 60_000)),
        ("abbreviations", units(10, 2_000_000, &small)),
        ("ranges of functions", ranges(100_000, 100_000, false)),
        ("ranges of inlined functions", ranges(100_000, 100_000, true)),
        ("files, promised", with_files(files(u64::MAX, 0))),
        ("files, half there", with_files(files(u64::MAX, 60_000))),
        ("files", with_files(files(8_000_000, 8_000_000))),
        ("a long path", one_function("f", &"d/".repeat(4 << 20))),
        ("a path of control characters", one_function("f", "\u{1b}[2J\n\u{202e}")),
        ("strings without an end", strings(100_000)),
    ];
    all.extend(programs().into_iter().map(|(name, program)| (name, with_files(lines("a.c", &program)))));
    all
}

/// Names that each lead to ten megabytes without a zero.
fn strings(count: usize) -> Sections {
    let all: &[Abbreviation<'_>] = &[
        (COMPILE_UNIT, true, &[(LOW_PC, ADDR), (HIGH_PC, DATA4), (NAME, STRP), (COMP_DIR, STRP)]),
        (SUBPROGRAM, true, &[(NAME, STRP), (LOW_PC, ADDR), (HIGH_PC, DATA4)]),
    ];
    let mut body = [leb(1), words(&[0, END, 0, 0])].concat();
    (0..count).for_each(|n| body.extend([leb(2), words(&[n as u32, 0, END])].concat()));
    body.extend(vec![0; count + 1]);
    let text = vec![b'x'; 10 << 20];
    vec![(".debug_abbrev", abbreviations(all)), (".debug_info", unit(&body)), (".debug_str", text)]
}

/// Structures of any kind and size, with damage at some places.
pub fn random(random: &mut Random) -> Sections {
    let size = 1 << random.below(14);
    let mut program = plain_program();
    for _ in 0..random.below(size) {
        let at = random.below(program.len());
        program.insert(at, random.below(256) as u8);
    }
    let mut sections = match random.below(9) {
        0 => inlined(size, "_ZN1a1bE"),
        1 => blocks(size),
        2 => circle([ORIGIN, SPECIFICATION][random.below(2)], [REF4, REF_ADDR][random.below(2)], size as u32),
        3 => units(size, random.below(1000), &program),
        4 => attributes_without_bytes(size, random.below(1000)),
        5 => ranges(size, random.below(1000), random.below(2) == 0),
        6 => with_files(files(1 << random.below(64), random.below(size))),
        7 => with_files(lines("a.c", &program)),
        _ => strings(size.min(100)),
    };
    let damages = [0, 0, 1, 3, 20][random.below(5)];
    for _ in 0..damages {
        let section = random.below(sections.len());
        let bytes = &mut sections[section].1;
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = random.below(256) as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..(at + random.below(5)).min(bytes.len()))),
            _ => bytes.insert(at, [0, 1, 2, 4, 0x7f, 0xff][random.below(6)]),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    sections
}
