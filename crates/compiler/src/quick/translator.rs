//! The driver: a body, operator by operator, and what is known between two of them.

use super::control::{Frame, FrameKind, Signature, Types};
use super::exception::{Catch, CatchSite, Scope};
use super::local::Local;
use super::machine::{self, Assembler, Label, Reg};
use super::maps::Maps;
use super::operand::{Operand, Registers};
use super::rare::{RareCall, RareId};
use super::reader::Reader;
use super::scan::Scan;
use super::{Env, Left, operators};
use epsilon_abi::heap::StructLayout;
use epsilon_abi::{
    CallLayout, CodeTier, CompiledFunction, DefinedFuncIndex, HandlerSite, Position, Relocation, Sites, SourceSite,
    TrapCode, TrapSite, TypeIndex,
};
use std::collections::HashMap;
use std::rc::Rc;

/// What translating one function leaves for the next one to use again.
#[derive(Default)]
pub(in crate::quick) struct Scratch {
    asm: Assembler,
    scan: Scan,
    stack: Vec<Operand>,
    locals: Vec<Local>,
    frames: Vec<Frame>,
    moves: Vec<machine::Move>,
    cold: Vec<Cold>,
}

/// Code that is laid behind the body, because it is rarely needed.
#[derive(Clone, Copy)]
pub(in crate::quick) struct Cold {
    pub label: Label,
    /// The operator that it belongs to.
    pub position: u32,
    pub kind: ColdKind,
}

#[derive(Clone, Copy)]
pub(in crate::quick) enum ColdKind {
    Trap(TrapCode),
    /// A call into the runtime.
    Call(RareId),
    /// What a machine has.
    Machine(machine::Cold),
}

/// Translates one function.
pub(in crate::quick) struct Translator<'a> {
    pub env: Env<'a>,
    pub asm: Assembler,
    pub reader: Reader<'a>,
    pub scan: Scan,
    /// The stack of operands of the specification.
    pub stack: Vec<Operand>,
    /// How many operands at the bottom are constants, or in their slots.
    pub settled: usize,
    /// Which operand is a condition of the flags, if any is.
    pub flags_at: Option<usize>,
    pub registers: Registers,
    pub locals: Vec<Local>,
    /// Locals that have a pin.
    pub pinned: Vec<u32>,
    /// Locals whose pin does not survive a call.
    pub reloaded: Vec<u32>,
    /// The control stack of the specification.
    pub frames: Vec<Frame>,
    /// Whether control can reach the current operator.
    pub reachable: bool,
    /// Moves that are to be made at once.
    pub moves: Vec<machine::Move>,
    pub cold: Vec<Cold>,
    /// Offset of the current operator in the module.
    pub position: u32,
    /// Offset of the body in the module.
    start: u32,
    /// Where the slots of operands begin, from the frame pointer down.
    pub operands_begin: i32,
    /// The lowest slot that is used.
    pub lowest: i32,
    /// The most that is pushed for a call, beyond the frame.
    pub most_pushed: u32,
    /// Values that branches and calls have passed.
    passed_values: u64,
    pub left: Option<Left>,
    pub machine: machine::State,
    /// Handlers of the open `try_table`s, the innermost last.
    pub catches: Vec<Catch>,
    /// The clauses of all `try_table`s and `try`s so far.
    pub scopes: Vec<Scope>,
    /// Calls that catch.
    pub catch_sites: Vec<CatchSite>,
    /// Where references lie while calls run.
    pub maps: Maps,
    /// Calls that stand behind the body.
    pub rare_calls: Vec<RareCall>,
    /// Where the fields of structure types lie.
    pub struct_layouts: HashMap<TypeIndex, Rc<StructLayout>>,
    pub traps: Vec<TrapSite>,
    pub sources: Vec<SourceSite>,
    pub relocations: Vec<Relocation>,
    /// Where the arguments and results of the function are.
    pub layout: CallLayout,
    pub type_index: TypeIndex,
    /// Which function it is.
    #[allow(dead_code)] // not every machine asks
    pub index: DefinedFuncIndex,
}

pub(in crate::quick) fn compile(
    env: &Env<'_>,
    index: DefinedFuncIndex,
    scratch: &mut Scratch,
) -> Result<CompiledFunction, Left> {
    let mut translator = Translator::new(*env, index, std::mem::take(scratch));
    let mut result = translator.function();
    if result.is_ok() && translator.asm.has_failed() {
        translator = Translator::new(*env, index, translator.into_scratch());
        translator.asm.reach_far();
        result = translator.function();
    }
    let function = result.map(|handlers| translator.compiled(handlers));
    *scratch = translator.into_scratch();
    function
}

impl<'a> Translator<'a> {
    fn new(env: Env<'a>, index: DefinedFuncIndex, mut scratch: Scratch) -> Self {
        let range = env.info.bodies[index.index()].clone();
        let type_index = env.info.functions[env.info.func_index(index).index()];
        let layout = CallLayout::new(env.info.type_func(type_index), machine::ARCH);
        scratch.asm.clear();
        scratch.stack.clear();
        scratch.locals.clear();
        scratch.frames.clear();
        scratch.cold.clear();
        Self {
            env,
            asm: scratch.asm,
            reader: Reader::new(&env.wasm[range.clone()]),
            scan: scratch.scan,
            stack: scratch.stack,
            settled: 0,
            flags_at: None,
            registers: Registers::new(machine::TEMPORARIES),
            locals: scratch.locals,
            pinned: Vec::new(),
            reloaded: Vec::new(),
            frames: scratch.frames,
            reachable: true,
            moves: scratch.moves,
            cold: scratch.cold,
            position: Position::NONE.0,
            start: range.start as u32,
            operands_begin: 0,
            lowest: 0,
            most_pushed: 0,
            passed_values: 0,
            left: None,
            machine: machine::State::new(&env),
            catches: Vec::new(),
            scopes: Vec::new(),
            catch_sites: Vec::new(),
            maps: Maps::default(),
            rare_calls: Vec::new(),
            struct_layouts: HashMap::new(),
            traps: Vec::new(),
            sources: Vec::new(),
            relocations: Vec::new(),
            layout,
            type_index,
            index,
        }
    }

    fn into_scratch(self) -> Scratch {
        let Self { asm, scan, stack, locals, frames, moves, cold, .. } = self;
        Scratch { asm, scan, stack, locals, frames, moves, cold }
    }

    fn compiled(&mut self, handlers: Vec<HandlerSite>) -> CompiledFunction {
        let mut traps = std::mem::take(&mut self.traps);
        traps.sort_by_key(|site| site.offset);
        CompiledFunction {
            tier: CodeTier::Quick,
            code: self.asm.code().to_vec(),
            align_bytes: machine::ALIGN_BYTES,
            relocations: std::mem::take(&mut self.relocations),
            sites: Sites::new(&traps, &std::mem::take(&mut self.sources), &[]),
            handlers,
            stack_maps: self.maps.finish(),
        }
    }

    fn function(&mut self) -> Result<Vec<HandlerSite>, Left> {
        self.declare_locals();
        self.scan.run(self.reader, self.locals.len());
        if self.scan.size.exceeds(self.env.limits) {
            return Err(Left::Limits);
        }
        self.pin_locals();
        let results = Signature::results_of(self.type_index, self.env.info);
        self.prologue();
        self.list_locals();
        let label = self.asm.new_label();
        self.frames.push(Frame::new(FrameKind::Body, 0, Signature { params: Types::None, results }, label));
        self.operators()?;
        self.epilogue();
        self.cold_code();
        let frame_bytes = self.finish_frame();
        self.handlers(frame_bytes)
    }

    fn operators(&mut self) -> Result<(), Left> {
        while !self.frames.is_empty() {
            self.position = self.start + self.reader.position() as u32;
            self.registers.locked = 0;
            let code = self.reader.byte();
            if !self.reachable && !self.opens_or_closes(code) {
                operators::skip(code, &mut self.reader);
                continue;
            }
            if self.flags_at.is_some() && !operators::keeps_flags(code) {
                self.settle_flags();
            }
            self.operator(code);
            if let Some(left) = self.left {
                return Err(left);
            }
        }
        Ok(())
    }

    /// Accounts for values passed by a branch or call.
    pub fn charge(&mut self, values: usize) {
        self.passed_values += values as u64;
        if self.passed_values > self.env.limits.max_passed_values {
            self.left = Some(Left::PassedValues);
        }
    }

    /// Notes that what follows belongs to the current operator.
    pub fn source(&mut self) {
        let position = Position(self.position);
        if self.sources.last().is_none_or(|site| site.position != position) {
            self.sources.push(SourceSite { offset: self.asm.at(), position });
        }
    }

    /// Notes that the next instruction may trap.
    pub fn trap_site(&mut self, code: TrapCode) {
        self.source();
        self.traps.push(TrapSite { offset: self.asm.at(), code });
    }

    /// Code that is laid behind the body: where it will be.
    pub fn cold(&mut self, kind: ColdKind) -> Label {
        let label = self.asm.new_label();
        self.cold.push(Cold { label, position: self.position, kind });
        label
    }

    /// Traps if a condition of the flags holds.
    pub fn trap_if(&mut self, cond: machine::Cond, code: TrapCode) {
        let label = self.cold(ColdKind::Trap(code));
        self.asm.jcc(cond, label);
    }

    /// Lays what stands behind the body, which may grow meanwhile.
    fn cold_code(&mut self) {
        let mut at = 0;
        while let Some(&Cold { label, position, kind }) = self.cold.get(at) {
            self.position = position;
            self.asm.bind(label);
            match kind {
                ColdKind::Trap(code) => self.trap(code),
                ColdKind::Call(call) => self.lay_rare_call(call),
                ColdKind::Machine(cold) => self.machine_cold(cold),
            }
            at += 1;
        }
    }

    /// The register of a result that a branch to a label passes alone.
    pub const fn result_register(is_float: bool) -> Reg {
        if is_float { machine::FLOAT_RESULT } else { machine::RESULT }
    }
}
