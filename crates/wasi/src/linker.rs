//! The calls as host functions of the virtual machine.
//!
//! A guest's memory is what it exports as `memory`. A guest that exports none has a memory of no size: calls that
//! take an address return `fault`, the others work.

use epsilon::{Caller, Extern, Linker, Result, SharedMemory};

use crate::calls::list::{Argument, perform, preview1_calls, shared_calls, versioned_calls};
use crate::calls::poll::{List, Poll};
use crate::calls::{
    args_env::*, clock::*, dir::*, fd::*, fd_io::*, path::*, poll::poll_oneoff, proc::*, random::random_get, sock::*,
};
use crate::errno_of;
use crate::shared::{LendCtx, SharedCtx};
use crate::wire::errno::{Outcome, Stop};
use crate::wire::memory::{GuestMemory, SharedBytes};
use crate::wire::types::Version;
use crate::world::ctx::WasiCtx;

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
pub fn add_to_linker<T: 'static, C: LendCtx + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut C + Copy + Send + Sync + 'static,
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
                if stringify!($name) == "poll_oneoff"
                    && let Some(ctx) = $get(caller.data_mut()).shared()
                    && let &[subscriptions, events, count, nevents] = &[$($arg as u32),*][..]
                {
                    let list = List { subscriptions, events, count, nevents };
                    return Ok(poll_apart(&mut caller, ctx, $version, list));
                }
                call(&mut caller, $get, |ctx, memory| {
                    $(let $arg = <$ty as Argument>::from_wasm($arg);)*
                    perform!($name $pass ctx memory $($arg)*)
                })
            },
        )?;)*
    };
}

fn add_version<T: 'static, C: LendCtx + 'static>(
    linker: &mut Linker<T>,
    version: Version,
    get: impl Fn(&mut T) -> &mut C + Copy + Send + Sync + 'static,
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
fn call<T: 'static, C: LendCtx>(
    caller: &mut Caller<'_, T>,
    get: impl Fn(&mut T) -> &mut C,
    body: impl Fn(&mut WasiCtx, GuestMemory<'_>) -> Outcome,
) -> Result<i32> {
    loop {
        let outcome = match caller.memory_and_data() {
            Some((bytes, data)) => get(data).with(|ctx| body(ctx, GuestMemory::new(bytes))),
            None => {
                let memory = shared_memory(caller);
                get(caller.data_mut()).with(|ctx| body(ctx, shared_or_none(memory.as_ref())))
            }
        };
        if let Err(wait @ (Stop::AwaitInput(_) | Stop::AwaitMoment)) = outcome
            && let Some(ctx) = get(caller.data_mut()).shared()
        {
            let waited = match wait {
                Stop::AwaitInput(fd) => ctx.await_input(fd),
                _ => ctx.await_moment(),
            };
            match waited {
                Ok(()) => continue,
                Err(errno) => return Ok(errno as i32),
            }
        }
        return Ok(errno_of(outcome)?);
    }
}

/// `poll_oneoff` in a context that threads share, without holding it while nothing happens.
fn poll_apart<T: 'static>(caller: &mut Caller<'_, T>, mut ctx: SharedCtx, version: Version, list: List) -> i32 {
    let poll = with_memory(caller, |memory| ctx.with(|ctx| Poll::begin(ctx, &memory, version, list)));
    let events = poll.and_then(|poll| Ok((ctx.await_events(&poll)?, poll)));
    let finish = |(events, poll): (Vec<_>, Poll)| {
        with_memory(caller, |mut memory| errno_of(poll.finish(&mut memory, &events)).unwrap_or_default())
    };
    events.map_or_else(|errno| errno as i32, finish)
}

fn with_memory<T: 'static, R>(caller: &mut Caller<'_, T>, body: impl FnOnce(GuestMemory<'_>) -> R) -> R {
    match caller.memory_and_data() {
        Some((bytes, _)) => body(GuestMemory::new(bytes)),
        None => {
            let memory = shared_memory(caller);
            body(shared_or_none(memory.as_ref()))
        }
    }
}

/// The memory that the caller exports, if threads share it.
fn shared_memory<T: 'static>(caller: &mut Caller<'_, T>) -> Option<Shared> {
    caller.get_export("memory").and_then(Extern::into_shared_memory).map(Shared)
}

fn shared_or_none(memory: Option<&Shared>) -> GuestMemory<'_> {
    match memory {
        Some(memory) => GuestMemory::shared(memory),
        None => GuestMemory::new(&mut []),
    }
}

#[derive(Debug)]
struct Shared(SharedMemory);

impl SharedBytes for Shared {
    fn len_bytes(&self) -> usize {
        self.0.data_size()
    }

    fn read(&self, offset: usize, buffer: &mut [u8]) {
        self.0.read(offset, buffer).expect("a checked range, and memories never shrink");
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.0.write(offset, bytes).expect("a checked range, and memories never shrink");
    }
}
