use epsilon_compiler::*;
use std::time::Instant;
fn main() {
    for path in std::env::args().skip(1) {
        let wasm = std::fs::read(&path).unwrap();
        for (name, settings) in [
            ("host", Settings::default()),
            ("host none", Settings { opt_level: OptLevel::None, ..Settings::default() }),
            ("x64 verify checked", Settings { target: Target::named("x86_64-unknown-linux-gnu"), verify_ir: true, plan: epsilon_abi::MemoryPlan::CHECKED, ..Settings::default() }),
            ("arm verify", Settings { target: Target::named("aarch64-unknown-linux-gnu"), verify_ir: true, ..Settings::default() }),
        ] {
            let c = Compiler::new(settings).unwrap();
            let t = Instant::now();
            let m = c.parse(&wasm).unwrap();
            let t1 = t.elapsed();
            let t = Instant::now();
            c.validate(&m, &wasm).unwrap();
            let t2 = t.elapsed();
            let t = Instant::now();
            let f = c.compile_all(&m, &wasm).unwrap();
            println!("{path} {name}: {} bytes, {} funcs, parse {t1:?} validate {t2:?} compile {:?}, code {} traps {} sources {}", wasm.len(), f.len(), t.elapsed(), f.iter().map(|f| f.code.len()).sum::<usize>(), f.iter().map(|f| f.traps.len()).sum::<usize>(), f.iter().map(|f| f.sources.len()).sum::<usize>());
        }
    }
}
