//! Compiled functions to running code: linking, memories, stacks, calls, traps. All the unsafe code of Epsilon.
//!
//! The crate offers a safe interface to `crates/epsilon`, and knows the compiler only through `epsilon_abi`.
//!
//! The modules are floors, each above those that it may know:
//!
//! | floor | what it owns |
//! |---|---|
//! | `sys` | the operating system |
//! | `base` | errors, budgets, limits |
//! | `threads` | locks, `fork`, claims on work, waiting, interruptions, and the words of a store that threads look at |
//! | `fixed` | machine code that is the same for all modules: in, out, across |
//! | `code` | where machine code lies, how it gets there, what is known of it, and the stacks that it runs on |
//! | `heap` | what guests allocate and a collector frees; what the host holds of guests, and guests of the host |
//! | `space` | address space of memories, and what they hold at first |
//! | `module` | linked modules, and what an engine shares |
//! | `types` | types as embedders see them |
//! | `memory` | what guests store in |
//! | `store` | what a store owns |
//! | `exit` | signals, and ends of activations that are not returns |
//! | `call` | into wasm |
//! | `serve` | host functions, libcalls, the collector's view of a store |
//! | `instantiate` | from a linked module to an instance |
//! | `embed` | instances, functions and values as embedders see them |
//!
//! Invariants are numbered as in ARCHITECTURE.md; `SAFETY` comments cite them.
#![deny(unsafe_op_in_unsafe_fn)]

mod base;
mod call;
mod code;
mod embed;
mod exit;
mod fixed;
mod heap;
mod instantiate;
mod memory;
mod module;
mod serve;
mod space;
mod store;
mod sys;
mod threads;
mod types;

pub use base::budget::{Budget, Charge, Refused, UNLIMITED};
#[doc(hidden)]
pub use base::error::macros as error_macros;
pub use base::error::{BoxedError, Chain, Context, Error, ErrorKind, HostError, IntoError, Result, StdError};
#[doc(hidden)]
pub use base::fault::{Fault, panic_message};
pub use base::limits::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub use base::pool::{Place, Pool, PoolConcurrencyLimitError, PoolLimits};
pub use call::host_stack::host_stack_left_bytes;
pub use call::typed::{WasmParams, WasmResults, WasmTy};
pub use code::link::LinkError;
pub use embed::anyref::{I31, NoExtern, NoFunc, NoneRef};
pub use embed::exnref::ExnRefPre;
pub use embed::export::{Export, ModuleExport};
pub use embed::externref::GcHeapOutOfMemory;
pub use embed::func::{Func, TypedFunc};
#[doc(hidden)]
pub use embed::instance::ImportItem;
pub use embed::instance::{Extern, Instance};
pub use embed::objref::{ArrayRefPre, StructRefPre};
pub use embed::raw::ValRaw;
pub use embed::rooted::{
    AnyRef, ArrayRef, EqRef, ExnRef, ExternRef, GcRef, OwnedRooted, RootScope, Rooted, RootedGcRef, StructRef,
};
pub use embed::v128::V128;
pub use embed::value::{Ref, Val};
pub use exit::backtrace::{Frame, FrameModule, Symbol, Symbolicate, WasmBacktrace};
pub use exit::trap::Trap;
pub use fixed::floats::in_guest_float_environment;
pub use instantiate::imports::TypedExtern;
pub use memory::linear::Memory;
pub use memory::shared::{SharedMemory, WaitResult};
pub use memory::table::Table;
pub use module::bytes::ModuleBytes;
pub use module::handle::{AsEngine, AsModule, EngineHandle, ModuleHandle};
pub use module::linked::{Demand, FunctionSource, LinkedModule, Runtime, RuntimeSettings};
pub use serve::collector::GcStats;
pub use serve::hostcall::{Caller, HostFunc, HostResult, IntoHostFunc};
pub use space::pool::MemoryError;
pub use store::exception::{Exception, Tag, ThrownException};
pub use store::global::Global;
pub use store::hooks::CallHook;
pub use store::inner::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use sys::SAMPLE_PERIOD;
pub use threads::fork::{Guard as ForkGuard, HoldOff, Mutex as ForkMutex, hold_off, hold_off_for_spawner};
pub use threads::interrupt::InterruptHandle;
pub use threads::sampling::Samples;
pub use types::{
    ArrayType, ExnType, FieldType, Finality, FuncType, GlobalType, HeapType, MemoryType, MemoryTypeBuilder, Mutability,
    RefType, StorageType, StructType, TableType, TagType, ValType,
};
