//! Guest memory, read and written by the host: a picture goes in, the guest inverts it, and it comes out again.
//!
//! The guest is `guests/grey.c`. It exports where its picture lies, and how large one may be.

use epsilon::{Engine, Error, Instance, Module, Result, Store};

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/guests/grey.wasm");
const WIDTH: usize = 32;
const HEIGHT: usize = 8;

/// A light disc on dark ground.
fn picture() -> Vec<u8> {
    let light = |n: usize| {
        let (x, y) = ((n % WIDTH) as f64 - 15.5, 2.0 * ((n / WIDTH) as f64 - 3.5));
        (255.0 - 28.0 * x.hypot(y)).max(0.0) as u8
    };
    (0..WIDTH * HEIGHT).map(light).collect()
}

fn show(title: &str, pixels: &[u8]) {
    println!("{title}:");
    for row in pixels.chunks(WIDTH) {
        let line: String = row.iter().map(|light| b" .:-=+*#%@"[*light as usize * 10 / 256] as char).collect();
        println!("|{line}|");
    }
}

pub fn main() -> Result<()> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, GUEST)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;

    let memory =
        instance.get_memory(&mut store, "memory").ok_or_else(|| Error::misuse("the guest exports no memory"))?;
    let address = instance.get_typed_func::<(), u32>(&mut store, "pixels")?.call(&mut store, ())? as usize;
    let capacity = instance.get_typed_func::<(), u32>(&mut store, "capacity")?.call(&mut store, ())? as usize;

    let mut pixels = picture();
    assert!(pixels.len() <= capacity);
    show("Before", &pixels);

    // `write` and `read` copy, and check that the place is inside of the memory.
    memory.write(&mut store, address, &pixels)?;
    instance.get_typed_func::<u32, ()>(&mut store, "invert")?.call(&mut store, pixels.len() as u32)?;
    memory.read(&store, address, &mut pixels)?;
    show("After", &pixels);

    // `data` and `data_mut` lend the memory itself: no copy.
    let sum: u64 = memory.data(&store)[address..][..pixels.len()].iter().map(|light| u64::from(*light)).sum();
    println!("Mean light: {}; memory: {} pages", sum / pixels.len() as u64, memory.size(&store));

    let outside = memory.write(&mut store, 1 << 32, &pixels).expect_err("no 32-bit memory is that large");
    println!("Outside of it: {outside}");
    Ok(())
}
