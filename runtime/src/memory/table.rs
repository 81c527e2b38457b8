//! Tables: rows of functions, or 32-bit references.

use crate::base::alloc;
use crate::base::budget::{Budget, Charge};
use crate::base::error::{Error, Result};
use crate::base::limits::{NotGrown, ResourceLimiter};
use crate::embed::func::Func;
use crate::embed::value::Ref;
use crate::memory::bounds::checked_range;
use crate::store::inner::{AsContext, AsContextMut, StoreId, StoreInner};
use crate::types;
use epsilon_abi::TrapCode as Trap;
use epsilon_abi::vm::{VmFuncRow, VmTable};
use epsilon_abi::{RefRepr, RefType, TableType, ValType};
use std::ops::Range;

/// Tables do not grow beyond this many elements, whatever their types say: 160 MB of rows.
const MAX_ELEMENTS: u64 = 10_000_000;

/// What a table takes beside its elements, roughly.
const FIXED_BYTES: usize = 256;

/// What is charged for tables.
const WHAT: &str = "tables";

/// A null element of a function table.
pub const NULL_ROW: VmFuncRow = VmFuncRow { code: 0, signature: 0, entry: 0 };

/// A table as the store owns it.
pub struct TableData {
    ty: TableType,
    /// The words that machine code reads; they stay where they are while the elements move.
    def: Box<VmTable>,
    elements: Elements,
    /// The anchor of the instance whose code alone reads the rows, until another one imports the table: they hold code
    /// for that anchor.
    private_anchor: Option<usize>,
    /// How many elements it may have, whatever its type says.
    most_elements: usize,
    charge: Charge,
}

enum Elements {
    Functions(Vec<VmFuncRow>),
    References(Vec<u32>),
}

// SAFETY: the pointer in the words leads into the table's own vector, bound to no thread; machine code follows it while the store
// is borrowed exclusively (invariants 12 and 13).
unsafe impl Send for TableData {}
// SAFETY: `&TableData` only reads; elements change under an exclusive borrow of the store alone (invariant 12).
unsafe impl Sync for TableData {}

impl TableData {
    fn new(ty: TableType, budget: &Budget) -> Result<Self> {
        let len = usize::try_from(ty.limits.min).ok().filter(|len| *len as u64 <= MAX_ELEMENTS);
        let len = len.ok_or_else(|| {
            Error::limit(format!("{ty} is larger than the {MAX_ELEMENTS} elements that a table may have"))
        })?;
        let charge = budget.charge(FIXED_BYTES + len * element_bytes(&ty), WHAT)?;
        let elements = match ty.element.repr() {
            RefRepr::Func => Elements::Functions(alloc::zeroed(len, "a table")?),
            RefRepr::Index => Elements::References(alloc::zeroed(len, "a table")?),
        };
        let def = Box::new(VmTable { base: std::ptr::null_mut(), len_elements: 0 });
        let mut table = Self { ty, def, elements, private_anchor: None, most_elements: usize::MAX, charge };
        table.refresh();
        Ok(table)
    }

    /// Lets the table never have more than so many elements, whatever its type says.
    pub fn limit_to(&mut self, most_elements: usize) {
        self.most_elements = most_elements;
    }

    /// Makes this the table of one instance. It is still empty.
    pub fn make_private(&mut self, anchor: usize) {
        self.private_anchor = Some(anchor);
    }

    /// The anchor for which rows may hold direct code.
    pub fn private_anchor(&self) -> Option<usize> {
        self.private_anchor
    }

    /// Type of the elements.
    pub fn element(&self) -> RefType {
        self.ty.element
    }

    /// The type, with the present size as the minimum.
    pub fn ty(&self) -> TableType {
        let mut ty = self.ty;
        ty.limits.min = self.len() as u64;
        ty
    }

    /// The words that machine code reads.
    pub fn def(&self) -> *mut VmTable {
        (&raw const *self.def).cast_mut()
    }

    /// Address of element 0.
    pub fn base(&self) -> *mut u8 {
        self.def.base
    }

    /// Size in elements.
    pub fn len(&self) -> usize {
        match &self.elements {
            Elements::Functions(rows) => rows.len(),
            Elements::References(references) => references.len(),
        }
    }

    /// The rows of a function table.
    pub fn rows(&mut self) -> Option<&mut [VmFuncRow]> {
        match &mut self.elements {
            Elements::Functions(rows) => Some(rows),
            Elements::References(_) => None,
        }
    }

    /// The rows of a function table.
    pub fn rows_ref(&self) -> Option<&[VmFuncRow]> {
        match &self.elements {
            Elements::Functions(rows) => Some(rows),
            Elements::References(_) => None,
        }
    }

    /// The references of any other table.
    pub fn references_ref(&self) -> Option<&[u32]> {
        match &self.elements {
            Elements::References(references) => Some(references),
            Elements::Functions(_) => None,
        }
    }

    /// References that the collector follows.
    pub fn traced(&mut self) -> Option<&mut [u32]> {
        match &mut self.elements {
            Elements::References(references) if self.ty.element.is_traced() => Some(references),
            _ => None,
        }
    }

    /// Back to so many null elements.
    /// A table that never grew stays where it is: its elements keep their allocation.
    pub fn reset(&mut self, len: usize) {
        match &mut self.elements {
            Elements::Functions(rows) => {
                rows.clear();
                rows.resize(len, NULL_ROW);
            }
            Elements::References(references) => {
                references.clear();
                references.resize(len, 0);
            }
        }
        self.charge.shrink(FIXED_BYTES + len * element_bytes(&self.ty));
        self.refresh();
    }

    fn max_elements(&self) -> u64 {
        self.ty.limits.max.unwrap_or(MAX_ELEMENTS).min(MAX_ELEMENTS).min(self.most_elements as u64)
    }

    /// Grows by `delta` null elements.
    ///
    /// # Errors
    /// If the budget or the system refuses. The table is what it was then.
    fn grow(&mut self, delta: usize) -> Result<()> {
        let len = self.len() + delta;
        self.charge.resize(FIXED_BYTES + len * element_bytes(&self.ty))?;
        let grown = match &mut self.elements {
            Elements::Functions(rows) => grow_vec(rows, len, NULL_ROW),
            Elements::References(references) => grow_vec(references, len, 0),
        };
        if grown.is_err() {
            self.charge.shrink(FIXED_BYTES + self.len() * element_bytes(&self.ty));
        }
        self.refresh();
        grown
    }

    fn refresh(&mut self) {
        let base = match &mut self.elements {
            Elements::Functions(rows) => rows.as_mut_ptr().cast(),
            Elements::References(references) => references.as_mut_ptr().cast(),
        };
        *self.def = VmTable { base, len_elements: self.len() };
    }
}

fn element_bytes(ty: &TableType) -> usize {
    match ty.element.repr() {
        RefRepr::Func => size_of::<VmFuncRow>(),
        RefRepr::Index => size_of::<u32>(),
    }
}

/// Makes a vector longer: with room to grow, or if there is no memory for that, without.
fn grow_vec<T: Copy>(vec: &mut Vec<T>, len: usize, fill: T) -> Result<()> {
    let more = len - vec.len();
    if vec.try_reserve(more).is_err() {
        vec.try_reserve_exact(more).map_err(|_| alloc::no_memory("a table", len * size_of::<T>()))?;
    }
    vec.resize(len, fill);
    Ok(())
}

/// A table of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub(crate) store: StoreId,
    pub(crate) index: u32,
}

impl Table {
    /// A new table, made by the host, with `init` in every element.
    ///
    /// # Errors
    /// If no table can have the type, `init` is of another one or another store, or limits are reached.
    pub fn new(mut store: impl AsContextMut, ty: types::TableType, init: Ref) -> Result<Self> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let ty = ty.to_abi(inner.runtime.signatures())?;
        if ty.limits.max.is_some_and(|max| max < ty.limits.min) {
            return Err(Error::misuse(format!("invalid table type {ty}: its minimum exceeds its maximum")));
        }
        let bits = inner.ref_to_bits(&init, ty.element)?;
        inner.keep_type_of(ValType::Ref(ty.element))?;
        let table = inner.new_table(ty)?;
        if bits != 0 {
            inner.fill_table(table.index, 0, bits, ty.limits.min)?;
        }
        Ok(table)
    }

    /// The type, with the present size as the minimum.
    ///
    /// # Panics
    /// If the table is of another store.
    pub fn ty(&self, store: impl AsContext) -> types::TableType {
        let context = store.as_context();
        let inner = context.inner();
        types::TableType::of_abi(inner.runtime.signatures(), self.data(inner).ty())
    }

    /// Size in elements.
    ///
    /// # Panics
    /// If the table is of another store.
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.data(store.as_context().inner()).len() as u64
    }

    /// The element at `index`; `None` outside of the table.
    ///
    /// # Panics
    /// If the table is of another store.
    pub fn get(&self, mut store: impl AsContextMut, index: u64) -> Option<Ref> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let table = self.data(inner);
        let index = usize::try_from(index).ok().filter(|index| *index < table.len())?;
        Some(match &table.elements {
            Elements::Functions(rows) => {
                let entry = rows[index].entry;
                Ref::Func((entry != 0).then_some(Func { store: inner.id, entry }))
            }
            Elements::References(references) => {
                let (bits, element) = (references[index], table.element());
                inner.index_ref_from_bits(bits, element)
            }
        })
    }

    /// Sets the element at `index`.
    pub fn set(&self, mut store: impl AsContextMut, index: u64, value: Ref) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "table")?;
        let element = self.data(inner).element();
        let bits = inner.ref_to_bits(&value, element)?;
        inner.fill_table(self.index, index, bits, 1).map_err(|_| {
            let size = self.data(inner).len();
            Error::misuse(format!("index {index} does not lie in a table of {size} elements"))
        })
    }

    /// Grows by `delta` elements of `init`, and returns the old size.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Ref) -> Result<u64> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "table")?;
        let bits = inner.ref_to_bits(&init, self.data(inner).element())?;
        inner.grow_table(self.index, delta, bits).map_err(|not_grown| {
            let ty = self.data(inner).ty();
            not_grown.into_error(|| Error::limit(format!("{ty} cannot grow by {delta} elements")))
        })
    }

    /// Sets `len` elements from `start` on to `value`.
    ///
    /// # Errors
    /// If they do not all lie in the table, or the value is of another type or store. Nothing is changed then.
    pub fn fill(&self, mut store: impl AsContextMut, start: u64, value: Ref, len: u64) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "table")?;
        let bits = inner.ref_to_bits(&value, self.data(inner).element())?;
        Ok(inner.fill_table(self.index, start, bits, len)?)
    }

    /// Copies `len` elements of `src`, from `src_start` on, to `dst`, from `dst_start` on. The tables may be one, and the
    /// ranges may overlap.
    ///
    /// # Errors
    /// If a range does not lie in its table, a table is of another store, or elements of `src` are not of the type that
    /// `dst` has. Nothing is changed then.
    pub fn copy(
        mut store: impl AsContextMut,
        dst: &Self,
        dst_start: u64,
        src: &Self,
        src_start: u64,
        len: u64,
    ) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(dst.store, "table")?;
        inner.check(src.store, "table")?;
        let (to, from) = (dst.data(inner).element(), src.data(inner).element());
        if !inner.runtime.signatures().value_matches(ValType::Ref(from), ValType::Ref(to)) {
            return Err(Error::mismatch("elements to copy", to, from));
        }
        inner.copy_table(dst.index, src.index, dst_start, src_start, len)
    }

    fn data<'a>(&self, inner: &'a StoreInner) -> &'a TableData {
        inner.assert_owns(self.store, "table");
        &inner.tables[self.index as usize]
    }
}

impl StoreInner {
    pub(crate) fn new_table(&mut self, ty: TableType) -> Result<Table> {
        let count = self.tables.len();
        if let Some(limiter) = self.limiter()
            && count >= limiter.tables()
        {
            return Err(Error::limit(format!("the store may hold {count} tables")));
        }
        let max = ty.limits.max.map(|max| max as usize);
        if !self.allows(|limiter| limiter.table_growing(0, ty.limits.min as usize, max))? {
            return Err(Error::limit(format!("the store's limiter refuses {ty}")));
        }
        let table = TableData::new(ty, &self.budget)?;
        alloc::push(&mut self.tables, table, "a list of tables")?;
        Ok(Table { store: self.id, index: count as u32 })
    }

    /// Grows a table; returns its old size.
    pub(crate) fn grow_table(&mut self, index: u32, delta: u64, init: u64) -> Result<u64, NotGrown> {
        let table = &self.tables[index as usize];
        let (old, max) = (table.len(), table.max_elements());
        let Some(len) = (old as u64).checked_add(delta).filter(|len| *len <= max) else {
            return Err(NotGrown::Refused(None));
        };
        let declared = table.ty.limits.max.map(|max| max as usize);
        let ask = |limiter: &mut dyn ResourceLimiter| limiter.table_growing(old, len as usize, declared);
        if !self.allows(ask).map_err(NotGrown::Ended)? {
            return Err(NotGrown::Refused(None));
        }
        if let Err(error) = self.tables[index as usize].grow(delta as usize) {
            self.limiter()
                .map_or(Ok(()), |limiter| limiter.table_grow_failed(Error::limit(error.to_string())))
                .map_err(NotGrown::Ended)?;
            return Err(NotGrown::Refused(Some(error)));
        }
        if init != 0 {
            self.fill_table(index, old as u64, init, delta).map_err(|trap| NotGrown::Ended(trap.into()))?;
        }
        Ok(old as u64)
    }

    /// `table.fill`: `value` is a reference as machine code holds it.
    pub(crate) fn fill_table(&mut self, index: u32, start: u64, value: u64, len: u64) -> Result<(), Trap> {
        let table = &mut self.tables[index as usize];
        let range = checked_range(start, len, table.len())?;
        match &mut table.elements {
            Elements::References(references) => references[range].fill(value as u32),
            Elements::Functions(rows) => {
                // SAFETY: the bits are those of a function reference: what machine code passes is validated to be one, and else
                // `ref_to_bits` or a constant expression has made them, in this store (invariant 17).
                let row = unsafe { self.functions.row_of_bits(value, table.private_anchor) };
                rows[range].fill(row);
            }
        }
        Ok(())
    }

    /// Makes the rows of a table callable under any anchor: an instance imports it. Code of the instance that defines it may
    /// be running, and may call through either kind of row.
    ///
    /// # Errors
    /// If the budget or the system refuses the references that this needs. The rows are what they were then.
    pub(crate) fn share_table(&mut self, index: u32) -> Result<()> {
        let index = index as usize;
        if self.tables[index].private_anchor.is_none() {
            return Ok(());
        }
        if let Some(rows) = self.tables[index].rows_ref() {
            let all = 0..rows.len();
            self.copy_rows_for((index, all.clone()), (index, all), None)?;
        }
        self.tables[index].private_anchor = None;
        Ok(())
    }

    /// `table.copy`. Nothing is written before all functions have the references that the copy needs.
    pub(crate) fn copy_table(&mut self, dst: u32, src: u32, to: u64, from: u64, len: u64) -> Result<()> {
        let (dst, src) = (dst as usize, src as usize);
        let source = checked_range(from, len, self.tables[src].len())?;
        let target = checked_range(to, len, self.tables[dst].len())?;
        let anchor = self.tables[dst].private_anchor;
        let same_view = self.tables[src].private_anchor == anchor;
        if !same_view && self.tables[src].rows_ref().is_some() {
            // One of them is read by a single instance: so they are two tables, and the ranges do not overlap.
            return self.copy_rows_for((dst, target), (src, source), anchor);
        }
        if dst == src {
            match &mut self.tables[dst].elements {
                Elements::Functions(rows) => rows.copy_within(source, target.start),
                Elements::References(references) => references.copy_within(source, target.start),
            }
            return Ok(());
        }
        let [to, from] = self.tables.get_disjoint_mut([dst, src]).expect("two tables of the store");
        match (&mut to.elements, &from.elements) {
            (Elements::Functions(to), Elements::Functions(from)) => to[target].copy_from_slice(&from[source]),
            (Elements::References(to), Elements::References(from)) => to[target].copy_from_slice(&from[source]),
            _ => unreachable!("validated: tables of one type"),
        }
        Ok(())
    }

    /// Copies rows of function tables as they are under an anchor, or under any. The ranges are one, or do not overlap.
    /// Nothing is written before all functions have the references that this needs.
    fn copy_rows_for(
        &mut self,
        (dst, target): (usize, Range<usize>),
        (src, source): (usize, Range<usize>),
        anchor: Option<usize>,
    ) -> Result<()> {
        for write in [false, true] {
            for (to, from) in target.clone().zip(source.clone()) {
                let entry = self.tables[src].rows_ref().expect("a function table")[from].entry;
                let row = self.row_of_entry(entry, anchor)?;
                if write {
                    self.tables[dst].rows().expect("validated: tables of one type")[to] = row;
                }
            }
        }
        Ok(())
    }
}
