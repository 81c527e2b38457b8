//! Where a store refers to objects of its heap and to the host's values, for the collector: wasm frames, globals, tables,
//! element segments, exceptions, and what the host holds. And how the store asks for objects.
//!
//! A collection runs in libcalls that allocate, in host functions, and when no wasm of the store runs: so wasm of the store
//! stands only where calls return to, each with a stack map.

use crate::base::error::{Error, Result};
use crate::base::pool::Place;
use crate::fixed;
use crate::heap::hosts::HostValue;
use crate::heap::{Collection, Environment, Heap, HostMarks, Refusal, RegionSize};
use crate::store::frames::{KnownMaps, MAX_KNOWN};
use crate::store::inner::{AsContext, Store, StoreInner};
use epsilon_abi::TrapCode as Trap;

/// No walk goes on for longer, whatever memory looks like.
const MAX_FRAMES: usize = 1 << 22;

/// Ends the process if a collection panics: half of the objects have moved then.
struct NoWayBack;

impl Drop for NoWayBack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("epsilon: a garbage collection failed half-way; this is a bug of Epsilon");
            std::process::abort();
        }
    }
}

/// What is known of the garbage-collected heap of a store.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct GcStats {
    /// Bytes of objects that are not known to be unused.
    pub used_bytes: usize,
    /// Values of the host that are not known to be unused.
    pub host_values: usize,
    /// How often young objects alone were collected.
    pub minor_collections: u64,
    /// How often all were.
    pub full_collections: u64,
    /// Bytes of objects that collections have copied.
    pub copied_bytes: u64,
}

impl<T: 'static, E: 'static> Store<T, E> {
    /// What is known of the garbage-collected heap.
    pub fn gc_stats(&self) -> GcStats {
        self.as_context().inner().gc_stats()
    }
}

impl Environment for StoreInner {
    fn roots(&mut self, found: &mut dyn FnMut(&mut u32)) {
        let _no_way_back = NoWayBack;
        self.roots.for_each(found);
        for constant in self.collected.constants.iter_mut().filter(|constant| constant.is_traced) {
            let mut reference = constant.bits as u32;
            found(&mut reference);
            constant.bits = reference.into();
        }
        self.tables.iter_mut().filter_map(|table| table.traced()).flatten().for_each(&mut *found);
        self.for_each_global_root(found);
        for instance in &mut self.instances {
            instance.segment_references().for_each(&mut *found);
        }
        self.for_each_exception_field(found);
        self.for_each_frame_root(found);
    }

    fn host_count(&self) -> usize {
        self.hosts.count()
    }

    fn found_hosts(&mut self, marks: &HostMarks) {
        let unused = self.hosts.sweep(marks);
        self.collected.unused.extend(unused);
    }
}

impl StoreInner {
    /// The store's heap, which is made when it is first needed.
    pub(crate) fn heap_or_new(&mut self) -> Result<&mut Heap> {
        if self.heap.is_none() {
            let records = self.runtime.signatures().records()?;
            self.allows(|_| Ok(true))?;
            let settings = self.runtime.settings();
            let size = RegionSize { plan: settings.plan.heap, max_bytes: settings.gc_heap_reservation_bytes };
            let place = self.runtime.pool().map(|pool| pool.take(&[(Place::GcHeap, 1)])).transpose()?;
            self.heap = Some(Box::new(Heap::new(records, size, &self.budget, settings.gc_stress)?));
            self.collected.heap_place = place;
        }
        Ok(self.heap.as_mut().expect("just made"))
    }

    /// The store's heap.
    ///
    /// # Panics
    /// If there is none: but there is one where anything can refer to it.
    pub(crate) fn heap(&self) -> &Heap {
        self.heap.as_ref().expect("a store with objects has a heap")
    }

    /// A new object, zero but for its header and length. All other objects may have moved.
    ///
    /// # Errors
    /// If there is no room: a trap.
    pub(crate) fn new_object(&mut self, record: u32, len: u32) -> Result<u32> {
        self.cover_roots()?;
        let mut refusal = self.allocate(record, len)?;
        if refusal == Err(Refusal::Full) && self.limiter().is_some() {
            // The limit may have been raised.
            self.allows(|_| Ok(true))?;
            refusal = self.allocate(record, len)?;
        }
        self.drop_unused();
        refusal.map_err(|refusal| match refusal {
            Refusal::Full => Trap::OutOfHeap.into(),
            Refusal::TooLarge => Trap::AllocationTooLarge.into(),
        })
    }

    /// Refuses to go on if the host holds more references than there is room for.
    fn cover_roots(&mut self) -> Result<()> {
        if self.roots.is_uncovered() {
            self.allows(|_| Ok(true))?;
            self.roots.cover()?;
        }
        Ok(())
    }

    fn allocate(&mut self, record: u32, len: u32) -> Result<Result<u32, Refusal>> {
        self.heap_or_new()?;
        Ok(self.with_heap(|heap, store| heap.allocate(record, len, store)))
    }

    /// Has the heap at work on the store, which lacks it meanwhile.
    fn with_heap<R>(&mut self, work: impl FnOnce(&mut Heap, &mut Self) -> R) -> R {
        let mut heap = self.heap.take().expect("a store with objects has a heap");
        let no_way_back = NoWayBack;
        let result = work(&mut heap, self);
        drop(no_way_back);
        self.heap = Some(heap);
        result
    }

    /// Frees all objects and values of the host that nothing refers to.
    pub(crate) fn collect_garbage(&mut self) -> Result<()> {
        if self.exceptions.any() {
            self.collect_exceptions();
        }
        self.collect_objects()?;
        self.drop_unused();
        Ok(())
    }

    fn collect_objects(&mut self) -> Result<()> {
        if self.heap.is_some() {
            return self.with_heap(|heap, store| heap.collect(Collection::Full, store));
        }
        let mut marks = HostMarks::new(self.hosts.count())?;
        self.roots(&mut |reference| {
            if let Some(number) = crate::heap::host_number(*reference) {
                marks.mark(number);
            }
        });
        self.found_hosts(&marks);
        Ok(())
    }

    fn gc_stats(&self) -> GcStats {
        let stats = self.heap.as_ref().map(|heap| heap.stats()).unwrap_or_default();
        GcStats {
            used_bytes: self.heap.as_ref().map_or(0, |heap| heap.used_bytes()),
            host_values: self.hosts.used(),
            minor_collections: stats.minor_collections,
            full_collections: stats.full_collections,
            copied_bytes: stats.copied_bytes,
        }
    }

    /// Adds a value of the host that guests can hold: gives its reference, or the value back.
    pub(crate) fn add_host_value(&mut self, value: HostValue) -> Result<u32, (HostValue, Error)> {
        match self.make_room_for_host_value(&value) {
            Ok(()) => Ok(self.hosts.add(value) << 2 | epsilon_abi::heap::HOST_TAG),
            Err(error) => Err((value, error)),
        }
    }

    fn make_room_for_host_value(&mut self, value: &HostValue) -> Result<()> {
        self.cover_roots()?;
        if self.hosts.is_collection_due() {
            self.collect_garbage()?;
        }
        if self.hosts.needs_more(value) {
            self.allows(|_| Ok(true))?;
            if self.hosts.cover(value).is_err() {
                // There may be values that nothing refers to.
                self.collect_garbage()?;
                self.hosts.cover(value)?;
            }
        }
        self.hosts.reserve()
    }

    /// Drops values of the host that a collection has found unused: that runs code of the host.
    fn drop_unused(&mut self) {
        if !self.collected.unused.is_empty() {
            drop(std::mem::take(&mut self.collected.unused));
        }
    }

    fn for_each_global_root(&mut self, found: &mut dyn FnMut(&mut u32)) {
        let mut visit = |global: *mut epsilon_abi::vm::VmGlobal| {
            // SAFETY: the words of a global live as long as its store (invariant 13), which is borrowed exclusively (invariant 12);
            // the low bytes of a reference are the reference (invariant 17).
            found(unsafe { &mut *global.cast::<u32>() });
        };
        for number in 0..self.host_globals.len() as u32 {
            let key = crate::store::global::GlobalKey::Host(number);
            if self.global_type(key).value.is_traced() {
                visit(self.global_address(key));
            }
        }
        for instance in &self.instances {
            instance.traced_globals().for_each(&mut visit);
        }
    }

    /// Calls `found` with each word of wasm frames that the stack maps of their calls name.
    fn for_each_frame_root(&mut self, found: &mut dyn FnMut(&mut u32)) {
        let Some(stack) = &self.stack else { return };
        let frames = stack.lowest()..stack.top() - 15;
        let mut fp = self.vm.exit_fp.get();
        let mut activation = self.activation;
        while !activation.is_null() {
            // SAFETY: the store's activation, and those that it links, are records of calls that have not returned (invariant 15).
            let (outer_fp, previous) = unsafe { ((*activation).exit_fp, (*activation).previous) };
            // An activation that has not run anything leaves the exit record of the one further out.
            if fp != outer_fp {
                self.walk_frames(fp, &frames, found);
            }
            (fp, activation) = (outer_fp, previous);
        }
    }

    fn walk_frames(&mut self, mut fp: usize, frames: &std::ops::Range<usize>, found: &mut dyn FnMut(&mut u32)) {
        for _ in 0..MAX_FRAMES {
            if !frames.contains(&fp) || !fp.is_multiple_of(8) {
                return;
            }
            // SAFETY: both words are on the store's wasm stack, as was just checked, which is mapped as long as an activation
            // runs (invariant 16). The walk began at an exit record, so that a frame begins here (invariant 15).
            let (caller_fp, pc) = unsafe { (*(fp as *const usize), *((fp + 8) as *const usize)) };
            if pc == fixed::enter_return() || caller_fp <= fp {
                return;
            }
            for slot in self.slots_at(pc) {
                let address = caller_fp.wrapping_add_signed(*slot as isize);
                if frames.contains(&address) && address.is_multiple_of(4) {
                    // SAFETY: the word is on the store's wasm stack, as was just checked; a reference lies there while the call
                    // runs, as the compiler says (invariants 15 and 21), and nothing runs on that stack now (invariant 12).
                    found(unsafe { &mut *(address as *mut u32) });
                }
            }
            fp = caller_fp;
        }
    }

    /// The slots of the frame that a call returns to, from its frame pointer.
    fn slots_at(&mut self, pc: usize) -> &[i32] {
        if self.collected.known_maps.0.len() >= MAX_KNOWN {
            self.collected.known_maps = KnownMaps::default();
        }
        if !self.collected.known_maps.0.contains_key(&pc) {
            let slots = self.code_at(pc).map(|(_, code)| code.placed().slots_at(pc)).unwrap_or_default();
            self.collected.known_maps.0.insert(pc, slots.into());
        }
        &self.collected.known_maps.0[&pc]
    }
}

/// An error for a reference that the host no longer holds.
#[cold]
pub fn forgotten(what: &str) -> Error {
    Error::misuse(format!(
        "the {what} is no longer held: its scope has ended; keep it with `OwnedRooted`, or use it before the scope ends"
    ))
}
