//! The modules of `hostile`, made by their structure.

pub const SHARED_GROWTH: &str = r#"(module (memory (export "memory") i64 1 1099511627776 shared)
    (func (export "_start") (drop (memory.grow (i64.const 1)))))"#;

pub const RECURSION: &str = r#"(module (func $f (export "_start") (call $f) (call $f)))"#;

/// A directory is listed into 2 GiB of a memory that threads may share.
pub const LISTING: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_readdir" (func $list (param i32 i32 i32 i64 i32) (result i32)))
    (memory (export "memory") 32768 32768 shared)
    (func (export "_start")
        (if (call $list (i32.const 3) (i32.const 8) (i32.const 0x7ffffff8) (i64.const 0) (i32.const 0))
            (then (unreachable)))))"#;

pub const GROWTH: &str = r#"(module (memory 257) (func (export "f") (result i32) (memory.grow (i32.const 1))))"#;

pub fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a module")
}

/// A function that calls another one with a thousand results again and again: far more machine code than it is long.
pub fn much_code() -> Vec<u8> {
    const VALUES: usize = 1_000;
    let types = "i32 ".repeat(VALUES);
    let values = "(global.get $x) ".repeat(VALUES);
    let calls = "call $gen call $sink ".repeat(400);
    text(&format!(
        r#"(module (type $g (func (result {types}))) (type $s (func (param {types}))) (type $v (func (result i64)))
        (global $x (mut i32) (i32.const 0)) (table 1 1 funcref) (elem (i32.const 0) $go) (elem declare func $h)
        (func $gen (type $g) {values})
        (func $sink (type $s) (global.set $x (i32.add (local.get 0) (i32.const 1))))
        (func $big {calls})
        (func $f (param i64 (ref null $v) i64) (result i64)
            (call $big)
            (i64.add (call_ref $v (local.get 1)) (i64.add (local.get 0) (local.get 2))))
        (func $h (type $v) (i64.const 7))
        (func $go (drop (call $f (i64.const 0x414141414141) (ref.func $h) (i64.const 0x424242424242))))
        (func (export "_start") (call_indirect (i32.const 0))))"#
    ))
}

pub fn many_tables() -> Vec<u8> {
    text(&format!("(module {} (func (export \"_start\")))", "(table 10000000 funcref)".repeat(40)))
}

pub fn exported_table(functions: usize) -> Vec<u8> {
    let all: String = (0..functions).map(|n| format!(" {n}")).collect();
    let bodies = "(func)".repeat(functions);
    text(&format!(
        "(module (table (export \"t\") {functions} funcref) (elem (i32.const 0) func{all}) {bodies}
        (func (export \"_start\")))"
    ))
}

pub fn nested_conditions(depth: usize) -> Vec<u8> {
    let (open, close) = ("(if (result i32) (local.get 1) (then ", ") (else (local.get 1)))");
    text(&format!(
        "(module (func $f (param i32 i32) (result i32) {}(local.get 0){})
        (func (export \"_start\") (drop (call $f (i32.const 1) (i32.const 1)))))",
        open.repeat(depth),
        close.repeat(depth)
    ))
}

/// A trap in a function of this name.
pub fn named(name: &str) -> Vec<u8> {
    trapping(name, &[])
}

/// A trap in a function of this name, in a module with these custom sections.
fn trapping(name: &str, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let custom = |(name, bytes): &(&str, &[u8])| format!("(@custom \"{name}\" \"{}\")", escaped(bytes));
    text(&format!(
        "(module (func (@name \"{}\") (export \"_start\") (unreachable)) {})",
        escaped(name.as_bytes()),
        sections.iter().map(custom).collect::<String>()
    ))
}

/// A mangled name each of whose `levels` is twice as long as the one before.
pub fn growing_name(levels: usize) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let digits = |mut n: usize| {
        let mut text = Vec::new();
        loop {
            text.insert(0, DIGITS[n % 36]);
            n /= 36;
            if n == 0 {
                return String::from_utf8(text).expect("digits");
            }
        }
    };
    let substitution = |n: usize| if n == 0 { "S_".to_owned() } else { format!("S{}_", digits(n - 1)) };
    let mut name = "_Z1f1bI1aS0_E".to_owned();
    for level in 1..levels {
        name += &format!("S_I{0}{0}E", substitution(level));
    }
    name
}

/// A trap inside of `depth` inlined calls, each of a function whose name has so many bytes.
pub fn nested_debug_entries(depth: usize, name_bytes: usize) -> Vec<u8> {
    const END: u32 = 0x10000;
    let range = [0u32.to_le_bytes(), END.to_le_bytes()].concat();
    let abbreviations: &[&[u8]] = &[
        &[1, 0x11, 1, 0x11, 1, 0x12, 6, 0, 0],
        &[2, 0x2e, 0, 3, 8, 0, 0],
        &[3, 0x2e, 1, 3, 8, 0x11, 1, 0x12, 6, 0, 0],
        &[4, 0x1d, 1, 0x31, 0x13, 0x11, 1, 0x12, 6, 0, 0],
        &[0],
    ];
    let mut body = [&[1], &range[..]].concat();
    let origin = 11 + body.len() as u32;
    body.push(2);
    body.resize(body.len() + name_bytes, b'N');
    body.extend_from_slice(b"\0\x03outer\0");
    body.extend_from_slice(&range);
    for _ in 0..depth {
        body.push(4);
        body.extend_from_slice(&origin.to_le_bytes());
        body.extend_from_slice(&range);
    }
    body.resize(body.len() + depth + 2, 0);
    let mut info = (7 + body.len() as u32).to_le_bytes().to_vec();
    info.extend_from_slice(&[4, 0, 0, 0, 0, 0, 4]);
    info.extend(body);
    trapping("f", &[(".debug_info", &info), (".debug_abbrev", &abbreviations.concat())])
}

/// Makes a list of 100,000 objects, and adds their numbers up.
pub const OBJECTS: &str = r#"(module
    (type $node (struct (field i32) (field (ref null $node))))
    (func (export "_start") (local $list (ref null $node)) (local $n i32) (local $sum i32)
        (loop $more
            (local.set $list (struct.new $node (local.get $n) (local.get $list)))
            (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100000))))
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (struct.get $node 0 (local.get $list))))
            (br_if $next (i32.eqz (ref.is_null
                (local.tee $list (struct.get $node 1 (local.get $list)))))))
        (if (i32.ne (local.get $sum) (i32.const 704982704)) (then unreachable))))"#;

/// Keeps all objects that it makes.
pub const ENDLESS_OBJECTS: &str = r#"(module
    (type $node (struct (field i64) (field (ref null $node))))
    (func (export "_start") (local $list (ref null $node))
        (loop $more
            (local.set $list (struct.new $node (i64.const 1) (local.get $list)))
            (br $more))))"#;
