//! Functions where they lie in memory, with their tables: of traps, of places in the source, of handlers and of inlined
//! calls. Must not know how they got there.

use crate::threads::fork::RwLock;
use epsilon_abi::{CompiledFunction, DefinedFuncIndex, HandlerSite, Sites, StackMaps, TagIndex, TrapCode};

/// A function where it lies, with its tables.
#[derive(Debug)]
pub struct Placed {
    index: DefinedFuncIndex,
    /// From the start of the module's code.
    start: u32,
    len_bytes: u32,
    sites: Sites,
    handlers: Box<[HandlerSite]>,
    stack_maps: StackMaps,
}

impl Placed {
    /// A function whose code lies `start` bytes behind the start of the module's code.
    pub fn new(index: DefinedFuncIndex, start: u32, function: &CompiledFunction) -> Self {
        Self {
            index,
            start,
            len_bytes: function.code.len() as u32,
            sites: function.sites.clone(),
            handlers: function.handlers.as_slice().into(),
            stack_maps: function.stack_maps.clone(),
        }
    }

    /// Size of a function's tables.
    pub fn table_bytes(function: &CompiledFunction) -> usize {
        function.sites.as_bytes().len() + size_of_val(&*function.handlers) + function.stack_maps.as_bytes().len()
    }

    /// Which function it is.
    pub fn index(&self) -> DefinedFuncIndex {
        self.index
    }

    /// Where it lies, from the start of the module's code.
    pub fn start(&self) -> u32 {
        self.start
    }
}

/// All functions of a module that have code.
#[derive(Debug)]
pub struct PlacedFunctions {
    /// Where the module's code begins.
    executable: usize,
    /// By ascending address: code is placed front to back. Nothing that can panic is done while this is written, so that
    /// a lock found poisoned says nothing of the contents.
    placed: RwLock<Vec<Placed>>,
}

impl PlacedFunctions {
    /// None yet, of a module whose code begins at an address.
    pub fn new(executable: usize) -> Self {
        Self { executable, placed: RwLock::default() }
    }

    /// Makes room for so many more.
    pub fn reserve(&self, additional: usize) {
        self.placed.write().reserve(additional);
    }

    /// Adds functions that lie behind all others. Room was made for them.
    pub fn append(&self, functions: Vec<Placed>) {
        self.placed.write().extend(functions);
    }

    /// Size of the code of all of them in bytes.
    pub fn code_bytes(&self) -> usize {
        self.placed.read().iter().map(|function| function.len_bytes as usize).sum()
    }

    fn with_function<R>(&self, pc: usize, f: impl FnOnce(&Placed, u32) -> Option<R>) -> Option<R> {
        let offset = u32::try_from(pc.checked_sub(self.executable)?).ok()?;
        let placed = self.placed.read();
        let at = placed.partition_point(|function| function.start <= offset).checked_sub(1)?;
        let inside = offset - placed[at].start;
        if inside <= placed[at].len_bytes { f(&placed[at], inside) } else { None }
    }

    /// The function that `pc` lies in, and the offset inside it.
    pub fn find(&self, pc: usize) -> Option<(DefinedFuncIndex, u32)> {
        self.with_function(pc, |function, offset| Some((function.index, offset)))
    }

    /// The trap that the instruction at `pc` raises.
    pub fn trap_at(&self, pc: usize) -> Option<TrapCode> {
        self.with_function(pc, |function, offset| function.sites.trap_at(offset))
    }

    /// The first clause of the call that returns to `pc` which catches everything or a tag that `catches`, and the
    /// address of its handler.
    pub fn handler_at(&self, pc: usize, catches: impl Fn(TagIndex) -> bool) -> Option<(usize, HandlerSite)> {
        // The call itself is what must lie in the function.
        self.with_function(pc.checked_sub(1)?, |function, offset| {
            let return_offset = offset + 1;
            let first = function.handlers.partition_point(|site| site.return_offset < return_offset);
            let mut clauses = function.handlers[first..].iter().take_while(|site| site.return_offset == return_offset);
            let clause = clauses.find(|site| site.tag.is_none_or(&catches))?;
            Some((self.executable + (function.start + clause.handler_offset) as usize, *clause))
        })
    }

    /// Where references lie while the call runs that returns to `pc`, in bytes from the frame pointer there.
    pub fn slots_at(&self, pc: usize) -> Vec<i32> {
        // The call itself is what must lie in the function.
        let at_call = |function: &Placed, offset| Some(function.stack_maps.slots_at(offset + 1));
        pc.checked_sub(1).and_then(|call| self.with_function(call, at_call)).unwrap_or_default()
    }

    /// The offsets in the module's binary of the operator that the instruction at `pc` belongs to, and of the inlined
    /// calls around it, innermost first.
    pub fn sources_at(&self, pc: usize) -> Vec<u32> {
        let found = self.with_function(pc, |function, offset| Some(function.sites.source_at(offset)));
        found.unwrap_or_default()
    }
}
