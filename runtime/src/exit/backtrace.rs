//! The guest's frames: walked by frame pointer when an activation ends, named when someone reads them.

use crate::fixed;
use crate::module::linked::LinkedModule;
use crate::store::inner::StoreInner;
use crate::threads::words::FaultRecord;
use epsilon_abi::FuncIndex;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// Innermost frames that are kept, and outermost ones where there are more.
const KEPT_INNER: usize = 64;
const KEPT_OUTER: usize = 16;

/// Addresses whose frames a walk remembers.
const KNOWN_ADDRESSES: usize = 256;

/// No walk goes on for longer, whatever memory looks like.
const MAX_FRAMES: usize = 1 << 22;

/// A place in source code, from debug information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The function, as written in the source.
    pub name: Option<String>,
    /// The file.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
}

impl Symbol {
    /// The function, as written in the source.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The file.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// The column, from 1.
    pub fn column(&self) -> Option<u32> {
        self.column
    }
}

/// Knows debug information.
pub trait Symbolicate: Send + Sync {
    /// The places that the operator at an offset of the module's binary was compiled from: inlined ones first. A few,
    /// of bounded length; found in bounded time, memory and depth of stack, whatever the module says.
    fn symbols(&self, module: &LinkedModule, wasm_offset: u32) -> Vec<Symbol>;
    /// What a mangled name of a function stands for; `None` if it is none, or if that is too much to tell. Within the same
    /// bounds.
    fn demangle(&self, name: &str) -> Option<String>;
}

/// The guest's frames, innermost first.
#[derive(Clone, Debug, Default)]
pub struct WasmBacktrace {
    pub(crate) frames: Vec<Frame>,
    /// How many frames are left out, and in front of which of `frames`.
    pub(crate) omitted: usize,
    pub(crate) omitted_at: usize,
}

/// A frame of a guest.
#[derive(Clone)]
pub struct Frame {
    module: FrameModule,
    func: FuncIndex,
    wasm_offset: Option<u32>,
}

/// The module of a frame.
#[derive(Clone)]
pub struct FrameModule(Arc<LinkedModule>);

impl FrameModule {
    /// Its name, from the `name` section.
    pub fn name(&self) -> Option<&str> {
        self.0.info().name.as_deref()
    }
}

impl fmt::Debug for FrameModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FrameModule").field(&self.name()).finish()
    }
}

impl Frame {
    /// The function's index in its module.
    pub fn func_index(&self) -> u32 {
        self.func.0
    }

    /// The module.
    pub fn module(&self) -> &FrameModule {
        &self.module
    }

    /// The function's name, from the `name` section.
    pub fn func_name(&self) -> Option<&str> {
        self.module.0.info().function_name(self.module.0.wasm(), self.func)
    }

    /// A name that the function is exported under.
    pub(crate) fn export_name(&self) -> Option<&str> {
        let of_this = |export: &&epsilon_abi::Export| export.entity == epsilon_abi::EntityIndex::Func(self.func);
        self.module.0.info().exports.iter().find(of_this).map(|export| export.name.as_str())
    }

    /// The module's name, from the `name` section.
    pub fn module_name(&self) -> Option<&str> {
        self.module.0.info().name.as_deref()
    }

    /// Offset of the operator in the module's binary.
    pub fn module_offset(&self) -> Option<usize> {
        let has_map = self.module.0.runtime().settings().address_map;
        self.wasm_offset.filter(|_| has_map).map(|offset| offset as usize)
    }

    /// Offset of the operator from the start of its function's body.
    pub fn func_offset(&self) -> Option<usize> {
        let defined = self.module.0.info().defined(self.func)?;
        self.module_offset()?.checked_sub(self.module.0.info().bodies[defined.index()].start)
    }

    /// Source places, where the module has debug information that can be read within bounds; inlined ones first. It is
    /// read on a thread of its own.
    pub fn symbols(&self) -> Vec<Symbol> {
        crate::exit::describe::apart(|| self.symbols_here()).unwrap_or_default()
    }

    /// As [`Self::symbols`], on this thread.
    pub(crate) fn symbols_here(&self) -> Vec<Symbol> {
        // Debug information is read under locks.
        let _held_off = crate::threads::fork::hold_off();
        let has_map = self.module.0.runtime().settings().address_map;
        self.wasm_offset
            .filter(|_| has_map)
            .map_or_else(Vec::new, |offset| self.module.0.symbols().symbols(&self.module.0, offset))
    }

    /// What knows the module's debug information.
    pub(crate) fn symbolicate(&self) -> &dyn Symbolicate {
        self.module.0.symbols()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("func_index", &self.func_index())
            .field("func_name", &self.func_name())
            .field("module_offset", &self.module_offset())
            .finish()
    }
}

impl WasmBacktrace {
    /// The frames, innermost first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// With so many of the innermost frames at most.
    pub(crate) fn up_to(mut self, frames: usize) -> Self {
        if self.frames.len() > frames {
            self.omitted += self.frames.len() - frames;
            self.omitted_at = self.omitted_at.min(frames);
            self.frames.truncate(frames);
        }
        self
    }

    /// As [`WasmBacktrace::capture`]: with or without backtraces of errors, it has the frames.
    pub fn force_capture(store: impl crate::store::inner::AsContext) -> Self {
        Self::of_exit(store.as_context().inner())
    }

    /// How many frames of a deep stack are left out between the innermost and the outermost ones.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The frames of a store's activations, as a host function sees them: as many as errors have.
    pub fn capture(store: impl crate::store::inner::AsContext) -> Self {
        match store.as_context().inner().runtime.settings().backtrace_frames {
            0 => Self::default(),
            frames => Self::force_capture(store).up_to(frames),
        }
    }

    /// The frames at a fault.
    pub(crate) fn of_fault(store: &StoreInner, fault: &FaultRecord) -> Self {
        let mut walk = Walk::new(store);
        walk.push_exact(fault.pc);
        let in_function = store.code_at(fault.pc).and_then(|(_, code)| code.placed().find(fault.pc));
        let in_thunk = || crate::code::region::is_thunk(fault.pc).then_some(0);
        let pc_offset = in_function.map(|(_, pc_offset)| pc_offset);
        if let Some(pc_offset) = pc_offset.or_else(|| fixed::fixed_code_offset(fault.pc)).or_else(in_thunk) {
            // SAFETY: the record holds the registers at the fault, which was at that offset of a function, a thunk or fixed code;
            // the activation has not been unlinked yet, so that its stack is as it was (invariant 15).
            if let Some(pc) = unsafe { fixed::prologue_return_address(pc_offset, fault.sp, fault.link) } {
                walk.push_return(pc);
            }
        }
        walk.run(fault.fp)
    }

    /// The frames where wasm last left for the host.
    pub(crate) fn of_exit(store: &StoreInner) -> Self {
        Walk::new(store).run(store.vm.exit_fp.get())
    }
}

/// A walk over the frames of all activations of a store.
struct Walk<'a> {
    store: &'a StoreInner,
    inner: Vec<Frame>,
    /// What is behind those: the frames of an address each time, without as many as are in `inner`.
    outer: VecDeque<(Rc<[Frame]>, usize)>,
    outer_len: usize,
    count: usize,
    ended: bool,
    /// Frames of the addresses that were last seen: a deep recursion comes by the same few again and again.
    known: HashMap<usize, Rc<[Frame]>>,
}

impl<'a> Walk<'a> {
    fn new(store: &'a StoreInner) -> Self {
        let (inner, outer, known) = (Vec::new(), VecDeque::new(), HashMap::new());
        Self { store, inner, outer, outer_len: 0, count: 0, ended: false, known }
    }

    /// Adds the frame stopped at `pc`, behind those of functions that were inlined into it.
    fn push_exact(&mut self, pc: usize) {
        if self.known.len() == KNOWN_ADDRESSES {
            self.known.clear();
        }
        let frames = self.known.entry(pc).or_insert_with(|| frames_at(self.store, pc)).clone();
        self.count += frames.len();
        let kept = frames.len().min(KEPT_INNER - self.inner.len());
        self.inner.extend_from_slice(&frames[..kept]);
        if kept < frames.len() {
            self.outer_len += frames.len() - kept;
            self.outer.push_back((frames, kept));
        }
        while let Some((frames, first)) = self.outer.front()
            && self.outer_len - (frames.len() - first) >= KEPT_OUTER
        {
            self.outer_len -= frames.len() - first;
            self.outer.pop_front();
        }
    }

    /// Adds the frame that a call returns to; false at the end of an activation.
    fn push_return(&mut self, pc: usize) -> bool {
        self.ended = pc == fixed::enter_return();
        if !self.ended {
            // Of the call itself. No address is taken for granted here, whatever memory looks like.
            self.push_exact(pc.saturating_sub(1));
        }
        !self.ended
    }

    /// Walks from a frame pointer outwards, through all activations.
    fn run(mut self, mut fp: usize) -> WasmBacktrace {
        let mut activation = self.store.activation;
        while !activation.is_null() {
            // SAFETY: the store's activation, and those that it links, are records of calls that have not returned (invariant 15).
            let (outer_fp, previous) = unsafe { ((*activation).exit_fp, (*activation).previous) };
            // An activation that ends before it has run anything leaves the exit record of the one further out.
            if !self.ended && fp != outer_fp {
                self.walk_activation(fp);
            }
            self.ended = false;
            (fp, activation) = (outer_fp, previous);
        }
        let omitted_at = self.inner.len();
        let outer = self.outer.iter().flat_map(|(frames, first)| &frames[*first..]);
        self.inner.extend(outer.skip(self.outer_len.saturating_sub(KEPT_OUTER)).cloned());
        let omitted = self.count - self.inner.len();
        WasmBacktrace { frames: self.inner, omitted, omitted_at }
    }

    fn walk_activation(&mut self, mut fp: usize) {
        for _ in 0..MAX_FRAMES {
            if !self.is_on_wasm_stack(fp) {
                return;
            }
            // SAFETY: both words are on the store's wasm stack, as was just checked, which is mapped as long as an activation
            // runs (invariant 16). The walk began at an exit record or a fault, so that a frame begins here (invariant 15).
            let (caller_fp, return_pc) = unsafe { (*(fp as *const usize), *((fp + 8) as *const usize)) };
            if !self.push_return(return_pc) || caller_fp <= fp {
                return;
            }
            fp = caller_fp;
        }
    }

    fn is_on_wasm_stack(&self, fp: usize) -> bool {
        let Some(stack) = &self.store.stack else { return false };
        (stack.lowest()..stack.top() - 15).contains(&fp) && fp.is_multiple_of(8)
    }
}

/// The frame stopped at `pc`, behind those of functions that were inlined into it.
fn frames_at(store: &StoreInner, pc: usize) -> Rc<[Frame]> {
    let Some((instance, code)) = store.code_at(pc) else { return Rc::default() };
    let Some((defined, _)) = code.placed().find(pc) else { return Rc::default() };
    let module = &instance.module;
    let offsets = code.placed().sources_at(pc);
    let (outermost, inlined) = offsets.split_last().map_or((None, &[][..]), |(last, rest)| (Some(*last), rest));
    let inlined = inlined.iter().filter_map(|offset| Some((module.info().function_at(*offset)?, Some(*offset))));
    let all = inlined.chain([(module.info().func_index(defined), outermost)]);
    all.map(|(func, wasm_offset)| Frame { module: FrameModule(module.clone()), func, wasm_offset }).collect()
}
