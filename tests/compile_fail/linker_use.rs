//! A linker does not let a host function write what lives for less than the store's data promises.

use epsilon::*;
use std::sync::Mutex;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

static KEPT: Mutex<Option<&'static str>> = Mutex::new(None);

fn keep(text: &'static str) {
    *KEPT.lock().unwrap() = Some(text);
}

fn ignore(_: &str) {}

fn main() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<Narrow> = Linker::new(&engine);
    linker.func_wrap("h", "f", |mut caller: Caller<'_, Narrow>| *caller.data_mut() = keep)?;
    let module = Module::new(&engine, r#"(module (import "h" "f" (func $f)) (func (export "run") (call $f)))"#)?;
    let prepared: InstancePre<Wide> = linker.instantiate_pre(&module)?;
    let linker: Linker<Wide> = linker;
    let mut store: Store<Wide> = Store::new(&engine, ignore as Wide);
    let instance = linker.instantiate(&mut store, &module)?;
    instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
    prepared.instantiate(&mut store)?;
    store.data()(&String::from("freed before it is read"));
    println!("{:?}", KEPT.lock().unwrap());
    Ok(())
}
