//! Records of structure and array types, one for each canonical type of an engine: what casts compare, and where the
//! collector learns what an object consists of.
//!
//! All of an engine lie in one region, whose offsets are what objects have in their headers. It is readable as a whole, so
//! that whatever a header holds leads, masked, to bytes that can be read.

use crate::base::error::{Error, Result};
use crate::sys::mapping::{Access, Mapping};
use epsilon_abi::heap::{
    DISPLAY_LEN, RECORD_BYTES, RECORD_MASK, RECORDS_BYTES, StructLayout, TypeKind, TypeRecord, storage_bytes,
};
use epsilon_abi::{CompositeType, RefRepr, StorageType, ValType};
use std::collections::BTreeMap;

/// The records of an engine.
#[derive(Default)]
pub struct Records {
    /// Made with the first record.
    mapping: Option<Mapping>,
    /// Where none was yet.
    next: u32,
    /// Up to where the region can be written. What lies behind counts against no limit of data.
    writable: u32,
    /// Places that are free again, by how many records fit there.
    free: BTreeMap<u32, Vec<u32>>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("next", &self.next).finish_non_exhaustive()
    }
}

/// So much more is made writable at a time.
const STEP_BYTES: u32 = 64 << 10;

/// Words of a structure that one record describes. Others are described by pairs of maps behind it.
const WORDS_IN_MAP: u32 = 64;

/// Pairs of maps that fit where a record would.
const PAIRS_IN_RECORD: u32 = RECORD_BYTES / 16;

/// What a type's record says, before it has a place.
pub struct Draft {
    kind: TypeKind,
    size: u32,
    /// For each 64 words: which of them are references that the collector follows, and which are to exceptions.
    maps: Vec<(u64, u64)>,
}

impl Draft {
    /// The record of a type; `None` for function types.
    pub fn new(composite: &CompositeType) -> Option<Self> {
        match composite {
            CompositeType::Func(_) => None,
            CompositeType::Array(element) => {
                let (is_reference, is_exception) = reference_of(element.storage);
                let maps = vec![(u64::from(is_reference), u64::from(is_exception))];
                Some(Self { kind: TypeKind::Array, size: storage_bytes(element.storage), maps })
            }
            CompositeType::Struct(fields) => {
                let layout = StructLayout::new(fields);
                let mut maps = vec![(0, 0)];
                for (field, offset) in fields.iter().zip(layout.offsets()) {
                    let (is_reference, is_exception) = reference_of(field.storage);
                    if is_reference || is_exception {
                        let word = offset / 4 - 1;
                        let map = (word / WORDS_IN_MAP) as usize;
                        maps.resize(maps.len().max(map + 1), (0, 0));
                        maps[map].0 |= u64::from(is_reference) << (word % WORDS_IN_MAP);
                        maps[map].1 |= u64::from(is_exception) << (word % WORDS_IN_MAP);
                    }
                }
                Some(Self { kind: TypeKind::Struct, size: layout.size_bytes(), maps })
            }
        }
    }

    /// How many records fit where this one goes with what is behind it.
    pub fn places(&self) -> u32 {
        1 + (self.maps.len() as u32 - 1).div_ceil(PAIRS_IN_RECORD)
    }
}

/// Whether the collector follows what is stored, and whether it is a reference to an exception.
fn reference_of(storage: StorageType) -> (bool, bool) {
    match storage {
        StorageType::Val(ValType::Ref(ty)) if ty.repr() == RefRepr::Index => (!ty.is_exception(), ty.is_exception()),
        _ => (false, false),
    }
}

impl Records {
    /// Puts a record of a type in its place: `id` is canonical, `supertype` the place of the supertype's record.
    ///
    /// # Errors
    /// If the system has no address space, or there is no room.
    pub fn add(&mut self, draft: &Draft, id: u32, supertype: Option<u32>) -> Result<u32> {
        let view = self.view_or_new()?;
        let place = self.take(draft.places())?;
        let parent = supertype.map(|at| *view.record(at));
        let depth = parent.map_or(0, |parent| parent.depth + 1);
        let mut display = parent.map_or([0; DISPLAY_LEN], |parent| parent.display);
        if let Some(own) = display.get_mut(depth as usize) {
            *own = place;
        }
        let record = TypeRecord {
            kind: draft.kind as u32,
            depth,
            size: draft.size,
            id,
            ref_info: draft.maps[0].0,
            exn_info: draft.maps[0].1,
            display,
            more: draft.maps.len() as u32 - 1,
            supertype: supertype.unwrap_or(0),
            rest: [0; 6],
        };
        let base = self.mapping.as_ref().expect("made above").base();
        // SAFETY: `take` gives room for so many records in our mapping that nothing else uses (invariant 16); the maps behind
        // the record fit it by `places`. Nobody has the place of the record yet (invariant 11).
        unsafe {
            let at = base.add(place as usize);
            at.cast::<TypeRecord>().write(record);
            let behind = at.add(RECORD_BYTES as usize).cast::<[u64; 2]>();
            for (n, map) in draft.maps[1..].iter().enumerate() {
                behind.add(n).write([map.0, map.1]);
            }
        }
        Ok(place)
    }

    fn take(&mut self, places: u32) -> Result<u32> {
        if let Some(place) = self.free.get_mut(&places).and_then(Vec::pop) {
            return Ok(place);
        }
        let place = self.next;
        let next = places.checked_mul(RECORD_BYTES).and_then(|bytes| place.checked_add(bytes));
        let full = || {
            Error::limit(format!("an engine has at most {} structure and array types", RECORDS_BYTES / RECORD_BYTES))
        };
        let next = next.filter(|next| *next <= RECORDS_BYTES).ok_or_else(full)?;
        if next > self.writable {
            let writable = next.next_multiple_of(STEP_BYTES).min(RECORDS_BYTES);
            let mapping = self.mapping.as_ref().expect("made before places are taken");
            let (from, len) = (self.writable as usize, (writable - self.writable) as usize);
            // SAFETY: the part lies in our own mapping (invariant 16), and writing as well as reading forbids nothing.
            let made = unsafe { mapping.protect(from, len, Access::ReadWrite) };
            made.map_err(|error| Error::system("make memory for types writable", error))?;
            self.writable = writable;
        }
        self.next = next;
        Ok(place)
    }

    /// Takes back the place of a record that nothing names any more.
    pub fn give_back(&mut self, place: u32) {
        let more = self.view().record(place).more;
        self.free.entry(1 + more.div_ceil(PAIRS_IN_RECORD)).or_default().push(place);
    }

    /// The records, for reading.
    ///
    /// # Panics
    /// If there was never any.
    pub fn view(&self) -> RecordsView {
        RecordsView(self.mapping.as_ref().expect("there are types").base())
    }

    /// As [`Self::view`], also if there was never any.
    ///
    /// # Errors
    /// If the system has no address space for them.
    pub fn view_or_new(&mut self) -> Result<RecordsView> {
        if self.mapping.is_none() {
            let mapping = Mapping::anonymous(RECORDS_BYTES as usize, Access::Read);
            self.mapping = Some(mapping.map_err(|error| Error::system("reserve address space for types", error))?);
            self.next = RECORD_BYTES;
        }
        Ok(self.view())
    }
}

/// The records of an engine that lives, for reading.
#[derive(Clone, Copy)]
pub struct RecordsView(*const u8);

// SAFETY: records of types that are in use are written before anything has their places, and never again (invariant 20); the
// address is bound to no thread.
unsafe impl Send for RecordsView {}
// SAFETY: as above (invariant 20).
unsafe impl Sync for RecordsView {}

impl RecordsView {
    /// The address of offset 0.
    pub fn base(self) -> *const u8 {
        self.0
    }

    /// The record that a header names.
    #[inline(always)]
    pub fn record<'a>(self, header: u32) -> &'a TypeRecord {
        // SAFETY: the masked offset lies in the region, which is readable as a whole as long as the engine lives, at a multiple of
        // a record's size; any bits are a record. It is that of a type in use, which nothing writes (invariant 20).
        unsafe { &*self.0.add((header & RECORD_MASK) as usize).cast() }
    }

    /// The maps of a structure type: for each 64 words the references that the collector follows, and those to exceptions.
    #[inline]
    pub fn maps(self, header: u32) -> impl Iterator<Item = (u64, u64)> {
        let record = self.record(header);
        let place = (header & RECORD_MASK) as usize;
        let further = (record.more as usize).min((RECORDS_BYTES as usize - place - RECORD_BYTES as usize) / 16);
        let behind = (0..further).map(move |n| {
            // SAFETY: the pair lies in the region, as `further` was just limited; it is that of a type in use (invariant 20).
            let [references, exceptions] =
                unsafe { self.0.add(place + RECORD_BYTES as usize + 16 * n).cast::<[u64; 2]>().read() };
            (references, exceptions)
        });
        std::iter::once((record.ref_info, record.exn_info)).chain(behind)
    }

    /// Whether the type of an object is the type of a record, or a subtype of it.
    pub fn is_subtype(self, ty: u32, of: u32) -> bool {
        let (mut ty, of) = (ty & RECORD_MASK, of & RECORD_MASK);
        let depth = self.record(of).depth;
        if let Some(ancestor) = self.record(ty).display.get(depth as usize) {
            return *ancestor == of;
        }
        while self.record(ty).depth > depth {
            ty = self.record(ty).supertype & RECORD_MASK;
        }
        ty == of
    }
}
