//! Operators to CLIF: one function body at a time, each operator validated and then translated.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@self`] | [`FuncTranslator`]: its state, and what every operator needs |
//! | `body` | the driver: locals, the operator loop, validation before translation |
//! | `budget` | how large a function may become |
//! | `operators` | the instruction set: one row per operator, naming a shape |
//! | `numeric` | the shapes of arithmetic |
//! | `control` | blocks, branches and the control stack |
//! | `exception` | `try_table`, `throw`, and the calls that may leave by an exception |
//! | `legacy` | `try`, its clauses, and `rethrow` |
//! | `call` | calls, direct, imported and through tables |
//! | `inline` | calls that are replaced by the callee's body |
//! | `libcall` | calls into the runtime |
//! | `variable` | locals and globals |
//! | `atomic` | atomic accesses, waiting and waking |
//! | `memory` | loads, stores, bounds |
//! | `bulk` | copying and filling of memory |
//! | `heap` | objects of the garbage-collected heap: addresses, headers, allocation, what the collector must find |
//! | `structure`, `array` | their fields and elements |
//! | `cast` | what a reference is |
//! | `table_ops` | tables |
//! | `reference` | references |
//! | `simd` | 128-bit vectors |
//! | `vm` | loads of the words behind the pinned register; alias regions |
//!
//! It knows nothing of target machines, linking, or how the runtime does what a libcall asks for.

mod array;
mod atomic;
mod body;
mod budget;
mod bulk;
mod call;
mod cast;
mod control;
mod exception;
mod heap;
mod inline;
mod legacy;
mod libcall;
mod memory;
mod numeric;
mod operators;
mod reference;
mod simd;
mod structure;
mod table_ops;
mod variable;
mod vm;

use crate::error::CompileError;
use crate::estimate::Room;
use crate::limits::CompileLimits;
use crate::parse::ParsedModule;
use budget::Budget;
use control::Frame;
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, Value, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FuncInstBuilder, FunctionBuilder};
use epsilon_abi::{
    DefinedFuncIndex, FuncIndex, FuncType, Libcall, MemoryPlan, ModuleInfo, Position, RefRepr, TypeIndex, ValType,
    VmLayout,
};
use std::collections::HashMap;
use variable::Locals;

pub(crate) use body::{FunctionSource, Notes, Size, translate};
pub(crate) use simd::relaxed::RelaxedSimd;
pub(crate) use variable::LocalsIn;

/// What translating one operator gives.
pub(crate) type Translated = Result<(), CompileError>;

/// Machine type of addresses and of the pinned register.
const PTR: ir::Type = types::I64;

/// What is the same for all functions of a module.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    /// The module, and its bytes.
    pub module: &'a ParsedModule,
    pub wasm: &'a [u8],
    /// All of the module but its code.
    pub info: &'a ModuleInfo,
    /// Where its words lie.
    pub layout: &'a VmLayout,
    /// How its memories lie, and which checks may be dropped.
    pub plan: &'a MemoryPlan,
    /// What the relaxed vector operators do on the target.
    pub relaxed_simd: RelaxedSimd,
    /// Which branches of the function are likely to be taken, by their offset in its body.
    pub hints: &'a [(u32, bool)],
    /// What translating it may take.
    pub limits: &'a CompileLimits,
    /// Where it finds room for what it holds.
    pub room: &'a dyn Room,
    /// Whether calls may be replaced by their callee's body.
    pub inlining: bool,
}

/// Translates one function body. The operand stack holds CLIF values; values of type `v128` are always `I8X16` there,
/// as in locals, globals, parameters and results.
pub(crate) struct FuncTranslator<'a> {
    /// Builds the function.
    pub builder: FunctionBuilder<'a>,
    env: Env<'a>,
    /// The operand stack of the specification.
    stack: Vec<Value>,
    /// The control stack of the specification, innermost frame last.
    frames: Vec<Frame>,
    /// Which of them is the body of the function that is being translated.
    body_frame: usize,
    locals: Locals,
    /// Places in `locals` by index, in a function that declares many locals and uses few of them; else the index is it.
    sparse_locals: Option<HashMap<u32, u32>>,
    /// The clauses of all `try_table`s and `try`s so far.
    scopes: Vec<exception::Scope>,
    /// How each `try` of the body ends, if one has been met.
    tries: Option<Vec<legacy::Try>>,
    /// Whether control can reach the current operator. If not, there is no current block.
    reachable: bool,
    /// Offset of the current operator in the module's binary.
    offset: u64,
    /// The same, as instructions carry it.
    position: Position,
    /// Offset of the function's body in the module's binary.
    body_start: u64,
    /// Where a value may be computed for the whole function.
    entry: ir::Block,
    /// The pinned register as read in the entry block, for words that never change.
    entry_vmctx: Option<Value>,
    /// The pinned register as read since the last call, in the current block or one that alone leads to it.
    block_vmctx: Option<Value>,
    regions: vm::Regions,
    signatures: HashMap<TypeIndex, ir::SigRef>,
    functions: HashMap<FuncIndex, ir::FuncRef>,
    libcall_signatures: HashMap<Libcall, ir::SigRef>,
    bulk_signature: Option<ir::SigRef>,
    /// Arguments of the branch that is being built.
    branch_args: Vec<BlockArg>,
    budget: Budget,
    inlining: inline::Inlining,
    /// What is known of the garbage-collected heap.
    heap: heap::HeapState,
    /// The types of the current operator's operands, counted from the top, where validation knows that they are references.
    /// Known in modules that use the heap.
    reference_types: [Option<wasmparser::RefType>; heap::OPERANDS],
    /// Whether any access to memory was checked.
    has_checks: bool,
}

impl<'a> FuncTranslator<'a> {
    /// A translator about to emit into the empty block `entry`.
    fn new(
        mut builder: FunctionBuilder<'a>,
        env: Env<'a>,
        entry: ir::Block,
        locals: LocalsIn,
        index: DefinedFuncIndex,
    ) -> Self {
        let regions = vm::Regions::new(builder.func);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        builder.ensure_inserted_block();
        let locals = Locals::new(locals, &mut builder);
        heap::name_slot_regions(&mut builder);
        Self {
            builder,
            env,
            stack: Vec::new(),
            frames: Vec::new(),
            body_frame: 0,
            locals,
            sparse_locals: None,
            scopes: Vec::new(),
            tries: None,
            reachable: true,
            offset: 0,
            position: Position::NONE,
            body_start: 0,
            entry,
            entry_vmctx: None,
            block_vmctx: None,
            regions,
            signatures: HashMap::new(),
            functions: HashMap::new(),
            libcall_signatures: HashMap::new(),
            bulk_signature: None,
            branch_args: Vec::new(),
            budget: Budget::default(),
            inlining: inline::Inlining::of(index),
            heap: heap::HeapState::default(),
            reference_types: [None; heap::OPERANDS],
            has_checks: false,
        }
    }

    /// Pops one operand.
    ///
    /// # Panics
    /// If the stack is empty; validation of the operator has excluded it. So for all `pop` methods.
    pub fn pop(&mut self) -> Value {
        self.stack.pop().expect("a validated operator finds its operands")
    }

    /// Pops two operands, the one pushed last being the second.
    pub fn pop2(&mut self) -> (Value, Value) {
        let b = self.pop();
        (self.pop(), b)
    }

    /// Pops three operands, the one pushed last being the third.
    pub fn pop3(&mut self) -> (Value, Value, Value) {
        let (b, c) = self.pop2();
        (self.pop(), b, c)
    }

    /// Pushes one operand.
    pub fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Emits an instruction.
    pub fn ins(&mut self) -> FuncInstBuilder<'_, 'a> {
        self.builder.ins()
    }

    /// The CLIF type of a value.
    pub fn type_of(&self, value: Value) -> ir::Type {
        self.builder.func.dfg.value_type(value)
    }

    /// Goes on in another block.
    fn switch_to(&mut self, block: ir::Block) {
        self.builder.switch_to_block(block);
        self.block_vmctx = None;
        self.reachable = true;
    }

    /// Goes on in a block that only the current one leads to: what was read from the pinned register still holds.
    fn switch_to_only_successor(&mut self, block: ir::Block) {
        let vmctx = self.block_vmctx;
        self.switch_to(block);
        self.block_vmctx = vmctx;
    }

    /// Nothing after this point of the block can be reached.
    fn end_block(&mut self) {
        self.block_vmctx = None;
        self.reachable = false;
    }

    /// Zero-extends an index or length to 64 bits, unless it has them.
    fn widen(&mut self, value: Value) -> Value {
        match self.type_of(value) {
            types::I64 => value,
            _ => self.ins().uextend(types::I64, value),
        }
    }

    /// Cuts a 64-bit result down to the index type of its memory or table.
    fn narrow(&mut self, value: Value, is_64: bool) -> Value {
        if is_64 { value } else { self.ins().ireduce(types::I32, value) }
    }

    /// An unsigned 64-bit constant.
    fn const_u64(&mut self, value: u64) -> Value {
        self.ins().iconst(types::I64, value.cast_signed())
    }

    /// An index of the module as an argument of a libcall.
    fn const_index(&mut self, index: u32) -> Value {
        self.ins().iconst(types::I32, i64::from(index))
    }

    /// An operator of a proposal that the compiler does not translate.
    fn unsupported(&self, proposal: &str, operator: &str) -> CompileError {
        CompileError::unsupported_operator(proposal, operator, self.offset)
    }
}

/// The CLIF type of a wasm value.
pub(crate) const fn clif_type(ty: ValType) -> ir::Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
        ValType::Ref(r) => repr_type(r.repr()),
    }
}

/// The CLIF type of a reference.
const fn repr_type(repr: RefRepr) -> ir::Type {
    match repr {
        RefRepr::Func => PTR,
        RefRepr::Index => types::I32,
    }
}

/// The name of a defined function, by which relocations know it.
pub(crate) const fn defined_name(index: DefinedFuncIndex) -> ir::UserExternalName {
    ir::UserExternalName { namespace: 0, index: index.0 }
}

/// The CLIF signature of a wasm function.
pub(crate) fn clif_signature(ty: &FuncType) -> ir::Signature {
    let mut signature = ir::Signature::new(CallConv::Tail);
    signature.params.extend(ty.params.iter().map(|p| ir::AbiParam::new(clif_type(*p))));
    signature.returns.extend(ty.results.iter().map(|r| ir::AbiParam::new(clif_type(*r))));
    signature
}
