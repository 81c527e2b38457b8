//! The store: owner of all that instances consist of, and of the embedder's data.
//!
//! A [`Store<T>`] is one heap block, [`StoreBox`]: the part that machine code and libcalls reach ([`StoreInner`],
//! which does not know `T`), then the data. Host functions get both back from the anchor of their caller.

use crate::base::alloc;
use crate::base::budget::{Budget, Charge};
use crate::base::error::{Error, Result};
use crate::base::limits::ResourceLimiter;
use crate::code::link::LinkedCode;
use crate::code::stack::WasmStack;
use crate::embed::func::{Functions, REFERENCE_BYTES, no_references};
use crate::embed::rooted::{ExnRef, OwnedRooted};
use crate::fixed;
use crate::heap::Heap;
use crate::heap::hosts::HostValues;
use crate::heap::roots::HostRoots;
use crate::memory::shared::StoreMemory;
use crate::memory::table::TableData;
use crate::module::handle::{AsEngine, EngineHandle};
use crate::module::linked::{LinkedModule, Runtime};
use crate::module::signature::TypeIds;
use crate::store::activation::Activation;
use crate::store::collected::Collected;
use crate::store::exception::{Exceptions, TagData};
use crate::store::exit::Unwind;
use crate::store::frames::KnownFrames;
use crate::store::frames::KnownMaps;
use crate::store::global::HostGlobal;
use crate::store::hooks::{Hooks, HooksOf};
use crate::store::instance::InstanceData;
use crate::sys::signal::NO_SAMPLES_KEY;
use crate::threads::sampling::Samples;
use crate::threads::words::VmStore;
use epsilon_abi::TrapCode as Trap;
use epsilon_abi::vm::{VM_MAGIC, VmContext, VmStoreHead};
use epsilon_abi::{RefType, TypeIndex, ValType};
use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The part of a store that does not know the embedder's data.
pub struct StoreInner {
    pub(crate) vm: Arc<VmStore>,
    pub(crate) id: StoreId,
    pub(crate) runtime: Arc<Runtime>,
    /// The engine as the store was made with it.
    engine: Box<dyn Any + Send + Sync>,
    /// What the store may hold, and how much that is. Its limit is the limiter's, as last asked.
    pub(crate) budget: Budget,
    /// The part of it for what the store keeps until it is dropped: all but memories, tables and exceptions.
    items: Charge,
    /// How much of `items` is in use.
    items_bytes: usize,
    /// Boxed: machine code and thunks hold their addresses.
    #[allow(clippy::vec_box)]
    pub(crate) instances: Vec<Box<InstanceData>>,
    /// For each module that was instantiated: where its code begins, and its first instance. By ascending address.
    modules: Vec<(usize, u32)>,
    pub(crate) memories: Vec<StoreMemory>,
    pub(crate) tables: Vec<TableData>,
    pub(crate) host_globals: Vec<HostGlobal>,
    pub(crate) tags: Vec<TagData>,
    pub(crate) exceptions: Exceptions,
    pub(crate) known_frames: KnownFrames,
    pub(crate) functions: Functions,
    /// Objects that guests allocate, once there may be any.
    pub(crate) heap: Option<Box<Heap>>,
    /// Values of the host that guests may hold.
    pub(crate) hosts: HostValues,
    /// References that the host holds.
    pub(crate) roots: HostRoots,
    pub(crate) collected: Collected,
    /// Modules whose instances are gone and whose types objects may have, where the budget has no room for the types alone.
    kept_modules: Vec<Arc<LinkedModule>>,
    /// Types of objects that the host has made, and of instances that are gone, by their numbers.
    kept_types: BTreeMap<u32, TypeIds>,
    /// What ended an activation, until `call` picks it up.
    pub(crate) unwind: Option<Unwind>,
    /// Whether an interruption has ended an activation, and is to be forgotten when the outermost one has ended.
    pub(crate) interrupted: bool,
    /// The thread that runs wasm of the store, by [`crate::sys::thread::marker`], while any activation runs.
    pub(crate) running_on: usize,
    /// The wasm stack, while any activation runs.
    pub(crate) stack: Option<WasmStack>,
    /// The innermost activation's record.
    pub(crate) activation: *const Activation,
    /// The anchor for host functions that are called from the host.
    host_anchor: Box<VmContext>,
    limiter_of: LimiterOf,
    pub(super) hooks_of: HooksOf,
    /// Whether the embedder wants to know of calls.
    pub(crate) has_call_hook: bool,
    /// The exception that was thrown last and not caught, or that the host throws.
    pub(crate) pending_exception: Option<OwnedRooted<ExnRef>>,
    /// The whole block that this is in, as the reference reaches it through which this was last entered. A pointer made
    /// from `&mut StoreInner` alone must not be used for what lies beside it.
    pub(super) block: *mut StoreInner,
    /// How many exports of instances the host was given.
    pub(crate) handed_out: u64,
}

/// What a type is charged with that a store keeps for objects of the host.
const KEPT_TYPE_BYTES: usize = 160;

/// How much a store held.
pub struct Mark {
    pub instances: usize,
    pub memories: usize,
    pub tables: usize,
    pub host_globals: usize,
    pub tags: usize,
    pub functions: usize,
    /// The number that the next function got.
    pub first_entry: u32,
    references: usize,
    host_values: u64,
    items_bytes: usize,
    handed_out: u64,
}

impl Mark {
    /// Whether nothing was added in between, nor given to the host, but for function references.
    pub fn holds_the_same_as(&self, other: &Self) -> bool {
        let counts = |mark: &Self| {
            let items = [mark.instances, mark.memories, mark.tables, mark.host_globals, mark.tags, mark.functions];
            (items, mark.host_values, mark.handed_out)
        };
        counts(self) == counts(other)
    }
}

type LimiterOf = unsafe fn(*mut StoreInner) -> Option<*mut dyn ResourceLimiter>;

// SAFETY: while wasm of it runs, the store is borrowed and cannot move (invariant 12). Its pointers lead to what it owns or holds
// (invariant 14), but for the activation, which is null while nothing runs (invariant 15). References of the host, host
// functions and limiters in it are `Send`.
unsafe impl Send for StoreInner {}
// SAFETY: `&StoreInner` only reads: machine code, which writes, runs under an exclusive borrow alone (invariant 12). References of
// the host and host functions, which it lends, are `Sync`.
unsafe impl Sync for StoreInner {}

/// Tells stores apart, so that items of another one are refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StoreId(NonZeroU64);

impl StoreId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).expect("fewer than 2^64 stores"))
    }
}

type LimiterFn<T> = Box<dyn (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + Sync>;

/// A store's heap block. `inner` comes first, so that its address is the block's.
#[repr(C)]
pub(crate) struct StoreBox<T> {
    pub(crate) inner: StoreInner,
    pub(crate) data: T,
    limiter: Option<LimiterFn<T>>,
    pub(super) hooks: Hooks<T>,
}

/// Owner of instances and all that belongs to them, and of the embedder's data `T`.
///
/// Everything in a store lives until the store is dropped. Stores move between threads; they are not shared. `E` is what the
/// embedding API has for an engine.
pub struct Store<T: 'static, E: 'static = EngineHandle>(Box<StoreBox<T>>, PhantomData<fn() -> E>);

impl<T: 'static, E: AsEngine + Clone + Send + Sync + 'static> Store<T, E> {
    /// An empty store of an engine.
    pub fn new(engine: &E, data: T) -> Self {
        let mut inner = StoreInner::new(
            engine.as_engine().runtime(),
            Box::new(engine.clone()),
            limiter_of::<T>,
            HooksOf::of::<T>(),
        );
        if inner.runtime.settings().epochs {
            inner.set_epoch_deadline(0);
        }
        Self(Box::new(StoreBox { inner, data, limiter: None, hooks: Hooks::default() }), PhantomData)
    }

    /// As [`Store::new`], which does not fail.
    ///
    /// # Errors
    /// Never: a new store holds nothing that could be refused.
    pub fn try_new(engine: &E, data: T) -> Result<Self> {
        Ok(Self::new(engine, data))
    }
}

impl<T: Default + 'static, E: AsEngine + Default + Clone + Send + Sync + 'static> Default for Store<T, E> {
    /// An empty store of an engine of its own, with the default settings and data.
    fn default() -> Self {
        Self::new(&E::default(), T::default())
    }
}

impl<T: 'static, E: 'static> Store<T, E> {
    /// The engine.
    pub fn engine(&self) -> &E {
        self.0.inner.engine()
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        &self.0.data
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.data
    }

    /// Drops everything but the data, which is returned.
    pub fn into_data(self) -> T {
        self.0.data
    }

    /// Sets the limiter, which allows or refuses growth. Without one, memories and tables grow to their types' maxima.
    pub fn limiter(&mut self, limiter: impl (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + Sync + 'static) {
        self.0.limiter = Some(Box::new(limiter));
    }

    /// Frees all objects, exceptions and values of the host that nothing refers to. This happens by itself as well; what guests
    /// do does not depend on it. `why` may be the error of an allocation that failed; it changes nothing.
    ///
    /// # Errors
    /// If there is no room to look for them: then all stays as it is.
    pub fn gc(&mut self, _why: Option<&dyn std::error::Error>) -> Result<()> {
        self.inner().collect_garbage()
    }

    pub(super) fn whole(&mut self) -> &mut StoreBox<T> {
        &mut self.0
    }

    pub(crate) fn inner(&mut self) -> &mut StoreInner {
        let block: *mut StoreBox<T> = &mut *self.0;
        // SAFETY: `inner` comes first in the block, so that this leads to the whole of it; it is borrowed exclusively as long as the
        // result is (invariant 12).
        unsafe { StoreInner::of_block(block.cast()) }
    }

    /// A handle with which any thread can end what runs in this store.
    pub fn interrupt_handle(&self) -> crate::threads::interrupt::InterruptHandle {
        crate::threads::interrupt::InterruptHandle::new(&self.0.inner.vm)
    }
}

impl<T: std::fmt::Debug, E> std::fmt::Debug for Store<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("data", &self.0.data)
            .field("instances", &self.0.inner.instances.len())
            .finish_non_exhaustive()
    }
}

/// The limiter of a store, asked for with the embedder's data.
///
/// # Safety
/// `block` must lead to a whole `StoreBox<T>`, of which nothing but the `inner` is borrowed elsewhere.
unsafe fn limiter_of<T: 'static>(block: *mut StoreInner) -> Option<*mut dyn ResourceLimiter> {
    let block = block.cast::<StoreBox<T>>();
    // SAFETY: the block is whole, as the caller promises. The references lead to what lies beside `inner`, and which the caller
    // has borrowed with it (invariant 12).
    let (limiter, data) = unsafe { (&mut (*block).limiter, &mut (*block).data) };
    Some(std::ptr::from_mut(limiter.as_mut()?(data)))
}

/// The store that runs wasm under an anchor; null if none has been entered.
///
/// # Safety
/// The anchor must be that of a live instance (invariant 13).
pub unsafe fn store_of(anchor: usize) -> *mut StoreInner {
    // SAFETY: as the caller promises; the words have had no other owner than a store's block (invariant 12).
    unsafe { (*fixed::store_of_anchor(anchor)).owner.get().cast() }
}

impl StoreInner {
    fn new(
        runtime: &Arc<Runtime>,
        engine: Box<dyn Any + Send + Sync>,
        limiter_of: LimiterOf,
        hooks_of: HooksOf,
    ) -> Self {
        let vm = Arc::new(VmStore::new(
            VmStoreHead { known_references: no_references() },
            runtime.samples().map_or(std::ptr::null(), Arc::as_ptr),
        ));
        let budget = Budget::of_store(runtime.budget());
        Self {
            id: StoreId::next(),
            items: budget.empty_charge("instances, functions, globals and references of a store"),
            items_bytes: 0,
            runtime: runtime.clone(),
            engine,
            instances: Vec::new(),
            modules: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            host_globals: Vec::new(),
            tags: Vec::new(),
            exceptions: Exceptions::new(&budget),
            known_frames: KnownFrames::default(),
            functions: Functions::default(),
            heap: None,
            hosts: HostValues::new(&budget),
            roots: HostRoots::new(&budget),
            collected: Collected::default(),
            kept_modules: Vec::new(),
            kept_types: BTreeMap::new(),
            budget,
            unwind: None,
            interrupted: false,
            running_on: 0,
            stack: None,
            activation: std::ptr::null(),
            host_anchor: Box::new(VmContext {
                store: Arc::as_ptr(&vm).cast_mut().cast(),
                libcalls: std::ptr::null(),
                instance: std::ptr::null_mut(),
                materialise: 0,
                heap: std::ptr::null_mut(),
                magic: VM_MAGIC,
            }),
            limiter_of,
            hooks_of,
            has_call_hook: false,
            pending_exception: None,
            block: std::ptr::null_mut(),
            handed_out: 0,
            vm,
        }
    }

    /// The store of a host function or libcall, from its block.
    ///
    /// # Safety
    /// `block` must lead to the whole block of a store, which is used through the reference alone as long as that lives.
    #[inline]
    pub(crate) unsafe fn of_block<'a>(block: *mut Self) -> &'a mut Self {
        // SAFETY: as the caller promises (invariant 12).
        let this = unsafe { &mut *block };
        this.block = block;
        this
    }

    /// Notes the store's block, from which host functions and libcalls get it back.
    #[inline]
    pub(crate) fn settle(&mut self) {
        self.vm.owner.set(self.block.cast());
    }

    /// The engine as the embedding API has it.
    pub(crate) fn engine<E: 'static>(&self) -> &E {
        self.engine.downcast_ref().expect("the engine that the store was made with is of this type")
    }

    /// The anchor for host functions that are called from the host.
    pub(crate) fn host_anchor(&self) -> usize {
        VmContext::anchor(&raw const *self.host_anchor)
    }

    /// The limiter, if the embedder set one.
    pub(crate) fn limiter(&mut self) -> Option<&mut (dyn ResourceLimiter + 'static)> {
        // SAFETY: `of_block` noted `block` when this borrow of the store began; it leads to the `StoreBox<T>` whose `T` made
        // `limiter_of`. The borrow is exclusive, and the limiter is borrowed no longer (invariant 12).
        unsafe { (self.limiter_of)(self.block).map(|limiter| &mut *limiter) }
    }

    /// Asks the limiter, if there is one. The budget then has the limit that it gives.
    pub(crate) fn allows(&mut self, ask: impl FnOnce(&mut dyn ResourceLimiter) -> Result<bool>) -> Result<bool> {
        let Some(limiter) = self.limiter() else { return Ok(true) };
        let limit_bytes = limiter.total_memory();
        let allowed = ask(limiter)?;
        self.budget.set_limit(limit_bytes);
        Ok(allowed)
    }

    /// Charges the budget for an item that the store keeps until it is dropped.
    ///
    /// # Errors
    /// If the limit of the store or its engine is reached.
    #[inline]
    pub(crate) fn charge_item(&mut self, bytes: usize) -> Result<()> {
        let wanted = self.items_bytes.saturating_add(bytes);
        if wanted > self.items.bytes() {
            self.allows(|_| Ok(true))?;
            self.items.cover(wanted)?;
        }
        self.items_bytes = wanted;
        Ok(())
    }

    /// Refuses items of another store.
    #[inline]
    pub(crate) fn check(&self, id: StoreId, item: &'static str) -> Result<()> {
        if id == self.id { Ok(()) } else { Err(Error::wrong_store(item)) }
    }

    /// As [`Self::check`], where the signature leaves no room for an error.
    ///
    /// # Panics
    /// If the item is of another store.
    #[inline]
    pub(crate) fn assert_owns(&self, id: StoreId, item: &'static str) {
        assert!(id == self.id, "{}", Error::wrong_store(item));
    }

    /// Adds an instance, whose number is that of its place.
    pub(crate) fn add_instance(&mut self, instance: Box<InstanceData>) -> Result<()> {
        alloc::reserve(&mut self.modules, 1, "a list of modules")?;
        alloc::reserve(&mut self.instances, 1, "a list of instances")?;
        let start = instance.module.code().text().start;
        if let Err(at) = self.modules.binary_search_by_key(&start, |(start, _)| *start) {
            self.modules.insert(at, (start, self.instances.len() as u32));
        }
        self.instances.push(instance);
        Ok(())
    }

    /// How much the store holds, so that what is added can be given back.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            instances: self.instances.len(),
            memories: self.memories.len(),
            tables: self.tables.len(),
            host_globals: self.host_globals.len(),
            tags: self.tags.len(),
            functions: self.functions.blocks(),
            first_entry: self.next_entry(),
            references: self.functions.references(),
            host_values: self.hosts.made,
            items_bytes: self.items_bytes,
            handed_out: self.handed_out,
        }
    }

    /// Drops all that was added since a mark. Nothing may refer to it any more.
    pub(crate) fn drop_since(&mut self, mark: &Mark) {
        self.modules.retain(|(_, instance)| (*instance as usize) < mark.instances);
        let dropped: Vec<_> = self.instances.drain(mark.instances..).collect();
        self.memories.truncate(mark.memories);
        self.tables.truncate(mark.tables);
        self.tags.truncate(mark.tags);
        self.functions.drop_since(mark.functions, mark.first_entry);
        // It may know frames of code that is gone.
        self.known_frames = KnownFrames::default();
        self.collected.known_maps = KnownMaps::default();
        let older = self.functions.references() - mark.references;
        self.items_bytes = mark.items_bytes + older * REFERENCE_BYTES;
        for instance in dropped {
            // Objects may have its types; and what is unused of them is looked at until it is collected.
            if self.heap.is_some() && !self.keep_object_types(&instance.module) {
                let is_kept = self.kept_modules.iter().any(|kept| Arc::ptr_eq(kept, &instance.module));
                if !is_kept {
                    self.kept_modules.push(instance.module.clone());
                }
            }
        }
        self.items.shrink(self.items_bytes);
    }

    /// Keeps the structure and array types of a module for as long as the store lives. False if there is no room.
    fn keep_object_types(&mut self, module: &LinkedModule) -> bool {
        module.object_types().all(|ty| {
            if self.kept_types.contains_key(&ty.0) {
                return true;
            }
            let wanted = self.items_bytes + KEPT_TYPE_BYTES;
            if self.items.cover(wanted).is_err() {
                return false;
            }
            self.items_bytes = wanted;
            let (kept, _) = self.runtime.signatures().keep(ty.0).expect("a type that the module has");
            self.kept_types.insert(ty.0, kept);
            true
        })
    }

    /// Keeps a type as long as the store lives: there may be objects of it.
    pub(crate) fn keep_type(&mut self, ty: TypeIndex) -> Result<()> {
        if !self.kept_types.contains_key(&ty.0) {
            self.charge_item(KEPT_TYPE_BYTES)?;
            let (kept, _) = self.runtime.signatures().keep(ty.0).expect("a type that somebody has");
            self.kept_types.insert(ty.0, kept);
        }
        Ok(())
    }

    /// Keeps the type that a value's type names, if it names one, as long as the store lives.
    pub(crate) fn keep_type_of(&mut self, ty: ValType) -> Result<()> {
        use epsilon_abi::HeapType::{ConcreteArray, ConcreteFunc, ConcreteStruct};
        match ty {
            ValType::Ref(RefType { heap: ConcreteFunc(ty) | ConcreteArray(ty) | ConcreteStruct(ty), .. }) => {
                self.keep_type(ty)
            }
            _ => Ok(()),
        }
    }

    /// What a thread has to be prepared for before it runs wasm of the store.
    #[inline]
    pub(crate) fn prepared_key(&self) -> usize {
        // SAFETY: the notes are null or belong to the runtime, which the store holds (invariant 14).
        unsafe { self.vm.samples.as_ref() }.map_or(NO_SAMPLES_KEY, Samples::key)
    }

    /// The code that `pc` lies in, and the first instance of its module.
    pub(crate) fn code_at(&self, pc: usize) -> Option<(&InstanceData, &LinkedCode)> {
        let at = self.modules.partition_point(|(start, _)| *start <= pc).checked_sub(1)?;
        let instance = &*self.instances[self.modules[at].1 as usize];
        let code = instance.module.code();
        code.text().contains(&pc).then_some((instance, code))
    }

    /// The trap that the instruction at `pc` raises.
    pub(crate) fn trap_at(&self, pc: usize) -> Option<Trap> {
        self.code_at(pc)?.1.placed().trap_at(pc)
    }

    /// Whether an address lies in the reservation of one of the store's memories.
    pub(crate) fn is_guest_memory(&self, address: usize) -> bool {
        self.memories.iter().any(|memory| memory.reserves(address))
    }

    /// Whether an address lies where null of the store's heap leads.
    pub(crate) fn is_heap(&self, address: usize) -> bool {
        self.heap.as_ref().is_some_and(|heap| heap.is_null_page(address))
    }

    /// Whether wasm of this store runs on another thread, which waits in a host function that has lent the store.
    pub(crate) fn runs_elsewhere(&self) -> bool {
        self.is_running() && self.running_on != crate::sys::thread::marker()
    }

    /// Whether wasm of this store is on any stack now.
    pub(crate) fn is_running(&self) -> bool {
        !self.activation.is_null()
    }
}

/// What gives shared access to a store.
pub trait AsContext {
    /// The embedder's data.
    type Data: 'static;
    /// What the embedding API has for an engine.
    type Engine: 'static;
    /// The store.
    fn as_context(&self) -> StoreContext<'_, Self::Data, Self::Engine>;
}

/// What gives exclusive access to a store.
pub trait AsContextMut: AsContext {
    /// The store.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data, Self::Engine>;
}

/// Shared access to a store.
pub struct StoreContext<'a, T: 'static, E: 'static = EngineHandle>(pub(crate) &'a StoreBox<T>, PhantomData<fn() -> E>);

/// Exclusive access to a store.
pub struct StoreContextMut<'a, T: 'static, E: 'static = EngineHandle>(&'a mut StoreBox<T>, PhantomData<fn() -> E>);

impl<T, E> Clone for StoreContext<'_, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for StoreContext<'_, T, E> {}

impl<'a, T, E> StoreContext<'a, T, E> {
    pub(crate) fn new(store: &'a StoreBox<T>) -> Self {
        Self(store, PhantomData)
    }

    /// The embedder's data.
    pub fn data(&self) -> &'a T {
        &self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &'a E {
        self.0.inner.engine()
    }

    pub(crate) fn inner(&self) -> &'a StoreInner {
        &self.0.inner
    }
}

impl<'a, T, E> StoreContextMut<'a, T, E> {
    pub(crate) fn new(store: &'a mut StoreBox<T>) -> Self {
        Self(store, PhantomData)
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        &self.0.data
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &E {
        self.0.inner.engine()
    }

    /// As [`Store::gc`].
    ///
    /// # Errors
    /// If there is no room to look for them.
    pub fn gc(&mut self, _why: Option<&dyn std::error::Error>) -> Result<()> {
        self.inner().collect_garbage()
    }

    pub(crate) fn into_box(self) -> &'a mut StoreBox<T> {
        self.0
    }

    pub(crate) fn into_inner(self) -> &'a mut StoreInner {
        &mut self.0.inner
    }

    #[inline]
    pub(crate) fn inner(&mut self) -> &mut StoreInner {
        let block: *mut StoreBox<T> = self.0;
        // SAFETY: `inner` comes first in the block, so that this leads to the whole of it; it is borrowed exclusively as long as the
        // result is (invariant 12).
        unsafe { StoreInner::of_block(block.cast()) }
    }
}

macro_rules! contexts {
    ($($context:ty, $is_mut:tt;)*) => {$(
        impl<T: 'static, E: 'static> AsContext for $context {
            type Data = T;
            type Engine = E;
            #[inline]
            fn as_context(&self) -> StoreContext<'_, T, E> {
                StoreContext::new(&self.0)
            }
        }
        contexts!($is_mut $context);
    )*};
    (shared $context:ty) => {};
    (exclusive $context:ty) => {
        impl<T: 'static, E: 'static> AsContextMut for $context {
            #[inline]
            fn as_context_mut(&mut self) -> StoreContextMut<'_, T, E> {
                StoreContextMut::new(&mut self.0)
            }
        }
    };
}

contexts! {
    Store<T, E>, exclusive;
    StoreContext<'_, T, E>, shared;
    StoreContextMut<'_, T, E>, exclusive;
}

macro_rules! through_pointers {
    ($($pointer:ty, $is_mut:tt;)*) => {$(
        impl<C: AsContext + ?Sized> AsContext for $pointer {
            type Data = C::Data;
            type Engine = C::Engine;
            #[inline]
            fn as_context(&self) -> StoreContext<'_, C::Data, C::Engine> {
                C::as_context(self)
            }
        }
        through_pointers!($is_mut $pointer);
    )*};
    (shared $pointer:ty) => {};
    (exclusive $pointer:ty) => {
        impl<C: AsContextMut + ?Sized> AsContextMut for $pointer {
            #[inline]
            fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data, C::Engine> {
                C::as_context_mut(self)
            }
        }
    };
}

through_pointers! {
    &C, shared;
    &mut C, exclusive;
    Box<C>, exclusive;
}

impl<'a, T: 'static, E: 'static, C: AsContext<Data = T, Engine = E>> From<&'a C> for StoreContext<'a, T, E> {
    fn from(context: &'a C) -> Self {
        context.as_context()
    }
}

impl<'a, T: 'static, E: 'static, C: AsContext<Data = T, Engine = E>> From<&'a mut C> for StoreContext<'a, T, E> {
    fn from(context: &'a mut C) -> Self {
        C::as_context(context)
    }
}

impl<'a, T: 'static, E: 'static, C: AsContextMut<Data = T, Engine = E>> From<&'a mut C> for StoreContextMut<'a, T, E> {
    fn from(context: &'a mut C) -> Self {
        context.as_context_mut()
    }
}
