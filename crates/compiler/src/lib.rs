//! Epsilon's compiler: WebAssembly bytes in, inert machine code out.
//!
//! ```text
//! bytes ── parse ──► ModuleInfo + bodies ── translate ──► ir::Function ── codegen ──► CompiledFunction
//! ```
//!
//! [`Tier::Quick`] goes from bodies to `CompiledFunction` in one pass, without Cranelift.
//!
//! Each arrow can be called alone: [`Compiler::parse`], [`Compiler::validate`], [`Compiler::compile_function`], and
//! [`Compiler::clif`] and [`Compiler::disassemble`] to look at what is in between. [`Compiler::compile_all`] does it all.
//!
//! There is no `unsafe` here, no input or output, and no address of the host: what code needs from the runtime it finds
//! through the words that [`epsilon_abi`] lays out.
#![forbid(unsafe_code)]

mod codegen;
mod compiler;
mod error;
mod estimate;
mod isa;
mod limits;
mod merging;
mod parallel;
mod parse;
mod passes;
mod pieces;
mod quick;
mod settings;
mod translate;
mod trap;
mod watch;

pub use compiler::{Compiler, Scratch};
pub use error::CompileError;
pub use estimate::{Room, Unlimited};
pub use isa::Isa;
pub use limits::{CompileLimit, CompileLimits};
pub use parallel::thread_count;
pub use parse::{CodePlaces, ModuleParts, ParsedModule, custom_sections, is_debug_section};
pub use quick::Left;
pub use settings::{OptLevel, Settings, Target, Tier};
pub use wasmparser::WasmFeatures;
pub use watch::{Unwatched, Watch};
