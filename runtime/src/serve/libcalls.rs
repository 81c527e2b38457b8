//! Runtime calls from wasm: the bodies behind [`epsilon_abi::Libcall`]. They run on the host's stack; a trap, an error
//! of a limiter or a panic is kept in the store, and fixed code lands the activation.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::old_size_or_minus_one;
use crate::fixed::{LibcallReturn, status};
use crate::memory::bounds::checked_range;
use crate::memory::bounds::memory_range;
use crate::memory::shared::{StoreMemory, copy_racing};
use crate::store::exception::number_of_fields;
use crate::store::exit::Unwind;
use crate::store::inner::{StoreInner, store_of};
use crate::store::instance::InstanceData;
use crate::threads::waiting::Expected;
use epsilon_abi::TrapCode as Trap;
use epsilon_abi::vm::{VmContext, VmGlobal};
use epsilon_abi::{DataIndex, DefinedFuncIndex, ElemIndex, FuncIndex, Libcall, TypeIndex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// An address of the table that fixed code indexes.
#[repr(transparent)]
pub struct Address(*const ());

// SAFETY: it is the address of a function, which is there as long as the process, and nothing changes it (invariant 14).
unsafe impl Sync for Address {}

/// A libcall's view of its caller.
struct Site<'a> {
    store: &'a mut StoreInner,
    instance: u32,
}

impl Site<'_> {
    fn instance(&self) -> &InstanceData {
        &self.store.instances[self.instance as usize]
    }

    fn memory(&self, index: u32) -> u32 {
        self.instance().memories[index as usize]
    }

    fn table(&self, index: u32) -> u32 {
        self.instance().tables[index as usize]
    }
}

/// Runs the host's side of a libcall: finds the store, catches panics, keeps what ends the activation.
///
/// # Safety
/// Called by fixed code: `anchor` must be the pinned register's value where wasm left for the host (invariant 4).
unsafe fn run<E: Into<Stop>>(anchor: usize, body: impl FnOnce(Site<'_>) -> Result<u64, E>) -> LibcallReturn {
    // SAFETY: the anchor is live (invariant 4) and that of an instance: the host's own is under host functions alone. So its
    // words lead to the words of the store and to the store's record of the instance (invariants 13 and 14).
    let (store, instance) = unsafe {
        let owner = store_of(anchor);
        (owner, (*(*VmContext::of_anchor(anchor)).instance.cast::<InstanceData>()).index())
    };
    // SAFETY: `owner` leads to the whole block of the store, which the call into wasm that has left for here has borrowed
    // exclusively; it waits (invariant 12).
    let site = Site { store: unsafe { StoreInner::of_block(store) }, instance };
    let unwind = match catch_unwind(AssertUnwindSafe(|| body(site))) {
        Ok(Ok(value)) => return LibcallReturn { value, failed: 0 },
        Ok(Err(stop)) => match stop.into() {
            // SAFETY: the body has returned, and with it the borrow that it had (invariant 12); the anchor is that of the exit, as
            // the caller promises (invariant 4).
            Stop::Thrown(number) if unsafe { (*store).find_handler(anchor, number) } => {
                return LibcallReturn { value: 0, failed: u64::from(status::CAUGHT) };
            }
            Stop::Thrown(number) => Unwind::Exception(number),
            Stop::Error(error) => match error.kind() {
                ErrorKind::Trap(code) => Unwind::Trap(*code),
                _ => Unwind::Host(error),
            },
        },
        Err(payload) => Unwind::Panic(payload),
    };
    // SAFETY: the body has returned, and with it the borrow that it had (invariant 12).
    unsafe { (*store).unwind = Some(unwind) };
    LibcallReturn { value: 0, failed: u64::from(status::LANDED) }
}

/// Why a libcall does not return.
enum Stop {
    /// A trap, or an error of the host.
    Error(Error),
    /// An exception of the store is thrown.
    Thrown(u32),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

macro_rules! define {
    (@type I32) => { u32 };
    (@type I64) => { u64 };
    ($($variant:ident, $name:ident ($($param:ident: $ty:ident),*) $(-> $result:ident)?;)*) => {
        /// What fixed code calls, in the order of [`Libcall::ALL`].
        pub static TABLE: [Address; Libcall::ALL.len()] = [$(Address(entry::$name as *const ())),*];

        mod entry {
            use super::*;

            $(/// # Safety
            /// As for [`run`].
            pub unsafe extern "C" fn $name(anchor: usize, $($param: define!(@type $ty)),*) -> LibcallReturn {
                // SAFETY: fixed code calls this, with the anchor under which wasm has made the libcall (invariant 4).
                unsafe { run(anchor, |site| body::$name(site, $($param),*)) }
            })*
        }
    };
}
epsilon_abi::for_each_libcall!(define);

/// Behind the slot of a function without code: returns the address of its code.
///
/// # Safety
/// `anchor` must be that of an instance of the module that `index` is of, under which the slot was called.
pub unsafe extern "C" fn materialise(anchor: usize, index: u32) -> LibcallReturn {
    let body = |site: Site<'_>| -> Result<u64> {
        let module = site.instance().module.clone();
        let address = module.materialise_for_call(DefinedFuncIndex(index), &site.store.vm)?;
        // The code may be such that notes are wanted again of where this thread is.
        crate::exit::signal::prepare(site.store.prepared_key())?;
        Ok(address as u64)
    };
    // SAFETY: as the caller promises (invariant 4).
    unsafe { run(anchor, body) }
}

mod body {
    use super::*;

    pub fn memory_grow(site: Site<'_>, memory: u32, delta_pages: u64) -> Result<u64> {
        let memory = site.memory(memory);
        old_size_or_minus_one(site.store.grow_memory(memory, delta_pages))
    }

    pub fn memory_fill(site: Site<'_>, memory: u32, dst: u64, value: u32, len: u64) -> Result<u64> {
        let memory = site.memory(memory);
        let memory = &mut site.store.memories[memory as usize];
        let range = memory_range(dst, len, memory.len_bytes())?;
        match memory {
            StoreMemory::Own(memory) => memory.bytes_mut()[range].fill(value as u8),
            StoreMemory::Shared(memory) => memory.fill(range, value as u8)?,
        }
        Ok(0)
    }

    pub fn memory_copy(site: Site<'_>, dst_memory: u32, src_memory: u32, dst: u64, src: u64, len: u64) -> Result<u64> {
        let (dst_memory, src_memory) = (site.memory(dst_memory) as usize, site.memory(src_memory) as usize);
        let memories = &mut site.store.memories;
        let source = memory_range(src, len, memories[src_memory].len_bytes())?;
        let target = memory_range(dst, len, memories[dst_memory].len_bytes())?;
        if memories[dst_memory].as_shared().or(memories[src_memory].as_shared()).is_some() {
            // SAFETY: both ranges lie in memories of the store, as was just checked, and those never shrink while it runs
            // (invariant 16). Others may write there meanwhile, and no reference leads there: into the store's own memories one
            // would borrow the store (invariants 12 and 18).
            unsafe {
                let (to, from) = (memories[dst_memory].base(), memories[src_memory].base());
                copy_racing(to.add(target.start), from.add(source.start), target.len());
            }
            return Ok(0);
        }
        if dst_memory == src_memory {
            memories[dst_memory].own_mut().bytes_mut().copy_within(source, target.start);
            return Ok(0);
        }
        let [to, from] = memories.get_disjoint_mut([dst_memory, src_memory]).expect("two memories of the store");
        to.own_mut().bytes_mut()[target].copy_from_slice(&from.own().bytes()[source]);
        Ok(0)
    }

    pub fn memory_init(site: Site<'_>, memory: u32, segment: u32, dst: u64, src: u64, len: u64) -> Result<u64> {
        let (instance, memory) = (site.instance, site.memory(memory));
        site.store.init_memory(instance, memory, DataIndex(segment), dst, src, len)?;
        Ok(0)
    }

    pub fn data_drop(site: Site<'_>, segment: u32) -> Result<u64> {
        site.store.instances[site.instance as usize].drop_data(DataIndex(segment));
        Ok(0)
    }

    pub fn table_grow(site: Site<'_>, table: u32, delta: u64, init: u64) -> Result<u64> {
        let table = site.table(table);
        old_size_or_minus_one(site.store.grow_table(table, delta, init))
    }

    pub fn table_fill(site: Site<'_>, table: u32, dst: u64, value: u64, len: u64) -> Result<u64> {
        let table = site.table(table);
        site.store.fill_table(table, dst, value, len)?;
        Ok(0)
    }

    pub fn table_copy(site: Site<'_>, dst_table: u32, src_table: u32, dst: u64, src: u64, len: u64) -> Result<u64> {
        let (dst_table, src_table) = (site.table(dst_table), site.table(src_table));
        site.store.copy_table(dst_table, src_table, dst, src, len)?;
        Ok(0)
    }

    pub fn table_init(site: Site<'_>, table: u32, segment: u32, dst: u64, src: u64, len: u64) -> Result<u64> {
        let (instance, table) = (site.instance, site.table(table));
        site.store.init_table(instance, table, ElemIndex(segment), dst, src, len)?;
        Ok(0)
    }

    pub fn elem_drop(site: Site<'_>, segment: u32) -> Result<u64> {
        site.store.instances[site.instance as usize].drop_elements(ElemIndex(segment));
        Ok(0)
    }

    pub fn table_get_func(site: Site<'_>, table: u32, index: u64) -> Result<u64> {
        let table = site.table(table) as usize;
        let rows = site.store.tables[table].rows_ref().expect("a function table");
        let range = checked_range(index, 1, rows.len())?;
        match rows[range.start].entry {
            0 => Ok(0),
            entry => Ok(site.store.func_ref(entry)? as u64),
        }
    }

    pub fn table_set_func(site: Site<'_>, table: u32, index: u64, value: u64) -> Result<u64> {
        let table = site.table(table);
        site.store.fill_table(table, index, value, 1)?;
        Ok(0)
    }

    pub fn ref_func(site: Site<'_>, func: u32) -> Result<u64> {
        let entry = site.instance().entry_of(FuncIndex(func));
        Ok(site.store.func_ref(entry)? as u64)
    }

    pub fn exception_new(site: Site<'_>, tag: u32) -> Result<u64> {
        let tag = site.instance().tags[tag as usize];
        let number = site.store.new_exception(tag)?;
        let (_, fields) = site.store.exceptions.look(number).expect("just made");
        Ok(fields as u64)
    }

    pub fn throw(_: Site<'_>, fields: u64) -> Result<u64, Stop> {
        // SAFETY: generated code passes what `exception_new` gave it, without a call between the two in which the exception could
        // be collected (invariant 14).
        Err(Stop::Thrown(unsafe { number_of_fields(fields as *const VmGlobal) }))
    }

    pub fn throw_ref(_: Site<'_>, exception: u32) -> Result<u64, Stop> {
        match exception {
            0 => Err(Stop::Error(Trap::NullReference.into())),
            number => Err(Stop::Thrown(number)),
        }
    }

    pub fn is_subtype(site: Site<'_>, ty: u32, of: u32) -> Result<u64> {
        Ok(u64::from(site.store.runtime.signatures().is_subtype(ty, of)))
    }

    pub fn gc_alloc(site: Site<'_>, record: u32, length: u32) -> Result<u64> {
        Ok(site.store.new_object(record, length)?.into())
    }

    pub fn gc_array_new_data(site: Site<'_>, ty: u32, segment: u32, offset: u32, length: u32) -> Result<u64> {
        let (ty, segment) = (TypeIndex(ty), DataIndex(segment));
        Ok(site.store.array_new_data(site.instance, ty, segment, offset, length)?.into())
    }

    pub fn gc_array_new_elem(site: Site<'_>, ty: u32, segment: u32, offset: u32, length: u32) -> Result<u64> {
        let (ty, segment) = (TypeIndex(ty), ElemIndex(segment));
        Ok(site.store.array_new_elem(site.instance, ty, segment, offset, length)?.into())
    }

    pub fn gc_array_init_data(
        site: Site<'_>,
        segment: u32,
        array: u32,
        dst: u32,
        src: u32,
        length: u32,
    ) -> Result<u64> {
        site.store.array_init_data(site.instance, DataIndex(segment), array, dst, src, length)?;
        Ok(0)
    }

    pub fn gc_array_init_elem(
        site: Site<'_>,
        segment: u32,
        array: u32,
        dst: u32,
        src: u32,
        length: u32,
    ) -> Result<u64> {
        site.store.array_init_elem(site.instance, ElemIndex(segment), array, dst, src, length)?;
        Ok(0)
    }

    pub fn gc_array_copy(
        site: Site<'_>,
        dst_array: u32,
        dst: u32,
        src_array: u32,
        src: u32,
        length: u32,
    ) -> Result<u64> {
        site.store.array_copy(dst_array, dst, src_array, src, length)?;
        Ok(0)
    }

    pub fn gc_is_subtype(site: Site<'_>, record: u32, of: u32) -> Result<u64> {
        Ok(site.store.heap().records().is_subtype(record, of).into())
    }

    pub fn gc_describe(site: Site<'_>, reference: u32) -> Result<u64> {
        Ok(site.store.describe_object(reference))
    }

    pub fn func_of_number(site: Site<'_>, number: u32) -> Result<u64> {
        site.store.func_of_number(number)
    }

    pub fn atomic_wait32(site: Site<'_>, memory: u32, address: u64, expected: u32, timeout_ns: u64) -> Result<u64> {
        wait(site, memory, address, Expected::I32(expected), timeout_ns)
    }

    pub fn atomic_wait64(site: Site<'_>, memory: u32, address: u64, expected: u64, timeout_ns: u64) -> Result<u64> {
        wait(site, memory, address, Expected::I64(expected), timeout_ns)
    }

    fn wait(site: Site<'_>, memory: u32, address: u64, expected: Expected, timeout_ns: u64) -> Result<u64> {
        let memory = &site.store.memories[site.memory(memory) as usize];
        let Some(shared) = memory.as_shared() else {
            memory_range(address, expected.width_bytes() as u64, memory.len_bytes())?;
            return Err(Trap::AtomicWaitNonSharedMemory.into());
        };
        // Negative: without end.
        let timeout = u64::try_from(timeout_ns.cast_signed()).ok().map(Duration::from_nanos);
        Ok(shared.wait(address, expected, timeout, Some(&*site.store.vm))? as u64)
    }

    pub fn atomic_notify(site: Site<'_>, memory: u32, address: u64, count: u32) -> Result<u64> {
        let memory = &site.store.memories[site.memory(memory) as usize];
        match memory.as_shared() {
            Some(shared) => Ok(shared.atomic_notify(address, count)?.into()),
            None => {
                memory_range(address, 4, memory.len_bytes())?;
                Ok(0)
            }
        }
    }
}
