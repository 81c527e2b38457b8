//! Epsilon, a WebAssembly virtual machine: embed guests in Rust programs.
//!
//! ```
//! use epsilon::{Engine, Instance, Module, Store};
//!
//! # fn main() -> epsilon::Result<()> {
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module (func (export "add") (param i32 i32) (result i32)
//!     local.get 0 local.get 1 i32.add))"#)?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
//! assert_eq!(add.call(&mut store, (2, 3))?, 5);
//! # Ok(())
//! # }
//! ```
//!
//! An [`Engine`] holds the settings; a [`Module`] is compiled once and shared between threads; a [`Store`] owns
//! instances and data of the embedder, and moves between threads; a [`Linker`] gives modules what they import.
//! Names and signatures follow Wasmtime's where the meaning is the same.
//!
//! # Errors
//! Every fallible call returns [`Error`]: what happened, the chain of causes, and the guest's frames if it had any.
//! Items of another store, and arguments of other types, are errors. The few calls whose signature leaves no room for
//! one, such as [`Memory::data`], panic and say so.
//!
//! # Exceptions
//! A host function throws by returning an [`Exception`] as its error; a call that ends with one that no guest catches
//! gives it back in [`Error::exception`]. Tags tell exceptions apart, and are imported and exported like anything else.
//!
//! ```
//! use epsilon::{Engine, Error, Exception, FuncType, Linker, Module, Store, Tag, TagType, Val, ValType};
//!
//! # fn main() -> epsilon::Result<()> {
//! let engine = Engine::default();
//! let mut store = Store::new(&engine, ());
//! let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []));
//! let tag = Tag::new(&mut store, &ty)?;
//! let mut linker = Linker::new(&engine);
//! linker.define(&store, "host", "missing", tag)?;
//! linker.func_wrap("host", "look_up", move |mut caller: epsilon::Caller<'_, ()>, key: i32| -> epsilon::Result<i32> {
//!     match key {
//!         1 => Ok(100),
//!         _ => Err(Exception::new(&mut caller, tag, &[Val::I32(key)])?.into()),
//!     }
//! })?;
//! let module = Module::new(&engine, r#"(module
//!     (import "host" "missing" (tag $missing (param i32)))
//!     (import "host" "look_up" (func $look_up (param i32) (result i32)))
//!     (func (export "or_key") (param i32) (result i32)
//!         (block $caught (result i32)
//!             (try_table (result i32) (catch $missing $caught) (call $look_up (local.get 0)))))
//!     (func (export "or_throw") (param i32) (result i32) (call $look_up (local.get 0))))"#)?;
//! let instance = linker.instantiate(&mut store, &module)?;
//! let or_key = instance.get_typed_func::<i32, i32>(&mut store, "or_key")?;
//! assert_eq!((or_key.call(&mut store, 1)?, or_key.call(&mut store, 7)?), (100, 7));
//!
//! let error: Error = instance.get_typed_func::<i32, i32>(&mut store, "or_throw")?.call(&mut store, 7).unwrap_err();
//! let exception = error.exception().expect("nobody catches it");
//! assert!(exception.tag() == tag && matches!(exception.fields(), [Val::I32(7)]));
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//! Stores run on any thread, one at a time each. What they share is a [`SharedMemory`]: every store of its engine can
//! import it, and the host reads, writes, waits and wakes there too.
//!
//! ```
//! use epsilon::{Engine, Instance, MemoryType, Module, SharedMemory, Store};
//!
//! # fn main() -> epsilon::Result<()> {
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module (import "host" "memory" (memory 1 1 shared))
//!     (func (export "send") (param i32)
//!         (i32.store (i32.const 4) (local.get 0))
//!         (i32.atomic.store (i32.const 0) (i32.const 1))
//!         (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))))"#)?;
//! let memory = SharedMemory::new(&engine, MemoryType::shared(1, 1))?;
//! std::thread::scope(|scope| -> epsilon::Result<()> {
//!     let sender = scope.spawn(|| -> epsilon::Result<()> {
//!         let mut store = Store::new(&engine, ());
//!         let instance = Instance::new(&mut store, &module, &[memory.clone().into()])?;
//!         instance.get_typed_func::<i32, ()>(&mut store, "send")?.call(&mut store, 42)
//!     });
//!     // Returns at once if the flag at 0 is raised already; else when the guest wakes the threads that wait there.
//!     memory.atomic_wait32(0, 0, None)?;
//!     let mut message = [0; 4];
//!     memory.read(4, &mut message)?;
//!     assert_eq!(u32::from_le_bytes(message), 42);
//!     sender.join().expect("no panic")
//! })
//! # }
//! ```
#![deny(unsafe_code)]

#[cfg(feature = "cache")]
mod artifact;
#[cfg(feature = "compiler")]
mod background;
#[cfg(feature = "cache")]
mod bytes;
#[cfg(feature = "cache")]
mod cache;
#[cfg(feature = "cache")]
mod codec;
mod config;
#[cfg(feature = "compiler")]
mod engine;
mod externs;
#[cfg(feature = "cache")]
mod hash;
#[cfg(feature = "compiler")]
mod linker;
#[cfg(feature = "compiler")]
mod module;
mod pooling;
#[cfg(feature = "compiler")]
mod settings;
#[cfg(feature = "compiler")]
mod source;
#[cfg(feature = "compiler")]
mod symbols;
#[cfg(feature = "compiler")]
mod tiering;
#[cfg(feature = "compiler")]
mod watch;

#[cfg(feature = "cache")]
pub use artifact::{ArtifactContents, ArtifactKey, Precompiled};
#[cfg(feature = "cache")]
pub use cache::{Cache, CacheConfig, CacheEntryInfo, CacheStatus};
#[cfg(feature = "compiler")]
pub use config::Config;
pub use config::{Compilation, MemoryStrategy, OptLevel, Tier};
#[cfg(feature = "compiler")]
pub use engine::{Engine, EngineWeak, ReservedMemory};
pub use epsilon_abi::text::{Escaped, escape_lines, is_unfit};
#[cfg(feature = "compiler")]
pub use epsilon_compiler::{CompileError, CompileLimit, CompileLimits};
#[doc(hidden)]
pub use epsilon_runtime::Fault;
pub use epsilon_runtime::{
    AnyRef, ArrayRef, ArrayRefPre, AsContext, AsContextMut, AsEngine, AsModule, BoxedError, CallHook, Chain, Context,
    EqRef, Error, ErrorKind, Exception, ExnRef, ExnRefPre, Export, Extern, ExternRef, ForkGuard, ForkMutex, Frame,
    Func, GcHeapOutOfMemory, GcRef, GcStats, Global, HostError, HostResult, I31, Instance, InterruptHandle, IntoError,
    IntoHostFunc, Memory, ModuleBytes, ModuleExport, NoExtern, NoFunc, NoneRef, OwnedRooted, Ref, ResourceLimiter,
    Result, RootScope, Rooted, RootedGcRef, SharedMemory, StdError, StoreLimits, StoreLimitsBuilder, StructRef,
    StructRefPre, Symbol, Table, Tag, ThrownException, Trap, TypedFunc, V128, Val, ValRaw, WaitResult, WasmBacktrace,
    WasmParams, WasmResults, WasmTy, bail, ensure, format_err,
};
pub use epsilon_runtime::{
    ArrayType, ExnType, FieldType, Finality, FuncType, GlobalType, HeapType, MemoryType, MemoryTypeBuilder, Mutability,
    RefType, StorageType, StructType, TableType, TagType, ValType,
};
#[doc = include_str!("../COMING_FROM_WASMTIME.md")]
pub mod coming_from_wasmtime {}

/// Owner of instances and all that belongs to them, and of the embedder's data.
#[cfg(feature = "compiler")]
pub type Store<T> = epsilon_runtime::Store<T, Engine>;
/// Shared access to a store.
#[cfg(feature = "compiler")]
pub type StoreContext<'a, T> = epsilon_runtime::StoreContext<'a, T, Engine>;
/// Exclusive access to a store.
#[cfg(feature = "compiler")]
pub type StoreContextMut<'a, T> = epsilon_runtime::StoreContextMut<'a, T, Engine>;
/// What a host function sees of its caller: the store, and the instance that called.
#[cfg(feature = "compiler")]
pub type Caller<'a, T> = epsilon_runtime::Caller<'a, T, Engine>;
/// Another name of [`HostResult`].
pub use epsilon_runtime::HostResult as WasmRet;
/// Another name of [`IntoHostFunc`].
pub use epsilon_runtime::IntoHostFunc as IntoFunc;

/// The items of this crate that make and take errors, by the name that embedders know.
pub mod error {
    pub use epsilon_runtime::{Chain, Context, Error, Result, bail, ensure, format_err};
}

/// Another name of [`Frame`].
pub type FrameInfo = Frame;
/// Another name of [`Symbol`].
pub type FrameSymbol = Symbol;
pub use epsilon_runtime::PoolConcurrencyLimitError;
pub use externs::{ExportType, ExternType, ImportType};
#[cfg(feature = "hash-time")]
pub use hash::{HashTime, hash_time};
#[cfg(feature = "compiler")]
pub use linker::{InstancePre, Linker, UnknownImportError};
#[cfg(feature = "compiler")]
pub use module::{CustomSection, Module, ResourcesRequired};
pub use pooling::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, PoolingAllocatorMetrics};
#[cfg(feature = "compiler")]
pub use settings::{Collector, ProfilingStrategy, RegallocAlgorithm, Strategy, WasmBacktraceDetails};
#[cfg(feature = "compiler")]
pub use watch::{CancelToken, Progress, Watch};
