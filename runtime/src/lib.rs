//! Compiled functions to running code: linking, memories, stacks, calls, traps. All the unsafe code of Epsilon.
//!
//! The crate offers a safe interface to `crates/epsilon`, and knows the compiler only through `epsilon_abi`.
//!
//! | file | what it owns |
//! |---|---|
//! | `code`, `link`, `placed`, `thunk` | where machine code lies, how it gets there, and what is known of it |
//! | `registry` | which addresses are ours, for the signal handler |
//! | `fork` | what children of this process need: code of their own, and locks that are free |
//! | `fault` | what tests make go wrong |
//! | `sync`, `claims` | locks and atomics where tests/models checks them; who is at work on what |
//! | `budget`, `limits`, `alloc` | how much memory guests may take, and what becomes of it when the system has none |
//! | `memory`, `space`, `image`, `table`, `global` | what guests store in |
//! | `shared`, `waiting` | memories that threads share, and threads that wait on them |
//! | `bytes`, `module`, `instance`, `export`, `segments`, `imports`, `undo`, `store` | modules' binaries, linked modules, their instances, and who owns those |
//! | `heap/` | what guests allocate and a collector frees |
//! | `collector`, `objects`, `roots`, `hosts` | what refers to objects, what is done with them, and what guests hold of the host |
//! | `handle` | what the API outside holds of an engine and of a module |
//! | `stack`, `host_stack`, `call`, `hostcall`, `libcalls` | into wasm, out of it, and the stacks for that |
//! | `floats` | computing as guests do, whatever the host's floating-point environment is |
//! | `exception`, `throw` | tags, exceptions, and the way to their handlers |
//! | `trap`, `backtrace`, `interrupt`, `epoch` | ends of activations that are not returns |
//! | `types`, `value`, `anyref`, `objref`, `typed`, `func` | types, values and functions as embedders see them |
//! | `sys` | the operating system and the processor |
//!
//! Invariants are numbered as in ARCHITECTURE.md; `SAFETY` comments cite them.
#![deny(unsafe_op_in_unsafe_fn)]

mod alloc;
mod anyref;
mod backtrace;
mod budget;
mod bytes;
mod call;
mod claims;
mod code;
mod collector;
mod constexpr;
mod describe;
mod epoch;
mod error;
mod exception;
mod export;
mod fault;
mod floats;
mod fork;
mod func;
mod global;
mod handle;
mod heap;
mod host_stack;
mod hostcall;
mod hosts;
mod image;
mod imports;
mod instance;
mod interrupt;
mod libcalls;
mod limits;
mod link;
mod materialise;
mod memory;
mod module;
mod objects;
mod objref;
mod placed;
mod registry;
mod roots;
mod sampling;
mod segments;
mod shared;
mod signature;
mod space;
mod stack;
mod store;
mod sync;
mod sys;
mod table;
mod throw;
mod thunk;
mod trap;
mod typed;
mod types;
mod undo;
mod value;
mod waiting;

pub use anyref::{AnyRef, I31};
pub use backtrace::{Frame, FrameModule, Symbol, Symbolicate, WasmBacktrace};
pub use budget::{Budget, Charge, Refused, UNLIMITED};
pub use bytes::ModuleBytes;
pub use collector::GcStats;
#[doc(hidden)]
pub use error::macros as error_macros;
pub use error::{BoxedError, Chain, Context, Error, ErrorKind, HostError, IntoError, Result, StdError};
pub use exception::{Exception, ExnRef, Tag};
pub use export::{Export, ModuleExport};
#[doc(hidden)]
pub use fault::{Fault, panic_message};
pub use floats::in_guest_float_environment;
pub use fork::{Guard as ForkGuard, HoldOff, Mutex as ForkMutex, hold_off, hold_off_for_spawner};
pub use func::{Func, TypedFunc};
pub use global::Global;
pub use handle::{AsEngine, AsModule, EngineHandle, ModuleHandle};
pub use host_stack::host_stack_left_bytes;
pub use hostcall::{Caller, HostFunc, HostResult, IntoHostFunc};
pub use imports::TypedExtern;
#[doc(hidden)]
pub use instance::ImportItem;
pub use instance::{Extern, Instance};
pub use interrupt::InterruptHandle;
pub use limits::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub use link::LinkError;
pub use memory::Memory;
pub use module::{Demand, FunctionSource, LinkedModule, Runtime, RuntimeSettings};
pub use objref::{ArrayRef, StructRef};
pub use sampling::{PERIOD as SAMPLE_PERIOD, Samples};
pub use shared::{SharedMemory, WaitResult};
pub use space::MemoryError;
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use table::Table;
pub use trap::Trap;
pub use typed::{WasmParams, WasmResults, WasmTy};
pub use types::{
    ArrayType, ExnType, FieldType, Finality, FuncType, GlobalType, HeapType, MemoryType, MemoryTypeBuilder, Mutability,
    RefType, StorageType, StructType, TableType, TagType, ValType,
};
pub use value::{ExternRef, Ref, Val};
