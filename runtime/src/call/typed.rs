//! Rust types that travel as WebAssembly values, alone and in tuples. Where each one travels follows from the types
//! alone, so that the compiler folds it away.

use crate::base::error::Result;
use crate::embed::anyref::{I31, NoExtern, NoFunc, NoneRef};
use crate::embed::func::Func;
use crate::embed::rooted::{GcRef, OwnedRooted, Rooted, kind::Holds, type_of};
use crate::embed::v128::V128;
use crate::embed::value::Ref;
use crate::fixed::RegFile;
use crate::store::inner::StoreInner;
use epsilon_abi::{HeapType, RefType, Slot, ValType};

/// A Rust type that is a WebAssembly value type: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, [`V128`] and `u128` (vectors),
/// [`Func`], [`I31`], and a [`Rooted`] or [`OwnedRooted`] of any kind, those in an `Option` where null is one of the values;
/// and [`NoFunc`], [`NoExtern`] and [`NoneRef`], which have no values, and whose `Option`s are always null.
pub trait WasmTy: Send + Sized {
    /// The WebAssembly type.
    const TYPE: ValType;

    #[doc(hidden)]
    fn into_bits(self, store: &mut StoreInner) -> Result<u128>;

    /// # Safety
    /// The bits must have been made as this type by this store.
    #[doc(hidden)]
    unsafe fn from_bits(store: &mut StoreInner, bits: u128) -> Self;
}

macro_rules! number_types {
    ($($rust:ty, $variant:ident, $into:expr, $from:expr;)*) => {$(
        impl WasmTy for $rust {
            const TYPE: ValType = ValType::$variant;

            #[inline(always)]
            fn into_bits(self, _: &mut StoreInner) -> Result<u128> {
                #[allow(clippy::redundant_closure_call)]
                Ok(($into)(self))
            }

            #[inline(always)]
            unsafe fn from_bits(_: &mut StoreInner, bits: u128) -> Self {
                #[allow(clippy::redundant_closure_call)]
                ($from)(bits)
            }
        }
    )*};
}

number_types! {
    i32, I32, |n: i32| u128::from(n as u32), |bits| bits as u32 as i32;
    u32, I32, |n: u32| u128::from(n), |bits| bits as u32;
    i64, I64, |n: i64| u128::from(n as u64), |bits| bits as u64 as i64;
    u64, I64, |n: u64| u128::from(n), |bits| bits as u64;
    f32, F32, |n: f32| u128::from(n.to_bits()), |bits| f32::from_bits(bits as u32);
    f64, F64, |n: f64| u128::from(n.to_bits()), |bits| f64::from_bits(bits as u64);
    u128, V128, |n: u128| n, |bits| bits;
    V128, V128, |vector: V128| vector.as_u128(), V128::from;
}

impl WasmTy for Option<Func> {
    const TYPE: ValType = ValType::FUNCREF;

    fn into_bits(self, store: &mut StoreInner) -> Result<u128> {
        store.ref_to_bits(&Ref::Func(self), RefType::FUNCREF).map(u128::from)
    }

    unsafe fn from_bits(store: &mut StoreInner, bits: u128) -> Self {
        // SAFETY: the bits were made as a function reference, as the caller promises (invariant 17).
        unsafe { store.func_from_bits(bits as u64) }
    }
}

impl WasmTy for Func {
    const TYPE: ValType = ValType::Ref(RefType { nullable: false, heap: HeapType::Func });

    fn into_bits(self, store: &mut StoreInner) -> Result<u128> {
        store.ref_to_bits(&Ref::Func(Some(self)), RefType::FUNCREF).map(u128::from)
    }

    unsafe fn from_bits(store: &mut StoreInner, bits: u128) -> Self {
        // SAFETY: the bits were made as a function reference, as the caller promises (invariant 17).
        unsafe { store.func_from_bits(bits as u64) }.expect("a reference that cannot be null")
    }
}

impl<T: GcRef> WasmTy for Rooted<T> {
    const TYPE: ValType = ValType::Ref(type_of::<T>(false));

    fn into_bits(self, store: &mut StoreInner) -> Result<u128> {
        store.ref_to_bits(&T::into_ref(self.where_held()), type_of::<T>(false)).map(u128::from)
    }

    unsafe fn from_bits(store: &mut StoreInner, bits: u128) -> Self {
        // SAFETY: as the caller promises (invariant 17).
        unsafe { Option::<Self>::from_bits(store, bits) }.expect("a reference that cannot be null")
    }
}

impl<T: GcRef> WasmTy for Option<Rooted<T>> {
    const TYPE: ValType = ValType::Ref(type_of::<T>(true));

    fn into_bits(self, store: &mut StoreInner) -> Result<u128> {
        self.map_or(Ok(0), |reference| reference.into_bits(store))
    }

    unsafe fn from_bits(store: &mut StoreInner, bits: u128) -> Self {
        store.hold_bits(bits as u32)
    }
}

impl<T: GcRef> WasmTy for OwnedRooted<T> {
    const TYPE: ValType = ValType::Ref(type_of::<T>(false));

    fn into_bits(self, store: &mut StoreInner) -> Result<u128> {
        self.rooted().into_bits(store)
    }

    unsafe fn from_bits(store: &mut StoreInner, bits: u128) -> Self {
        // SAFETY: as the caller promises (invariant 17).
        unsafe { Option::<Self>::from_bits(store, bits) }.expect("a reference that cannot be null")
    }
}

impl<T: GcRef> WasmTy for Option<OwnedRooted<T>> {
    const TYPE: ValType = ValType::Ref(type_of::<T>(true));

    fn into_bits(self, store: &mut StoreInner) -> Result<u128> {
        self.map_or(Ok(0), |reference| reference.into_bits(store))
    }

    unsafe fn from_bits(store: &mut StoreInner, bits: u128) -> Self {
        store.own_bits(bits as u32)
    }
}

impl WasmTy for I31 {
    const TYPE: ValType = ValType::Ref(RefType { nullable: false, heap: HeapType::I31 });

    fn into_bits(self, _: &mut StoreInner) -> Result<u128> {
        Ok(self.bits().into())
    }

    unsafe fn from_bits(_: &mut StoreInner, bits: u128) -> Self {
        Self::of_bits(bits as u32)
    }
}

impl WasmTy for Option<I31> {
    const TYPE: ValType = ValType::Ref(RefType { nullable: true, heap: HeapType::I31 });

    fn into_bits(self, _: &mut StoreInner) -> Result<u128> {
        Ok(self.map_or(0, I31::bits).into())
    }

    unsafe fn from_bits(_: &mut StoreInner, bits: u128) -> Self {
        (bits != 0).then(|| I31::of_bits(bits as u32))
    }
}

macro_rules! always_null {
    ($($ty:ident, $heap:ident;)*) => {$(
        impl WasmTy for Option<$ty> {
            const TYPE: ValType = ValType::Ref(RefType { nullable: true, heap: HeapType::$heap });

            fn into_bits(self, _: &mut StoreInner) -> Result<u128> {
                Ok(0)
            }

            unsafe fn from_bits(_: &mut StoreInner, _: u128) -> Self {
                None
            }
        }

        impl WasmTy for $ty {
            const TYPE: ValType = ValType::Ref(RefType { nullable: false, heap: HeapType::$heap });

            fn into_bits(self, _: &mut StoreInner) -> Result<u128> {
                match self {}
            }

            unsafe fn from_bits(_: &mut StoreInner, _: u128) -> Self {
                unreachable!("a type without values has none")
            }
        }
    )*};
}

always_null! {
    NoFunc, NoFunc;
    NoExtern, NoExtern;
    NoneRef, None;
}

/// Hands out places in the order of `CallLayout`, for types that are known while Rust compiles.
pub struct Places {
    int: u8,
    ints: u8,
    float: u8,
    stack: u32,
}

const HOST_INT_RESULTS: u8 = if cfg!(target_arch = "x86_64") { 8 } else { 6 };

impl Places {
    /// Places of parameters.
    #[inline(always)]
    pub const fn params(area_needed: bool) -> Self {
        let int = if area_needed && cfg!(target_arch = "x86_64") { 1 } else { 0 };
        Self { int, ints: 6, float: 0, stack: 0 }
    }

    /// Places of results.
    #[inline(always)]
    pub const fn results() -> Self {
        Self { int: 0, ints: HOST_INT_RESULTS, float: 0, stack: 0 }
    }

    /// The next place, for a value of type `ty`.
    #[inline(always)]
    pub const fn next(&mut self, ty: ValType) -> Slot {
        if ty.is_float_class() {
            if self.float < 8 {
                self.float += 1;
                return Slot::Float(self.float - 1);
            }
        } else if self.int < self.ints {
            self.int += 1;
            return Slot::Int(self.int - 1);
        }
        let bytes = ty.slot_bytes();
        self.stack = self.stack.next_multiple_of(bytes) + bytes;
        Slot::Stack(self.stack - bytes)
    }

    const fn stack_words(mut self, types: &[ValType]) -> usize {
        let mut n = 0;
        while n < types.len() {
            self.next(types[n]);
            n += 1;
        }
        self.stack.next_multiple_of(16) as usize / 8
    }
}

/// Reads the value in a place.
///
/// # Safety
/// `stack` must be long enough for the place.
#[inline(always)]
pub unsafe fn read_place(regs: &RegFile, stack: *const u64, slot: Slot, ty: ValType) -> u128 {
    match slot {
        Slot::Int(n) => u128::from(regs.ints[n as usize]),
        Slot::Float(n) => u128::from_le_bytes(regs.floats[n as usize]),
        // SAFETY: `stack` is long enough for the place, as the caller promises (invariant 17).
        Slot::Stack(offset) => unsafe {
            let at = stack.add(offset as usize / 8);
            let high = if ty.slot_bytes() == 16 { at.add(1).read() } else { 0 };
            u128::from(at.read()) | u128::from(high) << 64
        },
    }
}

/// Writes a value to its place.
///
/// # Safety
/// `stack` must be long enough for the place.
#[inline(always)]
pub unsafe fn write_place(regs: &mut RegFile, stack: *mut u64, slot: Slot, ty: ValType, bits: u128) {
    match slot {
        Slot::Int(n) => regs.ints[n as usize] = bits as u64,
        Slot::Float(n) => regs.floats[n as usize] = bits.to_le_bytes(),
        // SAFETY: `stack` is long enough for the place, as the caller promises (invariant 17).
        Slot::Stack(offset) => unsafe {
            let at = stack.add(offset as usize / 8);
            at.write(bits as u64);
            if ty.slot_bytes() == 16 {
                at.add(1).write((bits >> 64) as u64);
            }
        },
    }
}

/// Room for the most stack words that a tuple can need.
pub type StackWords = [u64; 36];

/// Tuples of [`WasmTy`], or one alone, as the parameters of a typed function.
pub trait WasmParams {
    /// The WebAssembly types.
    const TYPES: &'static [ValType];
    /// Bytes of stack arguments, without and with an area for further results, which may take a register away.
    #[doc(hidden)]
    const STACK_BYTES: [usize; 2] =
        [Places::params(false).stack_words(Self::TYPES) * 8, Places::params(true).stack_words(Self::TYPES) * 8];
    /// # Safety
    /// `stack` must have room for [`StackWords`].
    #[doc(hidden)]
    unsafe fn store(self, store: &mut StoreInner, area_needed: bool, regs: &mut RegFile, stack: *mut u64)
    -> Result<()>;
}

/// Tuples of [`WasmTy`], one alone, or `()`, as the results of a typed function.
pub trait WasmResults: Sized {
    /// The WebAssembly types.
    const TYPES: &'static [ValType];
    #[doc(hidden)]
    const NEEDS_AREA: bool = Places::results().stack_words(Self::TYPES) > 0;
    /// # Safety
    /// The images and the area must hold results of these types, made by this store.
    #[doc(hidden)]
    unsafe fn load(store: &mut StoreInner, regs: &RegFile, area: *const u64) -> Self;
    /// # Safety
    /// `area` must be long enough for the results that do not fit registers.
    #[doc(hidden)]
    unsafe fn leave(self, store: &mut StoreInner, regs: &mut RegFile, area: *mut u64) -> Result<()>;
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {$(
        #[allow(non_snake_case, unused_variables, unused_mut, clippy::unused_unit)]
        impl<$($name: WasmTy),*> WasmParams for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];

            #[inline(always)]
            unsafe fn store(self, store: &mut StoreInner, area_needed: bool, regs: &mut RegFile, stack: *mut u64) -> Result<()> {
                let ($($name,)*) = self;
                let mut places = Places::params(area_needed);
                $({
                    let bits = $name.into_bits(store)?;
                    // SAFETY: `stack` has room for any tuple, as the caller promises (invariant 17).
                    unsafe { write_place(regs, stack, places.next($name::TYPE), $name::TYPE, bits) };
                })*
                Ok(())
            }
        }

        #[allow(non_snake_case, unused_variables, unused_mut, clippy::unused_unit)]
        impl<$($name: WasmTy),*> WasmResults for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];

            #[inline(always)]
            unsafe fn load(store: &mut StoreInner, regs: &RegFile, area: *const u64) -> Self {
                let mut places = Places::results();
                $(
                    // SAFETY: the area holds the results that have no register, as the caller promises (invariant 17).
                    let bits = unsafe { read_place(regs, area, places.next($name::TYPE), $name::TYPE) };
                    // SAFETY: this store has made the result as this type, as the caller promises (invariant 17).
                    let $name = unsafe { $name::from_bits(store, bits) };
                )*
                ($($name,)*)
            }

            #[inline(always)]
            unsafe fn leave(self, store: &mut StoreInner, regs: &mut RegFile, area: *mut u64) -> Result<()> {
                let ($($name,)*) = self;
                let mut places = Places::results();
                $({
                    let bits = $name.into_bits(store)?;
                    // SAFETY: `area` is long enough for what has no register, as the caller promises (invariant 17).
                    unsafe { write_place(regs, area, places.next($name::TYPE), $name::TYPE, bits) };
                })*
                Ok(())
            }
        }
    )*};
}

tuples! {
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
    (A B C D E F G H I J K L M N O P)
}

impl<A: WasmTy> WasmParams for A {
    const TYPES: &'static [ValType] = &[A::TYPE];

    #[inline(always)]
    unsafe fn store(
        self,
        store: &mut StoreInner,
        area_needed: bool,
        regs: &mut RegFile,
        stack: *mut u64,
    ) -> Result<()> {
        // SAFETY: as the caller promises (invariant 17): a tuple of one has its place where the value alone has it.
        unsafe { (self,).store(store, area_needed, regs, stack) }
    }
}

impl<A: WasmTy> WasmResults for A {
    const TYPES: &'static [ValType] = &[A::TYPE];

    #[inline(always)]
    unsafe fn load(store: &mut StoreInner, regs: &RegFile, area: *const u64) -> Self {
        // SAFETY: as the caller promises (invariant 17): a tuple of one has its place where the value alone has it.
        unsafe { <(A,)>::load(store, regs, area).0 }
    }

    #[inline(always)]
    unsafe fn leave(self, store: &mut StoreInner, regs: &mut RegFile, area: *mut u64) -> Result<()> {
        // SAFETY: as the caller promises (invariant 17): a tuple of one has its place where the value alone has it.
        unsafe { (self,).leave(store, regs, area) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use epsilon_abi::{Arch, CallLayout, FuncType};

    fn agree<P: WasmParams, R: WasmResults>() {
        let layout = CallLayout::new(&FuncType::new(P::TYPES, R::TYPES), Arch::HOST.expect("a supported host"));
        let mut params = Places::params(R::NEEDS_AREA);
        let mut results = Places::results();
        assert!(P::TYPES.iter().map(|ty| params.next(*ty)).eq(layout.params.iter().copied()));
        assert!(R::TYPES.iter().map(|ty| results.next(*ty)).eq(layout.results.iter().copied()));
        assert_eq!(R::NEEDS_AREA, layout.ret_area_bytes > 0);
        assert_eq!(P::STACK_BYTES[usize::from(R::NEEDS_AREA)], layout.stack_args_bytes as usize);
    }

    #[test]
    fn places_agree_with_call_layouts() {
        agree::<(), ()>();
        agree::<(i32, f64, i64), i32>();
        agree::<(i32, i32, i32, i32, i32, i32, i32, u128, i32), (i64, f32)>();
        agree::<(i32,), (i64, i64, i64, i64, i64, i64, i64, i64, i64)>();
        agree::<(f32, f32, f32, f32, f32, f32, f32, f32, f32, u128), (f64, u128, i32)>();
    }
}
