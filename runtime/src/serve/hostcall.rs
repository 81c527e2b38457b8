//! Host functions: Rust closures that guests call. They run on the thread's own stack, behind a thunk; a panic or an
//! error is caught here and ends the activation.

use crate::base::error::{Error, Result};
use crate::call::typed::{Places, WasmResults, WasmTy, read_place, write_place};
use crate::code::thunk::Thunk;
use crate::embed::export::ModuleExport;
use crate::embed::func::{AREA_INT, Func, flags_of};
use crate::embed::instance::Extern;
use crate::embed::raw::ValRaw;
use crate::embed::value::Val;
use crate::fixed::{self, HostTarget, RegFile, ThunkData, status};
use crate::heap::roots::RootId;
use crate::instantiate::imports::check_host_func;
use crate::memory::linear::Memory;
use crate::module::handle::EngineHandle;
use crate::module::linked::Runtime;
use crate::module::signature::TypeIds;
use crate::store::exception::{ThrownException, number_of_root};
use crate::store::exit::Unwind;
use crate::store::inner::{AsContext, AsContextMut, StoreBox, StoreContext, StoreContextMut, StoreInner, store_of};
use crate::types;
use epsilon_abi::vm::VmContext;
use epsilon_abi::{CallLayout, FuncType, Import, ValType};
use std::any::Any;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A host function, independent of any store and of the type of its data.
pub struct HostFuncData {
    pub ty: FuncType,
    pub layout: CallLayout,
    /// The canonical id of the type, and what keeps it.
    pub signature: u32,
    _types: TypeIds,
    pub thunk: Thunk,
    /// Whose number `signature` is.
    runtime: Arc<Runtime>,
    /// The closure; the thunk holds its address.
    _closure: Box<dyn Any + Send + Sync>,
}

/// A host function for stores with data `T`, usable in any number of them.
pub struct HostFunc<T: 'static> {
    data: Arc<HostFuncData>,
    /// The function gets a `&mut T`: with any other variance than none, it could be given a store of another type, and
    /// write what does not live long enough there.
    store_data: PhantomData<fn(T) -> T>,
}

impl<T: 'static> Clone for HostFunc<T> {
    fn clone(&self) -> Self {
        Self { data: self.data.clone(), store_data: PhantomData }
    }
}

impl<T: 'static> std::fmt::Debug for HostFunc<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostFunc{}", self.data.ty)
    }
}

impl<T: 'static> HostFunc<T> {
    /// From a closure over values whose types are known only at run time.
    ///
    /// # Errors
    /// If the type is of another engine, or there is no room.
    pub fn new<F, E: 'static>(runtime: &Arc<Runtime>, ty: &types::FuncType, func: F) -> Result<Self>
    where
        F: Fn(Caller<'_, T, E>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    {
        let (ty, types) = (ty.to_abi(runtime.signatures())?, ty.keep());
        let layout = CallLayout::new(&ty, Runtime::ARCH);
        let closure = Box::new(DynamicClosure { ty: ty.clone(), layout, func });
        Self::build(runtime, ty, types, closure, call_dynamic::<T, E, F>)
    }

    /// From a closure over values without their types.
    ///
    /// # Safety
    /// It must leave a result of its type in each of the places that it is given for them.
    ///
    /// # Errors
    /// If the type is of another engine, or there is no room.
    pub unsafe fn new_unchecked<F, E: 'static>(runtime: &Arc<Runtime>, ty: &types::FuncType, func: F) -> Result<Self>
    where
        F: Fn(Caller<'_, T, E>, &mut [MaybeUninit<ValRaw>]) -> Result<()> + Send + Sync + 'static,
    {
        let (ty, types) = (ty.to_abi(runtime.signatures())?, ty.keep());
        let layout = CallLayout::new(&ty, Runtime::ARCH);
        let closure = Box::new(DynamicClosure { ty: ty.clone(), layout, func });
        Self::build(runtime, ty, types, closure, call_raw::<T, E, F>)
    }

    /// From a closure of WebAssembly's number types.
    pub fn wrap<P, R>(runtime: &Arc<Runtime>, func: impl IntoHostFunc<T, P, R>) -> Result<Self> {
        func.into_host_func(runtime)
    }

    fn build<F: Send + Sync + 'static>(
        runtime: &Arc<Runtime>,
        ty: FuncType,
        types: TypeIds,
        closure: Box<F>,
        target: HostTarget,
    ) -> Result<Self> {
        let layout = CallLayout::new(&ty, Runtime::ARCH);
        let data = ThunkData {
            common: fixed::host_common_address(),
            target: target as usize,
            context: &raw const *closure as usize,
            stack_args_bytes: layout.stack_args_bytes,
            flags: flags_of(&layout),
        };
        let thunk = Thunk::new(data).map_err(|error| Error::system("map a thunk", error))?;
        let (signature, runtime, _closure) = (types[0], runtime.clone(), closure);
        let data = HostFuncData { ty, layout, signature, _types: types, thunk, runtime, _closure };
        Ok(Self { data: Arc::new(data), store_data: PhantomData })
    }

    /// The function as an item of a store.
    ///
    /// # Errors
    /// If the store is of another engine: the numbers of types are each engine's own.
    pub fn insert(&self, store: &mut impl AsContextMut<Data = T>) -> Result<Func> {
        self.add_to(store.as_context_mut().inner())
    }

    pub(crate) fn add_to(&self, store: &mut StoreInner) -> Result<Func> {
        if !Arc::ptr_eq(&store.runtime, &self.data.runtime) {
            return Err(Error::misuse("the linker and the store belong to different engines; use one engine for both"));
        }
        Ok(Func { store: store.id, entry: store.add_host_func(&self.data)? })
    }

    /// The type.
    pub fn ty(&self) -> types::FuncType {
        types::FuncType::of_id(self.data.runtime.signatures(), self.data.signature)
    }

    /// Whether a module can import it as this.
    ///
    /// # Errors
    /// If it is of another engine, or of another type.
    pub fn check(&self, module: &crate::LinkedModule, import: &Import) -> Result<()> {
        if !Arc::ptr_eq(module.runtime(), &self.data.runtime) {
            return Err(Error::misuse(
                "the linker and the module belong to different engines; use one engine for both",
            ));
        }
        check_host_func(module, import, &self.data.ty, self.data.signature)
    }
}

/// What a host function sees of its caller: the store, and the instance that called.
pub struct Caller<'a, T: 'static, E: 'static = EngineHandle> {
    store: &'a mut StoreBox<T>,
    /// The calling instance; `None` if the host called.
    instance: Option<u32>,
    engine: PhantomData<fn() -> E>,
}

impl<T: 'static, E: 'static> Caller<'_, T, E> {
    /// Calls what the guest has called, and tells the embedder before and after.
    #[inline(always)]
    fn told<R>(self, call: impl FnOnce(Caller<'_, T, E>) -> Result<R>) -> Result<R> {
        let Self { store, instance, engine } = self;
        store.told(|store| call(Caller { store, instance, engine }))
    }

    /// The engine.
    pub fn engine(&self) -> &E {
        self.store.inner.engine()
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        &self.store.data
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.store.data
    }

    /// An export of the calling instance.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        self.store.inner.export_of(self.instance?, name)
    }

    /// An export of the calling instance, by what its module calls it; `None` if that is another module.
    pub fn get_module_export(&mut self, export: &ModuleExport) -> Option<Extern> {
        self.store.inner.module_export_of(self.instance?, export)
    }

    /// As [`Store::gc`](crate::Store::gc).
    ///
    /// # Errors
    /// If there is no room to look for them.
    pub fn gc(&mut self, why: Option<&dyn std::error::Error>) -> Result<()> {
        self.as_context_mut().gc(why)
    }

    /// The contents of a memory and the embedder's data at once.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data_and_memory(&mut self, memory: &Memory) -> (&mut T, &mut [u8]) {
        self.store.inner.assert_owns(memory.store, "memory");
        (&mut self.store.data, self.store.inner.memories[memory.index as usize].own_mut().bytes_mut())
    }

    /// The caller's exported memory `memory` and the embedder's data at once; `None` if there is no such export, or if
    /// the memory is shared: nobody can lend what other threads write. [`Caller::get_export`] gives it then.
    pub fn memory_and_data(&mut self) -> Option<(&mut [u8], &mut T)> {
        let instance = self.instance?;
        let index = self.store.inner.instances[instance as usize].exported_memory()?;
        let memory = self.store.inner.memories[index as usize].as_own()?;
        Some((memory.bytes_mut(), &mut self.store.data))
    }
}

impl<T: 'static, E: 'static> AsContext for Caller<'_, T, E> {
    type Data = T;
    type Engine = E;
    fn as_context(&self) -> StoreContext<'_, T, E> {
        StoreContext::new(self.store)
    }
}

impl<T: 'static, E: 'static> AsContextMut for Caller<'_, T, E> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T, E> {
        StoreContextMut::new(self.store)
    }
}

/// What host functions may return: WebAssembly results, or a [`Result`] of them, whose error any error becomes by `?`.
pub trait HostResult {
    /// The results.
    type Results: WasmResults;
    #[doc(hidden)]
    fn into_results(self) -> Result<Self::Results>;
}

impl<R: WasmResults> HostResult for R {
    type Results = R;

    #[inline(always)]
    fn into_results(self) -> Result<R> {
        Ok(self)
    }
}

impl<R: WasmResults> HostResult for Result<R> {
    type Results = R;

    #[inline(always)]
    fn into_results(self) -> Result<R> {
        self
    }
}

/// Closures that can be host functions: `Fn(A, B, …) -> R` and `Fn(Caller<'_, T>, A, B, …) -> R`, where the arguments
/// are [`WasmTy`] and `R` is a [`HostResult`].
pub trait IntoHostFunc<T: 'static, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_host_func(self, runtime: &Arc<Runtime>) -> Result<HostFunc<T>>;
}

/// Runs the host's side of a call: finds the store, catches panics, keeps errors for the call that entered wasm. `body` gets the
/// store a second time, to be used when it is done with the first.
///
/// # Safety
/// Called by fixed code: `anchor` must be the pinned register's value where wasm left for the host (invariant 4), in a store
/// whose data is `T`.
#[inline(always)]
unsafe fn host_side<T: 'static, E: 'static>(
    anchor: usize,
    body: impl FnOnce(Caller<'_, T, E>, *mut StoreInner) -> Result<()>,
) -> u32 {
    // SAFETY: the anchor is live (invariant 4), and so are the words of its store and of its instance; `instance` is null or the
    // store's record of it (invariants 13 and 14).
    let (store, instance) = unsafe {
        let owner = store_of(anchor);
        let instance = (*VmContext::of_anchor(anchor)).instance.cast::<crate::store::instance::InstanceData>();
        (owner, (!instance.is_null()).then(|| (*instance).index()))
    };
    // SAFETY: the store lives, and the call into wasm that has left for here, which has it borrowed exclusively, waits
    // (invariant 12).
    let scope = unsafe { (*store).roots.enter() };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `owner` leads to the whole `StoreBox<T>`, which `StoreInner` comes first in, as the caller promises of `T`. The
        // call into wasm that has left for here has it borrowed exclusively, and waits (invariant 12).
        let store_box = unsafe { &mut *store.cast::<StoreBox<T>>() };
        body(Caller { store: store_box, instance, engine: PhantomData }, store)
    }));
    let failed = match outcome {
        Ok(Ok(())) => {
            // SAFETY: the closure has returned, and with it the borrow that it had (invariant 12).
            unsafe { (*store).roots.leave(scope) };
            return status::RETURNED;
        }
        Ok(Err(error)) => Ok(error),
        Err(payload) => Err(payload),
    };
    // SAFETY: `owner` leads to the whole block; the closure has returned, and with it the borrow that it had (invariant 12).
    let store = unsafe { StoreInner::of_block(store) };
    let unwind = match failed {
        // SAFETY: the anchor is that of the exit, as the caller promises (invariant 4).
        Ok(error) => match unsafe { throw(store, anchor, error) } {
            None => {
                store.roots.leave(scope);
                return status::CAUGHT;
            }
            Some(unwind) => unwind,
        },
        Err(payload) => Unwind::Panic(payload),
    };
    store.roots.leave(scope);
    store.unwind = Some(unwind);
    status::LANDED
}

/// What becomes of a host function's error. An exception inside is thrown in the guest: `None` if that catches it.
///
/// # Safety
/// `anchor` must be the pinned register's value where wasm last left for the host.
#[cold]
unsafe fn throw(store: &mut StoreInner, anchor: usize, error: Error) -> Option<Unwind> {
    let pending = store.pending_exception.take();
    let thrown = match error.exception() {
        Some(exception) => store.add_exception(exception),
        None => match pending.filter(|_| error.is::<ThrownException>()) {
            Some(thrown) => thrown.bits(store).map(number_of_root),
            None => return Some(Unwind::Host(error)),
        },
    };
    let number = match thrown {
        Ok(number) => number,
        Err(error) => return Some(Unwind::Host(error)),
    };
    // SAFETY: as the caller promises of the anchor (invariant 4).
    if unsafe { store.find_handler(anchor, number) } {
        return None;
    }
    // What is not caught goes on as it is, with the frames that it has collected.
    match error.exception() {
        Some(_) => {
            store.keep_pending(number);
            Some(Unwind::Host(error))
        }
        None => Some(Unwind::Exception(number)),
    }
}

macro_rules! closures {
    ($(($($name:ident)*))*) => {$(
        impl<T: 'static, En: 'static, Closure, R: HostResult, $($name: WasmTy),*>
            IntoHostFunc<T, (Caller<'static, T, En>, $($name,)*), R> for Closure
        where
            Closure: Fn(Caller<'_, T, En>, $($name),*) -> R + Send + Sync + 'static,
        {
            #[allow(non_snake_case, unused_mut, unused_variables)]
            fn into_host_func(self, runtime: &Arc<Runtime>) -> Result<HostFunc<T>> {
                /// # Safety
                /// Called by fixed code alone, as [`HostTarget`] says, for a thunk whose context is a closure of this type.
                unsafe extern "C" fn target<T: 'static, En: 'static, Closure, R: HostResult, $($name: WasmTy),*>(
                    data: *const ThunkData,
                    regs: *mut RegFile,
                    anchor: usize,
                    stack_args: *mut u64,
                ) -> u32
                where
                    Closure: Fn(Caller<'_, T, En>, $($name),*) -> R,
                {
                    // SAFETY: fixed code passes the datum of a thunk that lives, and that was made for this closure, which
                    // lives as long as the thunk (invariant 14).
                    let closure = unsafe { &*((*data).context as *const Closure) };
                    let body = |mut caller: Caller<'_, T, En>, store| {
                        // SAFETY: fixed code passes the images of the registers in its own frame, which nothing else uses
                        // until this returns (invariant 15).
                        let regs = unsafe { &mut *regs };
                        let needs_area = R::Results::NEEDS_AREA;
                        let area = area_of(regs, needs_area);
                        let mut places = Places::params(needs_area);
                        $(
                            // SAFETY: the caller has put arguments of the thunk's type, which is that of this closure, in the
                            // places that follow from it (invariant 17).
                            let bits = unsafe { read_place(regs, stack_args, places.next($name::TYPE), $name::TYPE) };
                            // SAFETY: so the bits were made as this type, in this store (invariant 17).
                            let $name = unsafe { $name::from_bits(&mut caller.store.inner, bits) };
                        )*
                        let results = caller.told(|caller| closure(caller, $($name),*).into_results())?;
                        // SAFETY: `store` leads to the whole block, and the borrow of `caller` has ended with the closure
                        // (invariant 12).
                        let store = unsafe { StoreInner::of_block(store) };
                        // SAFETY: where the type needs an area, the caller has passed one that is long enough
                        // (invariant 17).
                        unsafe { results.leave(store, regs, area) }
                    };
                    // SAFETY: fixed code passes the anchor of the exit (invariant 4); a store has only functions for its own
                    // type of data (invariant 17).
                    unsafe { host_side::<T, En>(anchor, body) }
                }
                let ty = FuncType::new([$($name::TYPE),*], R::Results::TYPES);
                let types = runtime.signatures().id(&ty)?;
                HostFunc::build(runtime, ty, types, Box::new(self), target::<T, En, Closure, R, $($name),*>)
            }
        }

        impl<T: 'static, Closure, R: HostResult, $($name: WasmTy),*> IntoHostFunc<T, ($($name,)*), R> for Closure
        where
            Closure: Fn($($name),*) -> R + Send + Sync + 'static,
        {
            #[allow(non_snake_case)]
            fn into_host_func(self, runtime: &Arc<Runtime>) -> Result<HostFunc<T>> {
                let closure = move |_: Caller<'_, T>, $($name: $name),*| self($($name),*);
                IntoHostFunc::<T, (Caller<'static, T>, $($name,)*), R>::into_host_func(closure, runtime)
            }
        }
    )*};
}

closures! {
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
    (A B C D E F G H I J K L M)
    (A B C D E F G H I J K L M N)
    (A B C D E F G H I J K L M N O)
}

/// Where the caller has room for further results.
#[inline(always)]
fn area_of(regs: &RegFile, needs_area: bool) -> *mut u64 {
    if needs_area { regs.ints[AREA_INT] as *mut u64 } else { std::ptr::null_mut() }
}

/// A closure over [`Val`]s with what is needed to call it.
struct DynamicClosure<F> {
    ty: FuncType,
    layout: CallLayout,
    func: F,
}

/// What the thunk of a [`DynamicClosure`] calls.
///
/// # Safety
/// Called by fixed code alone, as [`HostTarget`] says, for a thunk whose context is a closure of this type.
unsafe extern "C" fn call_dynamic<T: 'static, E: 'static, F>(
    data: *const ThunkData,
    regs: *mut RegFile,
    anchor: usize,
    stack_args: *mut u64,
) -> u32
where
    F: Fn(Caller<'_, T, E>, &[Val], &mut [Val]) -> Result<()>,
{
    // SAFETY: fixed code passes the datum of a thunk that lives, and that was made for this closure, which lives as long as the
    // thunk (invariant 14).
    let closure = unsafe { &*((*data).context as *const DynamicClosure<F>) };
    let body = |caller: Caller<'_, T, E>, store: *mut StoreInner| {
        // SAFETY: fixed code passes the images of the registers in its own frame, which nothing else uses until this returns
        // (invariant 15).
        let regs = unsafe { &mut *regs };
        let area = area_of(regs, closure.layout.ret_area_bytes > 0);
        let mut params = Vec::with_capacity(closure.ty.params.len());
        for (slot, ty) in closure.layout.params.iter().zip(&closure.ty.params) {
            // SAFETY: the caller has put arguments of the thunk's type, which is that of this closure, in the places of its
            // layout (invariant 17).
            let bits = unsafe { read_place(regs, stack_args, *slot, *ty) };
            // SAFETY: so the bits were made as this type, in this store (invariant 17).
            params.push(unsafe { caller.store.inner.val_from_bits(bits, *ty) });
        }
        let mut results = vec![Val::FuncRef(None); closure.ty.results.len()];
        caller.told(|caller| (closure.func)(caller, &params, &mut results))?;
        // SAFETY: `store` leads to the whole block, and the borrow of `caller` has ended with the closure (invariant 12).
        let store = unsafe { StoreInner::of_block(store) };
        for ((value, ty), slot) in results.iter().zip(&closure.ty.results).zip(&closure.layout.results) {
            let bits = store.val_to_bits(value, *ty, || "result of a host function".into())?;
            // SAFETY: where the layout needs an area, the caller has passed one that is long enough (invariant 17).
            unsafe { write_place(regs, area, *slot, *ty, bits) };
        }
        Ok(())
    };
    // SAFETY: fixed code passes the anchor of the exit (invariant 4); a store has only functions for its own type of data
    // (invariant 17).
    unsafe { host_side::<T, E>(anchor, body) }
}

/// Which of some values without their types are references to what may move, and where the store holds those.
#[derive(Default)]
struct HeldBits(Vec<(usize, RootId)>);

impl HeldBits {
    /// Holds references among values of these types, in place of those that were held.
    fn hold(&mut self, store: &mut StoreInner, values: &[MaybeUninit<ValRaw>], types: &[ValType]) {
        self.0.clear();
        for (n, (value, ty)) in values.iter().zip(types).enumerate() {
            if matches!(ty, ValType::Ref(ty) if ty.is_traced()) {
                // SAFETY: values are there for all types that are given (invariant 17).
                let bits = unsafe { value.assume_init_ref() }.bits_as(*ty) as u32;
                if bits != 0 {
                    self.0.push((n, store.roots.push(bits)));
                }
            }
        }
    }

    /// Makes the values what the references are now.
    fn put_back(&self, store: &StoreInner, values: &mut [MaybeUninit<ValRaw>]) {
        for (n, root) in &self.0 {
            let bits = store.roots.get(*root).expect("the call's scope lasts");
            values[*n].write(ValRaw::of_bits(bits.into()));
        }
    }
}

/// What the thunk of a [`DynamicClosure`] over values without their types calls.
///
/// # Safety
/// Called by fixed code alone, as [`HostTarget`] says, for a thunk whose context is a closure of this type.
unsafe extern "C" fn call_raw<T: 'static, E: 'static, F>(
    data: *const ThunkData,
    regs: *mut RegFile,
    anchor: usize,
    stack_args: *mut u64,
) -> u32
where
    F: Fn(Caller<'_, T, E>, &mut [MaybeUninit<ValRaw>]) -> Result<()>,
{
    // SAFETY: fixed code passes the datum of a thunk that lives, and that was made for this closure, which lives as long as the
    // thunk (invariant 14).
    let closure = unsafe { &*((*data).context as *const DynamicClosure<F>) };
    let body = |caller: Caller<'_, T, E>, store: *mut StoreInner| {
        // SAFETY: fixed code passes the images of the registers in its own frame, which nothing else uses until this returns
        // (invariant 15).
        let regs = unsafe { &mut *regs };
        let area = area_of(regs, closure.layout.ret_area_bytes > 0);
        let (params, results) = (&closure.ty.params, &closure.ty.results);
        let mut values = vec![MaybeUninit::new(ValRaw::u64(0)); params.len().max(results.len())];
        for (value, (slot, ty)) in values.iter_mut().zip(closure.layout.params.iter().zip(params)) {
            // SAFETY: the caller has put arguments of the thunk's type, which is that of this closure, in the places of its
            // layout (invariant 17).
            let bits = unsafe { read_place(regs, stack_args, *slot, *ty) };
            value.write(ValRaw::of_bits(bits));
        }
        // So that objects stay, and are known, while the closure runs and the embedder is told.
        let mut held = HeldBits::default();
        held.hold(&mut caller.store.inner, &values, params);
        caller.told(|caller| {
            held.put_back(&caller.store.inner, &mut values);
            (closure.func)(Caller { store: &mut *caller.store, ..caller }, &mut values)?;
            held.hold(&mut caller.store.inner, &values, results);
            Ok(())
        })?;
        // SAFETY: `store` leads to the whole block, and the borrow of `caller` has ended with the closure (invariant 12).
        held.put_back(unsafe { StoreInner::of_block(store) }, &mut values);
        for (value, (slot, ty)) in values.iter().zip(closure.layout.results.iter().zip(results)) {
            // SAFETY: the closure leaves results, as the maker of the function has promised (invariant 17).
            let bits = unsafe { value.assume_init_ref() }.bits_as(*ty);
            // SAFETY: where the layout needs an area, the caller has passed one that is long enough (invariant 17).
            unsafe { write_place(regs, area, *slot, *ty, bits) };
        }
        Ok(())
    };
    // SAFETY: fixed code passes the anchor of the exit (invariant 4); a store has only functions for its own type of data
    // (invariant 17).
    unsafe { host_side::<T, E>(anchor, body) }
}
