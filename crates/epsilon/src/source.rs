//! Where a module's functions come from: the compiler.

use crate::HostError;
use crate::background::Likely;
use epsilon_abi::{CompiledFunction, DefinedFuncIndex};
use epsilon_compiler::{Compiler, ParsedModule, Scratch};
use epsilon_runtime::{Demand, FunctionSource, host_stack_left_bytes};
use std::cell::RefCell;
use std::sync::Arc;

/// Host stack that compiling a function may take. Where a caller has less, another thread compiles for it.
const COMPILER_STACK_BYTES: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Machine code per byte of function body, at most: what is reserved, not what is used.
const CODE_PER_BODY_BYTE: usize = 16;
const LEAST_ROOM_BYTES: usize = 1 << 20;
/// The runtime allows 120 MiB for a module's code and its jump table.
const MOST_ROOM_BYTES: usize = 96 << 20;

/// Address space to reserve for the code of functions that are not compiled yet.
pub fn room_for(body_bytes: usize) -> usize {
    body_bytes.saturating_mul(CODE_PER_BODY_BYTE).saturating_add(LEAST_ROOM_BYTES).min(MOST_ROOM_BYTES)
}

/// Compiles functions of one module when they are wanted.
pub struct CompilerSource {
    compiler: Arc<Compiler>,
    parsed: ParsedModule,
    wasm: Arc<[u8]>,
    likely: Arc<Likely>,
}

impl CompilerSource {
    pub fn new(compiler: &Arc<Compiler>, parsed: ParsedModule, wasm: &Arc<[u8]>, likely: &Arc<Likely>) -> Self {
        Self { compiler: compiler.clone(), parsed, wasm: wasm.clone(), likely: likely.clone() }
    }

    fn compile(&self, index: DefinedFuncIndex) -> Result<CompiledFunction, HostError> {
        SCRATCH.with(|scratch| {
            let scratch = &mut *scratch.borrow_mut();
            Ok(self.compiler.compile_function(&self.parsed, &self.wasm, index, scratch)?)
        })
    }
}

impl FunctionSource for CompilerSource {
    fn function(&self, index: DefinedFuncIndex, _: Demand) -> Result<CompiledFunction, HostError> {
        if host_stack_left_bytes() >= COMPILER_STACK_BYTES {
            return self.compile(index);
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(4 * COMPILER_STACK_BYTES);
            let compilation = thread.spawn_scoped(scope, || self.compile(index))?;
            compilation.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        })
    }

    fn linked(&self, _: DefinedFuncIndex, function: &CompiledFunction, demand: Demand) {
        if demand == Demand::Call {
            self.likely.add(function.relocations.iter().map(|relocation| relocation.target));
        }
    }
}
