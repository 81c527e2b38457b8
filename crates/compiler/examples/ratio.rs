use epsilon_compiler::*;
fn main() {
    for p in std::env::args().skip(1) {
        let wasm = std::fs::read(&p).unwrap();
        let c = Compiler::new(Settings::default()).unwrap();
        let m = c.parse(&wasm).unwrap();
        let mut v: Vec<(f64, usize, usize, usize)> = vec![];
        for i in 0..m.info.bodies.len() {
            let t = c.clif(&m, &wasm, epsilon_abi::DefinedFuncIndex::new(i)).unwrap();
            // largest value number
            let max = t.split(|ch: char| !(ch.is_ascii_alphanumeric())).filter_map(|w| w.strip_prefix('v').and_then(|n| n.parse::<usize>().ok())).max().unwrap_or(0);
            v.push((max as f64 / m.info.bodies[i].len() as f64, max, m.info.bodies[i].len(), i));
        }
        v.sort_by(|a, b| b.0.total_cmp(&a.0));
        println!("{p} {:?}", &v[..8]);
        v.sort_by_key(|a| std::cmp::Reverse(a.1));
        println!("{p} {:?}", &v[..8]);
    }
}
