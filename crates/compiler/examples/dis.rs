use epsilon_compiler::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let wasm = std::fs::read(&a[1]).unwrap();
    let c = Compiler::new(Settings::default()).unwrap();
    let m = c.parse(&wasm).unwrap();
    if a.len() < 3 {
        let f = c.compile_all(&m, &wasm).unwrap();
        for (i, f) in f.iter().enumerate() { println!("{i} wasm {} code {}", m.info.bodies[i].len(), f.code.len()); }
        return;
    }
    let i = epsilon_abi::DefinedFuncIndex(a[2].parse().unwrap());
    if a.len() > 3 { println!("{}", c.clif(&m, &wasm, i).unwrap()); }
    println!("{}", c.disassemble(&m, &wasm, i).unwrap());
}
