use epsilon_compiler::*;
use std::time::Instant;
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).map(|s| s.parse().unwrap()).collect();
    let (l, n, kind) = (a[0], a[1], a[2]);
    let sets = (0..l).map(|local| format!("local.get {local} drop ")).collect::<String>();
    let locals = "i32 ".repeat(l);
    let text = match kind {
        0 => format!("(module (func (local {locals}) {} {sets} {}))", "loop ".repeat(n), "br 0 end ".repeat(n)),
        1 => format!("(module (func (local {locals}) {} {sets} {}))", "i32.const 0 if ".repeat(n), "br 0 end ".repeat(n)),
        3 => format!("(module (func (local {locals}) {} {sets} {}))", "loop ".repeat(n), "i32.const 0 br_if 0 end ".repeat(n)),
        _ => format!("(module (func (local {locals}) block {} end {sets}))", "i32.const 1 br_if 0 ".repeat(n)),
    };
    let wasm = wat::parse_str(&text).unwrap();
    let c = Compiler::new(Settings::default()).unwrap();
    let m = c.parse(&wasm).unwrap();
    let t = Instant::now();
    let r = c.clif(&m, &wasm, epsilon_abi::DefinedFuncIndex(0)).map(|s| s.len());
    println!("{} bytes: clif {r:?} {:?}", wasm.len(), t.elapsed());
    let t = Instant::now();
    let r = c.compile_all(&m, &wasm).map(|f| f[0].code.len());
    println!("compile {r:?} {:?}", t.elapsed());
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", s.lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
