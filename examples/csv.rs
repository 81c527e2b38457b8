//! A data-processing guest over a CSV file, through WASI: an ordinary Rust program that sees one directory, read only.
//!
//! The guest is `tests/guests/csv`, built for `wasm32-wasip1`. What it prints is captured here.

use epsilon::{Engine, Linker, Module, Store};
use epsilon_wasi::{Access, Captured, Exit, OutputStream, WasiCtx, add_to_linker};

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/prebuilt/csv.wasm");
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/csv");

pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, GUEST)?;
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;

    for arguments in [&["csv", "/data/sales.csv", "region", "amount"][..], &["csv", "/data/sales.csv", "colour"]] {
        println!("$ {}", arguments.join(" "));
        let (output, errors) = (Captured::new(), Captured::new());
        let mut ctx = WasiCtx::builder();
        ctx.try_args(arguments)?.directory(DIRECTORY, "/data", Access::ReadOnly)?;
        ctx.stdout(OutputStream::captured(output.clone())).stderr(OutputStream::captured(errors.clone()));

        let mut store = Store::new(&engine, ctx.build());
        let instance = linker.instantiate(&mut store, &module)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        // A guest that ends itself does so by an error that carries its exit code.
        let code = match start.call(&mut store, ()) {
            Ok(()) => 0,
            Err(error) => error.downcast_ref::<Exit>().map(|exit| exit.0).ok_or(error)?,
        };
        print!("{}{}", String::from_utf8_lossy(&output.contents()), String::from_utf8_lossy(&errors.contents()));
        println!("exit code {code}\n");
    }
    Ok(())
}
