//! The calls as host functions of the virtual machine. The only file here that knows it.
//!
//! A guest's memory is what it exports as `memory`. A guest that exports none has a memory of no size: calls that
//! take an address return `fault`, the others work.

use epsilon::{Caller, HostError, Linker};

use crate::calls::{Argument, perform, preview1_calls, shared_calls, versioned_calls};
use crate::clock::{clock_res_get, clock_time_get};
use crate::ctx::WasiCtx;
use crate::errno::Outcome;
use crate::memory::GuestMemory;
use crate::types::Version;
use crate::{
    args_env::*, dir::*, errno_of, fd::*, fd_io::*, path::*, poll::poll_oneoff, proc::*, random::random_get, sock::*,
};

/// Defines every call of `wasi_snapshot_preview1` and of `wasi_unstable` in a linker.
///
/// `get` finds the guest's context in the store's data. A guest that ends itself ends the call into it with an error;
/// [`crate::Exit`] inside it has the exit code.
///
/// ```
/// use epsilon::{Engine, Linker, Module, Store};
/// use epsilon_wasi::{Captured, Exit, OutputStream, WasiCtx, add_to_linker};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
/// let module = Module::new(&engine, r#"(module
///     (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
///     (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
///     (memory (export "memory") 1)
///     (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
///     (func (export "_start")
///         (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
///         (call $exit (i32.const 3))))"#)?;
/// let output = Captured::new();
/// let ctx = WasiCtx::builder().stdout(OutputStream::captured(output.clone())).build();
/// let mut store = Store::new(&engine, ctx);
/// let instance = linker.instantiate(&mut store, &module)?;
/// let end = instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ()).unwrap_err();
/// assert_eq!(end.downcast_ref::<Exit>(), Some(&Exit(3)));
/// assert_eq!(output.contents(), b"hello\n");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If a name is defined already.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> epsilon::Result<()> {
    add_version(linker, Version::Preview1, get)?;
    add_version(linker, Version::Unstable, get)
}

macro_rules! bind {
    ($linker:ident $get:ident |$version:ident| $pass:tt $($name:ident($($arg:ident: $ty:ty),*);)*) => {
        $($linker.func_wrap(
            $version.module(),
            stringify!($name),
            move |mut caller: Caller<'_, T>, $($arg: <$ty as Argument>::Wasm),*| {
                call(&mut caller, $get, |ctx, memory| {
                    $(let $arg = <$ty as Argument>::from_wasm($arg);)*
                    perform!($name $pass ctx memory $($arg)*)
                })
            },
        )?;)*
    };
}

fn add_version<T: 'static>(
    linker: &mut Linker<T>,
    version: Version,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> epsilon::Result<()> {
    shared_calls!(bind linker get |version| []);
    versioned_calls!(bind linker get |version| [version]);
    if version == Version::Preview1 {
        preview1_calls!(bind linker get |version| []);
    }
    linker.func_wrap(version.module(), "proc_exit", move |mut caller: Caller<'_, T>, code: i32| {
        call(&mut caller, get, |ctx, memory| proc_exit(ctx, memory, code as u32)).map(drop)
    })?;
    Ok(())
}

/// Lends a call its context and the caller's memory.
fn call<T: 'static>(
    caller: &mut Caller<'_, T>,
    get: impl Fn(&mut T) -> &mut WasiCtx,
    body: impl FnOnce(&mut WasiCtx, GuestMemory<'_>) -> Outcome,
) -> Result<i32, HostError> {
    let outcome = match caller.memory_and_data() {
        Some((bytes, data)) => body(get(data), GuestMemory::new(bytes)),
        None => body(get(caller.data_mut()), GuestMemory::new(&mut [])),
    };
    Ok(errno_of(outcome)?)
}
