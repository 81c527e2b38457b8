//! Functions of a store: their numbers, their references, and calling them.
//!
//! Every function of a store has a number, its *entry*. An instance takes a block of numbers for the functions that it
//! defines, a host function takes one; so instantiation writes nothing per function. The words that a function
//! reference points to are made when a reference is first needed.

use crate::base::alloc;
use crate::base::budget::{Budget, Charge};
use crate::base::error::{Error, Result};
use crate::call::enter as call;
use crate::call::typed::{StackWords, WasmParams, WasmResults, read_place};
use crate::code::thunk::Thunk;
use crate::embed::raw::ValRaw;
use crate::embed::value::{Val, is_external};
use crate::fixed::{self, EntryFrame, RegFile, ThunkData, flag};
use crate::serve::hostcall::IntoHostFunc;
use crate::serve::hostcall::{Caller, HostFunc, HostFuncData};
use crate::store::inner::{AsContext, AsContextMut, StoreId, StoreInner};
use crate::types;
use epsilon_abi::vm::{KNOWN_REFERENCES, VmFuncRef, VmFuncRow, VmKnownReference, VmStoreHead};
use epsilon_abi::{CallLayout, DefinedFuncIndex, FuncType, HeapType, RefRepr, RefType, Slot, ValType};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// All functions of a store.
#[derive(Default)]
pub struct Functions {
    /// Blocks of numbers, ascending; the first starts at 1.
    blocks: Vec<Block>,
    references: References,
}

/// References that were made, which stay where they are.
#[derive(Default)]
struct References {
    of_entry: HashMap<u32, *const VmFuncRef>,
    /// Each is filled up to the capacity that it was made with, and no further.
    chunks: Vec<Vec<FuncReference>>,
    /// Places in chunks of references that are gone.
    free: Vec<(usize, usize)>,
    /// Those that machine code finds itself. Empty until there is a reference, and if there is no memory for it.
    known: Vec<VmKnownReference>,
    _known_charge: Option<Charge>,
}

/// A list in which no function is.
struct NoReferences([VmKnownReference; KNOWN_REFERENCES]);

// SAFETY: nobody writes it, and the pointers in it are null (invariant 14).
unsafe impl Sync for NoReferences {}

static NO_REFERENCES: NoReferences =
    NoReferences([VmKnownReference { entry: 0, reference: std::ptr::null() }; KNOWN_REFERENCES]);

/// The list of references that machine code reads in a store that has made none.
pub fn no_references() -> *const VmKnownReference {
    NO_REFERENCES.0.as_ptr()
}

/// What a function reference is charged with: itself, a thunk, and its place in the table of references.
pub const REFERENCE_BYTES: usize = size_of::<FuncReference>() + 64 + 2 * 24;

/// What a block of numbers is charged with.
const BLOCK_BYTES: usize = 2 * size_of::<Block>();

// SAFETY: the pointers lead into the chunks, which go along and never move; they are followed under a borrow of the store alone
// (invariants 12 and 14).
unsafe impl Send for References {}
// SAFETY: `&References` only reads, and the chunks change under `&mut` alone (invariant 12).
unsafe impl Sync for References {}

/// References in a chunk.
const CHUNK: usize = 128;

struct Block {
    first: u32,
    owner: Owner,
}

#[derive(Clone)]
enum Owner {
    Instance(u32),
    Host(Arc<HostFuncData>),
}

struct FuncReference {
    words: VmFuncRef,
    /// Keeps the switching code of a wasm function.
    _thunk: Option<Thunk>,
}

/// A function's way in: what `enter` needs.
#[derive(Clone, Copy)]
pub struct EntryPoint {
    pub anchor: usize,
    pub code: usize,
}

/// What a function is.
pub enum Resolved<'a> {
    Wasm { instance: u32, defined: DefinedFuncIndex },
    Host(&'a Arc<HostFuncData>),
}

impl References {
    /// Makes room for one more, and returns the chunk to put it in.
    fn room(&mut self) -> Result<&mut Vec<FuncReference>> {
        let no_memory = |_| no_memory_for_references();
        self.of_entry.try_reserve(1).map_err(no_memory)?;
        if self.chunks.last().is_none_or(|chunk| chunk.len() == chunk.capacity()) {
            let mut chunk = Vec::new();
            chunk.try_reserve_exact(CHUNK).map_err(no_memory)?;
            self.chunks.try_reserve(1).map_err(no_memory)?;
            self.chunks.push(chunk);
        }
        Ok(self.chunks.last_mut().expect("just made"))
    }

    /// Keeps a reference, and returns its address.
    fn add(&mut self, reference: FuncReference) -> Result<*const VmFuncRef> {
        let entry = reference.words.entry;
        let address = if let Some((chunk, at)) = self.free.pop() {
            self.of_entry.try_reserve(1).map_err(|_| no_memory_for_references())?;
            let place = &mut self.chunks[chunk][at];
            *place = reference;
            &raw const place.words
        } else {
            let chunk = self.room()?;
            chunk.push(reference);
            &raw const chunk[chunk.len() - 1].words
        };
        self.of_entry.insert(entry, address);
        Ok(address)
    }

    /// Lets machine code find a reference, in the place of another one that it found there. The first place is that of null.
    fn make_known(&mut self, entry: u32, reference: *const VmFuncRef, budget: &Budget) {
        // Without it, all is as before, and slower.
        if self.known.is_empty()
            && let Ok(charge) = budget.charge(KNOWN_REFERENCES * size_of::<VmKnownReference>(), "function references")
        {
            self.known = alloc::zeroed(KNOWN_REFERENCES, "a list of references").unwrap_or_default();
            self._known_charge = Some(charge);
        }
        let at = entry as usize % KNOWN_REFERENCES;
        if let Some(place) = self.known.get_mut(at).filter(|_| at != 0) {
            *place = VmKnownReference { entry: u64::from(entry), reference };
        }
    }

    /// Drops those to functions from a number on. Nothing may refer to them any more.
    fn drop_since(&mut self, first: u32) {
        if !self.of_entry.keys().any(|entry| *entry >= first) {
            return;
        }
        self.of_entry.retain(|entry, _| *entry < first);
        for place in self.known.iter_mut().filter(|place| place.entry >= u64::from(first)) {
            *place = VmKnownReference { entry: 0, reference: std::ptr::null() };
        }
        for (n, chunk) in self.chunks.iter_mut().enumerate() {
            for (at, reference) in chunk.iter_mut().enumerate().filter(|(_, reference)| reference.words.entry >= first)
            {
                // No function has this number, and none that is made later is taken for this one.
                (reference.words.entry, reference._thunk) = (0, None);
                // Instances fail where memory has run out: then the place is not used again, and nothing else happens.
                if self.free.try_reserve(1).is_ok() {
                    self.free.push((n, at));
                }
            }
        }
    }
}

#[cold]
fn no_memory_for_references() -> Error {
    Error::limit("the system is out of memory: cannot allocate more function references")
}

impl Functions {
    /// Takes a block of numbers for an instance's defined functions; returns the first.
    pub fn add_instance(&mut self, instance: u32, defined_functions: usize, next: u32) -> Result<u32> {
        let exhausted = || Error::limit("a store holds at most 2^32 - 2 functions");
        next.checked_add(u32::try_from(defined_functions).map_err(|_| exhausted())?).ok_or_else(exhausted)?;
        alloc::reserve(&mut self.blocks, 1, "a list of functions")?;
        self.blocks.push(Block { first: next, owner: Owner::Instance(instance) });
        Ok(next)
    }

    /// How many references there are.
    pub fn references(&self) -> usize {
        self.references.of_entry.len()
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is a reference to a function from a number on.
    pub fn has_reference_since(&self, first: u32) -> bool {
        self.references.of_entry.keys().any(|entry| *entry >= first)
    }

    /// Drops all but so many blocks; they end before `first`.
    pub fn drop_since(&mut self, blocks: usize, first: u32) {
        self.blocks.truncate(blocks);
        self.references.drop_since(first);
    }

    fn block(&self, entry: u32) -> &Block {
        let at = self.blocks.partition_point(|block| block.first <= entry);
        &self.blocks[at.checked_sub(1).expect("entries are numbers of this store's functions")]
    }

    /// The table row of a reference as machine code holds it.
    ///
    /// # Safety
    /// `bits` must be 0 or the address of a function reference of this store.
    pub unsafe fn row_of_bits(&self, bits: u64, private_anchor: Option<usize>) -> VmFuncRow {
        if bits == 0 {
            return crate::memory::table::NULL_ROW;
        }
        // SAFETY: as the caller promises, a reference of this store is there (invariant 17), which lives as long as something
        // leads to it, and is not written meanwhile: this borrows the store (invariants 12 and 14).
        let words = unsafe { &*(bits as *const VmFuncRef) };
        let direct = private_anchor == Some(words.anchor);
        let code = if direct { words.direct_code } else { words.switching_code };
        VmFuncRow { code, signature: words.signature, entry: words.entry }
    }
}

impl StoreInner {
    /// The number that the next function gets.
    pub(crate) fn next_entry(&self) -> u32 {
        match self.functions.blocks.last() {
            None => 1,
            Some(Block { first, owner: Owner::Host(_) }) => first + 1,
            Some(Block { first, owner: Owner::Instance(instance) }) => {
                first + self.instances[*instance as usize].module.info().defined_functions() as u32
            }
        }
    }

    /// Adds a host function and returns its number.
    pub(crate) fn add_host_func(&mut self, func: &Arc<HostFuncData>) -> Result<u32> {
        self.charge_item(BLOCK_BYTES)?;
        let first = self.next_entry();
        if first == u32::MAX {
            return Err(Error::limit("a store holds at most 2^32 - 2 functions"));
        }
        let block = Block { first, owner: Owner::Host(func.clone()) };
        alloc::push(&mut self.functions.blocks, block, "a list of functions")?;
        Ok(first)
    }

    /// What a function is.
    pub(crate) fn resolve(&self, entry: u32) -> Resolved<'_> {
        let block = self.functions.block(entry);
        match &block.owner {
            Owner::Instance(instance) => {
                Resolved::Wasm { instance: *instance, defined: DefinedFuncIndex(entry - block.first) }
            }
            Owner::Host(func) => Resolved::Host(func),
        }
    }

    /// The type of a function, where its arguments travel, and the type's canonical id.
    pub(crate) fn signature_of(&self, entry: u32) -> (&FuncType, &CallLayout, u32) {
        match self.resolve(entry) {
            Resolved::Host(func) => (&func.ty, &func.layout, func.signature),
            Resolved::Wasm { instance, defined } => {
                let module = &self.instances[instance as usize].module;
                module.signature_of(module.info().func_index(defined))
            }
        }
    }

    /// Where to enter a function.
    pub(crate) fn entry_point(&self, entry: u32) -> EntryPoint {
        match self.resolve(entry) {
            Resolved::Host(func) => EntryPoint { anchor: self.host_anchor(), code: func.thunk.code() },
            Resolved::Wasm { instance, defined } => {
                let instance = &self.instances[instance as usize];
                EntryPoint { anchor: instance.anchor(), code: instance.module.code().callable(defined) }
            }
        }
    }

    /// The table row of a function.
    ///
    /// # Errors
    /// If there is no memory for a thunk.
    pub(crate) fn row_of_entry(&mut self, entry: u32, private_anchor: Option<usize>) -> Result<VmFuncRow> {
        if entry == 0 {
            return Ok(crate::memory::table::NULL_ROW);
        }
        let point = self.entry_point(entry);
        if private_anchor == Some(point.anchor) {
            let signature = self.signature_of(entry).2;
            return Ok(VmFuncRow { code: point.code, signature, entry });
        }
        let words = self.func_ref(entry)?;
        // SAFETY: `func_ref` has just given the address of a reference of this store (invariant 17).
        Ok(unsafe { self.functions.row_of_bits(words as u64, private_anchor) })
    }

    /// The address at which any instance can call a function.
    pub(crate) fn switching_code(&mut self, entry: u32) -> Result<usize> {
        if let Resolved::Host(func) = self.resolve(entry) {
            return Ok(func.thunk.code());
        }
        let reference = self.func_ref(entry)?;
        // SAFETY: `func_ref` has just given the address of a reference of this store, which lives (invariant 14).
        Ok(unsafe { (*reference).switching_code })
    }

    /// The address of a function's reference, made if it is not there yet. Machine code finds it from now on.
    pub(crate) fn func_ref(&mut self, entry: u32) -> Result<*const VmFuncRef> {
        let reference = self.make_func_ref(entry)?;
        self.functions.references.make_known(entry, reference, &self.budget);
        if !self.functions.references.known.is_empty() {
            self.vm.head.set(VmStoreHead { known_references: self.functions.references.known.as_ptr() });
        }
        Ok(reference)
    }

    fn make_func_ref(&mut self, entry: u32) -> Result<*const VmFuncRef> {
        if let Some(address) = self.functions.references.of_entry.get(&entry) {
            return Ok(*address);
        }
        self.charge_item(REFERENCE_BYTES)?;
        let point = self.entry_point(entry);
        let (_, layout, signature) = self.signature_of(entry);
        let (thunk, anchor) = match self.resolve(entry) {
            Resolved::Host(_) => (None, 0),
            Resolved::Wasm { .. } => {
                let data = ThunkData {
                    common: fixed::switch_common_address(),
                    target: point.code,
                    context: point.anchor,
                    stack_args_bytes: layout.stack_args_bytes,
                    flags: flags_of(layout),
                };
                let thunk = Thunk::new(data).map_err(|error| Error::system("map a thunk", error))?;
                (Some(thunk), point.anchor)
            }
        };
        let switching_code = thunk.as_ref().map_or(point.code, Thunk::code);
        let words = VmFuncRef { switching_code, direct_code: point.code, anchor, signature, entry };
        self.functions.references.add(FuncReference { words, _thunk: thunk })
    }

    /// The function that a reference's bits stand for.
    ///
    /// # Safety
    /// `bits` must be 0 or the address of a function reference of this store.
    pub(crate) unsafe fn func_from_bits(&self, bits: u64) -> Option<Func> {
        if bits == 0 {
            return None;
        }
        // SAFETY: as the caller promises, a reference of this store is there (invariant 17), which lives as long as something
        // leads to it (invariant 14).
        let entry = unsafe { (*(bits as *const VmFuncRef)).entry };
        Some(Func { store: self.id, entry })
    }
}

/// Which registers fixed code must carry for a layout.
pub fn flags_of(layout: &CallLayout) -> u32 {
    let ints = layout.results.iter().filter(|slot| matches!(slot, Slot::Int(_))).count();
    (if layout.has_float_params() { flag::FLOAT_PARAMS } else { 0 })
        | (if layout.has_float_results() { flag::FLOAT_RESULTS } else { 0 })
        | (if ints > 1 { flag::MANY_RESULTS } else { 0 })
}

/// A function of a store: of an instance, or of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Func {
    pub(crate) store: StoreId,
    pub(crate) entry: u32,
}

impl Func {
    /// A host function of a type that is known only at run time.
    ///
    /// `func` gets the arguments, and results to set, which are null function references before. Results of other types than
    /// the function's are an error of the call.
    ///
    /// # Panics
    /// If [`Func::try_new`] gives an error.
    pub fn new<T: 'static, E: 'static>(
        store: impl AsContextMut<Data = T, Engine = E>,
        ty: types::FuncType,
        func: impl Fn(Caller<'_, T, E>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::try_new(store, ty, func).unwrap_or_else(no_room_for_a_function)
    }

    /// As [`Func::new`], where the lack of room is an error.
    ///
    /// # Errors
    /// If a limit is reached or memory has run out; or if the type is of another engine.
    pub fn try_new<T: 'static, E: 'static>(
        mut store: impl AsContextMut<Data = T, Engine = E>,
        ty: types::FuncType,
        func: impl Fn(Caller<'_, T, E>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let runtime = store.as_context().inner().runtime.clone();
        HostFunc::new(&runtime, &ty, func)?.insert(&mut store)
    }

    /// A host function from a Rust closure whose arguments are [`WasmTy`](crate::WasmTy), behind a [`Caller`] or without, and
    /// which returns a [`HostResult`](crate::HostResult).
    ///
    /// # Panics
    /// If [`Func::try_wrap`] gives an error.
    pub fn wrap<T: 'static, P, R>(store: impl AsContextMut<Data = T>, func: impl IntoHostFunc<T, P, R>) -> Self {
        Self::try_wrap(store, func).unwrap_or_else(no_room_for_a_function)
    }

    /// As [`Func::wrap`], where the lack of room is an error.
    ///
    /// # Errors
    /// If a limit is reached or memory has run out.
    pub fn try_wrap<T: 'static, P, R>(
        mut store: impl AsContextMut<Data = T>,
        func: impl IntoHostFunc<T, P, R>,
    ) -> Result<Self> {
        let runtime = store.as_context().inner().runtime.clone();
        HostFunc::wrap(&runtime, func)?.insert(&mut store)
    }

    /// The type.
    ///
    /// # Panics
    /// If the function is of another store.
    pub fn ty(&self, store: impl AsContext) -> types::FuncType {
        let context = store.as_context();
        let inner = context.inner();
        inner.assert_owns(self.store, "function");
        types::FuncType::of_id(inner.runtime.signatures(), inner.signature_of(self.entry).2)
    }

    /// Calls with arguments of a type that is known only at run time.
    ///
    /// # Errors
    /// If numbers or types of arguments or results differ from the function's, or a reference is of another store; and
    /// whatever ends the call: a trap, or a host function's error.
    pub fn call(&self, mut store: impl AsContextMut, params: &[Val], results: &mut [Val]) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "function")?;
        let ty = inner.signature_of(self.entry).0.clone();
        if params.len() != ty.params.len() || results.len() != ty.results.len() {
            let found = format!("{} arguments and room for {} results", params.len(), results.len());
            return Err(Error::mismatch("call of a function", ty, found));
        }
        inner.told(|inner| {
            let mut bits = Vec::with_capacity(params.len());
            for (n, (value, ty_of_param)) in params.iter().zip(&ty.params).enumerate() {
                bits.push(inner.val_to_bits(value, *ty_of_param, || format!("argument {n} of a function {ty}"))?);
            }
            let mut given = vec![0; results.len()];
            // SAFETY: the function is of this store, and `val_to_bits` has made the arguments as its types (invariant 17).
            unsafe { self.call_with_bits(inner, &bits, &mut given)? };
            for ((result, bits), ty) in results.iter_mut().zip(given).zip(&ty.results) {
                // SAFETY: the function has returned values of its type (invariant 17).
                *result = unsafe { inner.val_from_bits(bits, *ty) };
            }
            Ok(())
        })
    }

    /// A host function of a type that is known only at run time, over values without their types: the arguments, in whose
    /// place it leaves the results. There is room for as many as there are of either.
    ///
    /// # Safety
    /// `func` must leave a result of its type in each place.
    ///
    /// # Panics
    /// If [`Func::try_new`] would give an error.
    pub unsafe fn new_unchecked<T: 'static, E: 'static>(
        mut store: impl AsContextMut<Data = T, Engine = E>,
        ty: types::FuncType,
        func: impl Fn(Caller<'_, T, E>, &mut [MaybeUninit<ValRaw>]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let runtime = store.as_context().inner().runtime.clone();
        // SAFETY: as the caller promises of the closure's results (invariant 17).
        let made = unsafe { HostFunc::new_unchecked(&runtime, &ty, func) };
        made.and_then(|func| func.insert(&mut store)).unwrap_or_else(no_room_for_a_function)
    }

    /// Calls with values without their types: the arguments, in whose place the results are put.
    ///
    /// # Safety
    /// `params_and_returns` must have room for as many values as the function takes and as it gives, whichever is more, and
    /// begin with arguments of its types, made by this store, since when no garbage was collected if they are references to
    /// objects; and a closure of [`Store::call_hook`](crate::Store::call_hook) must not collect any if there are such references
    /// among arguments or results.
    ///
    /// # Errors
    /// If the function is of another store; and whatever ends the call: a trap, or a host function's error.
    pub unsafe fn call_unchecked(&self, mut store: impl AsContextMut, params_and_returns: *mut [ValRaw]) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "function")?;
        // SAFETY: it leads to values that nothing else uses meanwhile, as the caller promises (invariant 17).
        let values = unsafe { &mut *params_and_returns };
        let ty = inner.signature_of(self.entry).0.clone();
        let params: Vec<u128> = values.iter().zip(&ty.params).map(|(value, ty)| value.bits_as(*ty)).collect();
        let mut results = vec![0; ty.results.len()];
        // SAFETY: the bits are of the function's types, as the caller promises (invariant 17), and of objects that do not move.
        inner.told(|inner| unsafe { self.call_with_bits(inner, &params, &mut results) })?;
        for (value, bits) in values.iter_mut().zip(results) {
            *value = ValRaw::of_bits(bits);
        }
        Ok(())
    }

    /// Refuses references that are not of the types that the function takes.
    ///
    /// # Safety
    /// Arguments of the families of its parameters' types must be where its layout has them.
    #[cold]
    unsafe fn look_at_args(&self, inner: &mut StoreInner, regs: &RegFile, stack: *const u64) -> Result<()> {
        let (ty, layout, _) = inner.signature_of(self.entry);
        for (n, (ty_of_param, slot)) in ty.params.iter().zip(&layout.params).enumerate() {
            let ValType::Ref(taken) = ty_of_param else { continue };
            // SAFETY: the arguments are where the layout has them, as the caller promises (invariant 17).
            let bits = unsafe { read_place(regs, stack, *slot, *ty_of_param) };
            let fits = match (bits, taken.repr()) {
                (0, _) => taken.nullable,
                (bits, RefRepr::Func) => {
                    // SAFETY: the argument is a reference of this store, as the caller promises (invariant 17).
                    let func = unsafe { inner.func_from_bits(bits as u64) }.expect("not null");
                    let HeapType::ConcreteFunc(of) = taken.heap else { continue };
                    inner.runtime.signatures().is_subtype(inner.signature_of(func.entry).2, of.0)
                }
                (bits, RefRepr::Index) => taken.is_exception() || inner.is_of_type(bits as u32, taken.heap),
            };
            if !fits {
                let found = "a reference to something else, or null";
                return Err(Error::mismatch(format!("argument {n} of a function {ty}"), taken, found));
            }
        }
        Ok(())
    }

    /// Calls with bits.
    ///
    /// # Safety
    /// The function must be of this store, and `params` as many bits of its types as it has parameters; `results` has as many
    /// places as it has results.
    unsafe fn call_with_bits(&self, inner: &mut StoreInner, params: &[u128], results: &mut [u128]) -> Result<()> {
        let (ty, layout, _) = inner.signature_of(self.entry);
        let (ty, layout) = (ty.clone(), layout.clone());
        let mut regs = RegFile::ZERO;
        let mut stack_args = vec![0u64; layout.stack_args_bytes as usize / 8];
        let mut area = vec![0u64; layout.ret_area_bytes as usize / 8];
        set_area(&mut regs, &layout, area.as_mut_ptr());
        for (bits, slot) in params.iter().zip(&layout.params) {
            write_slot(&mut regs, &mut stack_args, *slot, *bits);
        }
        let point = inner.entry_point(self.entry);
        let mut frame = EntryFrame {
            regs,
            anchor: point.anchor,
            code: point.code,
            stack_args: stack_args.as_ptr(),
            stack_args_bytes: stack_args.len() * 8,
            stack_top: 0,
            flags: flags_of(&layout),
        };
        // SAFETY: anchor and code are the function's own, which is of this store, and which the store keeps (invariant 14). The
        // arguments are of its type, as the caller promises, and its layout has placed them; `stack_args` and `area`, as long as
        // the layout says, live until the call is back (invariant 17).
        unsafe { call::invoke(inner, &mut frame)? };
        for ((result, slot), ty) in results.iter_mut().zip(&layout.results).zip(&ty.results) {
            *result = read_slot(&frame.regs, &area, *slot, ty.slot_bytes());
        }
        Ok(())
    }

    /// Whether the function can stand where this type is asked for.
    ///
    /// # Panics
    /// If the function is of another store.
    pub fn matches_ty(&self, store: impl AsContext, ty: &types::FuncType) -> bool {
        self.ty(store).matches(ty)
    }

    /// The function with its type known to Rust.
    ///
    /// # Errors
    /// If the function does not take the parameters, or gives other results.
    pub fn typed<P: WasmParams, R: WasmResults>(&self, store: impl AsContext) -> Result<TypedFunc<P, R>> {
        self.typed_as("typed function", store)
    }

    /// As [`Self::typed`]; an error says that `what` has another type.
    pub(crate) fn typed_as<P: WasmParams, R: WasmResults>(
        &self,
        what: &str,
        store: impl AsContext,
    ) -> Result<TypedFunc<P, R>> {
        let context = store.as_context();
        let inner = context.inner();
        inner.check(self.store, "function")?;
        let (ty, layout, _) = inner.signature_of(self.entry);
        // What Rust passes may be more special than what the function takes, and what it gives than what Rust takes.
        let signatures = inner.runtime.signatures();
        let fits = |given: &ValType, taken: &ValType| signatures.value_matches(*given, *taken);
        // Rust has no types for those that are defined: whether an argument is of one is looked at with each call.
        let may_fit = |given: &ValType, taken: &ValType| match (given, taken) {
            (ValType::Ref(given), ValType::Ref(taken)) => is_defined(taken.heap) && are_of_one_family(*given, *taken),
            _ => false,
        };
        let pairs = || P::TYPES.iter().zip(&ty.params);
        let params = P::TYPES.len() == ty.params.len() && pairs().all(|(p, ty)| fits(p, ty) || may_fit(p, ty));
        let results = ty.results.len() == R::TYPES.len() && ty.results.iter().zip(R::TYPES).all(|(ty, r)| fits(ty, r));
        if !params || !results {
            return Err(Error::mismatch(what, FuncType::new(P::TYPES, R::TYPES), ty));
        }
        let looks_at_args = !pairs().all(|(given, taken)| fits(given, taken));
        let (point, flags) = (inner.entry_point(self.entry), flags_of(layout));
        Ok(TypedFunc { func: *self, point, flags, looks_at_args, types: PhantomData })
    }
}

/// Whether a heap type is one that a module or the host has defined.
const fn is_defined(heap: HeapType) -> bool {
    matches!(heap, HeapType::ConcreteFunc(_) | HeapType::ConcreteArray(_) | HeapType::ConcreteStruct(_))
}

/// Whether there are references that can be of both types.
fn are_of_one_family(one: RefType, other: RefType) -> bool {
    let family = |ty: RefType| (ty.repr() == RefRepr::Func, ty.is_exception(), is_external(ty.heap));
    family(one) == family(other)
}

#[cold]
fn no_room_for_a_function(error: Error) -> Func {
    panic!("cannot add a host function to the store: {error}; `try_wrap` and `try_new` return the error")
}

/// Puts the address of the area for further results where the callee looks for it.
pub fn set_area(regs: &mut RegFile, layout: &CallLayout, area: *mut u64) {
    if layout.ret_area_bytes > 0 {
        regs.ints[AREA_INT] = area as u64;
    }
}

/// Where `RegFile::ints` holds the address of the area for further results: the first argument on x86_64, `x8` on aarch64.
pub const AREA_INT: usize = if cfg!(target_arch = "x86_64") { 0 } else { 6 };

fn write_slot(regs: &mut RegFile, stack: &mut [u64], slot: Slot, bits: u128) {
    match slot {
        Slot::Int(n) => regs.ints[usize::from(n)] = bits as u64,
        Slot::Float(n) => regs.floats[usize::from(n)] = bits.to_le_bytes(),
        Slot::Stack(offset) => {
            let at = offset as usize / 8;
            stack[at] = bits as u64;
            if let Some(high) = stack.get_mut(at + 1).filter(|_| bits >> 64 != 0) {
                *high = (bits >> 64) as u64;
            }
        }
    }
}

fn read_slot(regs: &RegFile, stack: &[u64], slot: Slot, bytes: u32) -> u128 {
    match slot {
        Slot::Int(n) => u128::from(regs.ints[usize::from(n)]),
        Slot::Float(n) => u128::from_le_bytes(regs.floats[usize::from(n)]),
        Slot::Stack(offset) => {
            let at = offset as usize / 8;
            let high = if bytes == 16 { stack[at + 1] } else { 0 };
            u128::from(stack[at]) | u128::from(high) << 64
        }
    }
}

/// A function whose type is known to Rust: calling it checks nothing but the store.
pub struct TypedFunc<P, R> {
    func: Func,
    point: EntryPoint,
    flags: u32,
    /// Whether arguments may be of other types than the function's, which Rust has no types for.
    looks_at_args: bool,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P, R> std::fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TypedFunc").field(&self.func).finish()
    }
}

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    /// The function without its type.
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Calls the function.
    ///
    /// # Errors
    /// A trap, a host function's error, or an argument of another store.
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.func.store, "function")?;
        inner.told(|inner| self.call_untold(inner, params))
    }

    #[inline(always)]
    fn call_untold(&self, inner: &mut StoreInner, params: P) -> Result<R> {
        let mut stack_args = MaybeUninit::<StackWords>::uninit();
        let mut area = MaybeUninit::<StackWords>::uninit();
        let mut frame = EntryFrame {
            regs: RegFile::ZERO,
            anchor: self.point.anchor,
            code: self.point.code,
            stack_args: stack_args.as_ptr().cast(),
            stack_args_bytes: P::STACK_BYTES[usize::from(R::NEEDS_AREA)],
            stack_top: 0,
            flags: self.flags,
        };
        // SAFETY: `StackWords` has room for the arguments of any tuple, as `store` asks (invariant 17).
        unsafe { params.store(inner, R::NEEDS_AREA, &mut frame.regs, stack_args.as_mut_ptr().cast())? };
        if self.looks_at_args {
            // SAFETY: `store` has put the arguments where the layout of their types has them, which is the function's: references of
            // one family are represented alike (invariant 17).
            unsafe { self.func.look_at_args(inner, &frame.regs, stack_args.as_ptr().cast())? };
        }
        if R::NEEDS_AREA {
            frame.regs.ints[AREA_INT] = area.as_mut_ptr() as u64;
        }
        // SAFETY: `typed_as` has taken anchor and code from this store, which keeps the function (invariant 14), and has compared
        // the types, subtypes of which are represented alike and from which the places of arguments follow; `stack_args` and `area` live until the call is back (invariant 17).
        unsafe { call::invoke(inner, &mut frame)? };
        // SAFETY: the function has returned values of its type, which `typed_as` has compared with `R`; the area holds those that
        // have no register (invariant 17).
        Ok(unsafe { R::load(inner, &frame.regs, area.as_ptr().cast()) })
    }
}
