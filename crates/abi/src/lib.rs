//! The contract: everything that the compiler and the runtime of Epsilon agree on.
//!
//! Plain data. This crate has no dependency of ours, no knowledge of an operating system, and no `unsafe`.
//! The compiler and the runtime each know this crate and never each other.
//!
//! | file | what it holds |
//! |---|---|
//! | [`index`] | index newtypes of the specification's index spaces |
//! | [`types`] | value, reference, function, table, memory and global types |
//! | [`module`] | [`ModuleInfo`]: all of a validated module but its code |
//! | [`vm`] | the `repr(C)` words that machine code reads |
//! | [`layout`] | where a module's own words lie below [`vm::VmContext`] |
//! | [`call`] | where arguments and results travel: the `Tail` convention, per architecture |
//! | [`plan`] | [`MemoryPlan`]: what is reserved, what is guarded, which checks may be dropped |
//! | [`trap`] | the one list of trap codes |
//! | [`libcall`] | the one list of runtime calls |
//! | [`heap`] | the garbage-collected heap: references, objects, type records |
//! | [`compiled`] | [`CompiledFunction`]: inert machine code with its tables |
//! | [`position`] | instructions, and the operators that they come from |
//! | [`sites`] | what is known of a function's instructions, in few bytes |
//! | [`maps`] | where references lie in a function's frame while it calls |
//! | [`numbers`] | numbers in as few bytes as they need |
//! | [`text`] | text from modules, made fit to be shown |
#![forbid(unsafe_code)]

pub mod call;
pub mod compiled;
pub mod heap;
pub mod index;
pub mod layout;
pub mod libcall;
pub mod maps;
pub mod module;
pub mod numbers;
pub mod plan;
pub mod position;
pub mod sites;
pub mod text;
pub mod trap;
pub mod types;
pub mod vm;

pub use call::{Arch, CallLayout, Slot};
pub use compiled::{CodeTier, CompiledFunction, HandlerSite, RelocKind, Relocation};
pub use index::*;
pub use layout::VmLayout;
pub use libcall::{BulkRoutine, Libcall};
pub use maps::{StackMap, StackMaps};
pub use module::*;
pub use plan::{HeapPlan, MemoryAccess, MemoryPlan, MemoryStyle};
pub use position::{InlinedSite, Position, SourceSite, TrapSite};
pub use sites::Sites;
pub use text::Escaped;
pub use trap::TrapCode;
pub use types::*;
