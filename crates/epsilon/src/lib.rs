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
#![deny(unsafe_code)]

#[cfg(feature = "cache")]
mod artifact;
#[cfg(feature = "compiler")]
mod background;
#[cfg(feature = "cache")]
mod cache;
#[cfg(feature = "cache")]
mod codec;
mod config;
#[cfg(feature = "compiler")]
mod engine;
mod externs;
#[cfg(feature = "compiler")]
mod linker;
#[cfg(feature = "compiler")]
mod module;
#[cfg(feature = "compiler")]
mod source;
mod symbols;
#[cfg(feature = "compiler")]
mod watch;

#[cfg(feature = "cache")]
pub use artifact::{ArtifactKey, Precompiled};
#[cfg(feature = "cache")]
pub use cache::{Cache, CacheConfig, CacheEntryInfo, CacheStatus};
#[cfg(feature = "compiler")]
pub use config::Config;
pub use config::{Compilation, MemoryStrategy, OptLevel};
#[cfg(feature = "compiler")]
pub use engine::Engine;
pub use epsilon_abi::{FuncType, GlobalType, HeapType, Limits, MemoryType, RefType, TableType, ValType};
#[cfg(feature = "compiler")]
pub use epsilon_compiler::{CompileError, CompileLimit, CompileLimits};
pub use epsilon_runtime::{
    AsContext, AsContextMut, Caller, Error, ErrorKind, Exception, ExnRef, Extern, ExternRef, Frame, Func, Global,
    HostError, HostResult, Instance, InterruptHandle, IntoHostFunc, Memory, Ref, ResourceLimiter, Result, SharedMemory,
    Store, StoreContext, StoreContextMut, StoreLimits, StoreLimitsBuilder, Symbol, Table, Tag, Trap, TypedFunc, Val,
    WaitResult, WasmBacktrace, WasmParams, WasmResults, WasmTy,
};
pub use externs::{ExportType, ExternType, ImportType};
#[cfg(feature = "compiler")]
pub use linker::{InstancePre, Linker};
#[cfg(feature = "compiler")]
pub use module::{CustomSection, Module};
#[cfg(feature = "compiler")]
pub use watch::{CancelToken, Progress, Watch};
