//! Temporary.
use epsilon::{Engine, Linker, Module, Store};
use epsilon_wasi::{Access, Exit, WasiCtx, add_to_linker};
fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap();
    let path = args.next().unwrap();
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
    let module = Module::new(&engine, std::fs::read(&path).unwrap()).unwrap();
    let mut builder = WasiCtx::builder();
    builder.arg(&path).unwrap().args(args).unwrap().env("HOME", "/").unwrap();
    builder.inherit_stdio().preopened_dir(&dir, "/", Access::ReadWrite).unwrap();
    let mut store = Store::new(&engine, builder.build());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let t = std::time::Instant::now();
    let result = instance.get_typed_func::<(), ()>(&mut store, "_start").unwrap().call(&mut store, ());
    let flush = store.data_mut().flush();
    eprintln!("[took {:?}, flush {flush:?}]", t.elapsed());
    if let Err(e) = result {
        match e.downcast_ref::<Exit>() { Some(exit) => std::process::exit(exit.0), None => { eprintln!("{e:?}"); std::process::exit(134) } }
    }
}
