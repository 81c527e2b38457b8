//! Globals: defined by instances, inside their words, or made by the host.

use crate::base::alloc;
use crate::base::error::{Error, Result};
use crate::embed::value::Val;
use crate::store::inner::{AsContext, AsContextMut, StoreId, StoreInner};
use crate::types;
use epsilon_abi::vm::VmGlobal;
use epsilon_abi::{GlobalType, ValType};
use std::cell::UnsafeCell;

/// What a global of the host is charged with.
const HOST_GLOBAL_BYTES: usize = 2 * size_of::<HostGlobal>() + 2 * size_of::<VmGlobal>();

/// A global made by the host.
pub struct HostGlobal {
    ty: GlobalType,
    /// Boxed: machine code holds its address, and writes there.
    value: Box<UnsafeCell<VmGlobal>>,
}

/// Where a global lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalKey {
    /// Made by the host: its number in the store.
    Host(u32),
    /// Defined by an instance: the instance, and the position among the globals that it defines.
    Defined(u32, u32),
}

/// A global of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Global {
    pub(crate) store: StoreId,
    pub(crate) key: GlobalKey,
}

impl Global {
    /// A new global, made by the host.
    pub fn new(mut store: impl AsContextMut, ty: types::GlobalType, value: Val) -> Result<Self> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let ty = ty.to_abi(inner.runtime.signatures())?;
        let bits = inner.val_to_bits(&value, ty.value, || "initial value of a global".into())?;
        inner.keep_type_of(ty.value)?;
        inner.charge_item(HOST_GLOBAL_BYTES)?;
        alloc::reserve(&mut inner.host_globals, 1, "a list of globals")?;
        let index = inner.host_globals.len() as u32;
        inner.host_globals.push(HostGlobal { ty, value: Box::new(VmGlobal { bytes: bits.to_le_bytes() }.into()) });
        Ok(Self { store: inner.id, key: GlobalKey::Host(index) })
    }

    /// The type.
    ///
    /// # Panics
    /// If the global is of another store.
    pub fn ty(&self, store: impl AsContext) -> types::GlobalType {
        let context = store.as_context();
        let inner = context.inner();
        inner.assert_owns(self.store, "global");
        types::GlobalType::of_abi(inner.runtime.signatures(), inner.global_type(self.key))
    }

    /// The value.
    ///
    /// # Panics
    /// If the global is of another store.
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.assert_owns(self.store, "global");
        let ty = inner.global_type(self.key).value;
        // SAFETY: the words of a global live as long as its store (invariant 13), and nothing writes them meanwhile: this borrows
        // the store exclusively (invariant 12).
        let bytes = unsafe { (*inner.global_address(self.key)).bytes };
        // SAFETY: validated code or `set` has written the bits as the global's type, in this store (invariant 17).
        unsafe { inner.val_from_bits(u128::from_le_bytes(bytes), ty) }
    }

    /// Sets the value.
    ///
    /// # Errors
    /// If the global is immutable, or the value of another type or store.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "global")?;
        let ty = inner.global_type(self.key);
        if !ty.mutable {
            return Err(Error::misuse(format!("a {ty} cannot be set: it is immutable")));
        }
        let bits = inner.val_to_bits(&value, ty.value, || "value of a global".into())?;
        // SAFETY: the words of a global live as long as its store (invariant 13), which is borrowed exclusively (invariant 12).
        unsafe { (*inner.global_address(self.key)).bytes = bits.to_le_bytes() };
        Ok(())
    }
}

impl StoreInner {
    pub(crate) fn global_type(&self, key: GlobalKey) -> GlobalType {
        match key {
            GlobalKey::Host(index) => self.host_globals[index as usize].ty,
            GlobalKey::Defined(instance, defined) => {
                let module = &self.instances[instance as usize].module;
                let info = module.info();
                info.globals[info.imported_globals + defined as usize].map_types(&|ty| module.canonical(ty))
            }
        }
    }

    /// Where machine code finds the global.
    pub(crate) fn global_address(&self, key: GlobalKey) -> *mut VmGlobal {
        match key {
            GlobalKey::Host(index) => self.host_globals[index as usize].value.get(),
            GlobalKey::Defined(instance, defined) => self.instances[instance as usize].defined_global(defined),
        }
    }

    /// All globals of the store.
    pub(crate) fn global_keys(&self) -> impl Iterator<Item = GlobalKey> + '_ {
        let of_instance = |instance: &crate::store::instance::InstanceData| {
            let (index, count) = (instance.index(), instance.module.info().global_inits.len() as u32);
            (0..count).map(move |defined| GlobalKey::Defined(index, defined))
        };
        let of_host = (0..self.host_globals.len() as u32).map(GlobalKey::Host);
        of_host.chain(self.instances.iter().flat_map(move |instance| of_instance(instance)))
    }

    /// The bits of a global, for constant expressions.
    pub(crate) fn global_bits(&self, key: GlobalKey) -> (u128, ValType) {
        // SAFETY: the words of a global live as long as its store (invariant 13); machine code and `Global::set` write them under
        // an exclusive borrow of the store alone (invariant 12).
        let bytes = unsafe { (*self.global_address(key)).bytes };
        (u128::from_le_bytes(bytes), self.global_type(key).value)
    }
}
