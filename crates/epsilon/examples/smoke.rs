use epsilon::*;
fn main() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, r#"(module
      (import "h" "f" (func $f (param i32 f64 i64) (result f64)))
      (memory (export "memory") 1) (data (i32.const 8) "hello")
      (func $fib (export "fib") (param i32) (result i32)
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
          (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
      (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
      (func $r (export "rec") (call $r))
      (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
      (func (export "host") (param i32) (result f64) (call $f (local.get 0) (f64.const 2.5) (i64.const 7)))
      (func (export "loop") (loop (br 0)))
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    )"#)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("h", "f", |a: i32, b: f64, c: i64| a as f64 + b + c as f64)?;
    let mut store = Store::new(&engine, ());
    let i = linker.instantiate(&mut store, &module)?;
    let fib = i.get_typed_func::<i32, i32>(&mut store, "fib")?;
    println!("fib(20) = {}", fib.call(&mut store, 20)?);
    let load = i.get_typed_func::<i32, i32>(&mut store, "load")?;
    println!("load(8) = {:x}", load.call(&mut store, 8)?);
    println!("load(65536) = {:?}", load.call(&mut store, 65536));
    println!("load(-1) = {:?}", load.call(&mut store, -1));
    let div = i.get_typed_func::<(i32, i32), i32>(&mut store, "div")?;
    println!("{:?}", div.call(&mut store, (1, 0)));
    println!("{:?}", div.call(&mut store, (i32::MIN, -1)));
    let host = i.get_typed_func::<i32, f64>(&mut store, "host")?;
    println!("{:?}", host.call(&mut store, 1));
    println!("{:?}", i.get_typed_func::<i32, i32>(&mut store, "grow")?.call(&mut store, 3));
    println!("load(65536) = {:?}", load.call(&mut store, 65536));
    println!("{:?}", i.get_typed_func::<(), ()>(&mut store, "rec")?.call(&mut store, ()));
    let handle = store.interrupt_handle();
    std::thread::spawn(move || { std::thread::sleep(std::time::Duration::from_millis(100)); handle.interrupt(); });
    println!("{:?}", i.get_typed_func::<(), ()>(&mut store, "loop")?.call(&mut store, ()));
    println!("fib(20) = {}", fib.call(&mut store, 20)?);
    let t = std::time::Instant::now();
    let n = 5_000_000;
    for _ in 0..n { fib.call(&mut store, 1)?; }
    println!("typed call {:?}", t.elapsed() / n);
    let t = std::time::Instant::now();
    println!("fib(32) = {} {:?}", fib.call(&mut store, 32)?, t.elapsed());
    Ok(())
}
