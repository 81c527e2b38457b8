//! Heaps against a model of them: random graphs of objects, in normal mode and under stress, with fixed seeds.

use super::*;
use crate::base::error::Result;
use epsilon_abi::{CompositeType, FieldType, HeapPlan, HeapType, RefType, StorageType, ValType};
use std::collections::{HashMap, HashSet};

const ANY: StorageType = StorageType::Val(ValType::Ref(RefType { nullable: true, heap: HeapType::Any }));
const EXN: StorageType = StorageType::Val(ValType::EXNREF);
const FUNC: StorageType = StorageType::Val(ValType::FUNCREF);
const LONG: StorageType = StorageType::Val(ValType::I64);

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }
}

/// Every second region is as small as can be.
fn size_of(seed: u64) -> RegionSize {
    let plan = if seed.is_multiple_of(2) { HeapPlan::Whole } else { HeapPlan::Masked };
    RegionSize { plan, max_bytes: 0 }
}

fn fields(storages: &[StorageType]) -> Box<[FieldType]> {
    storages.iter().map(|storage| FieldType { storage: *storage, mutable: true }).collect()
}

/// What an object of the model holds in a place that the collector follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Held {
    Null,
    I31(u32),
    Host(u32),
    Object(u64),
}

struct Modelled {
    ty: usize,
    len: u32,
    held: Vec<Held>,
    /// In the place of the first that is not a reference.
    payload: u64,
}

/// A type of the test: its record, offsets of its references, and where its payload lies.
struct Type {
    record: u32,
    is_array: bool,
    references: Vec<u32>,
    payload: Option<u32>,
}

/// A heap, and what has to be in it.
struct Model {
    heap: Option<Box<Heap>>,
    types: Vec<Type>,
    objects: HashMap<u64, Modelled>,
    roots: Vec<(u32, Option<u64>)>,
    next_object: u64,
    hosts: Vec<bool>,
    random: Random,
    _records: Box<Records>,
}

struct ModelRoots<'a>(&'a mut Vec<(u32, Option<u64>)>, &'a mut Vec<bool>);

impl Environment for ModelRoots<'_> {
    fn roots(&mut self, found: &mut dyn FnMut(&mut u32)) {
        self.0.iter_mut().for_each(|(reference, _)| found(reference));
    }

    fn host_count(&self) -> usize {
        self.1.len()
    }

    fn found_hosts(&mut self, marks: &HostMarks) {
        for (number, is_used) in self.1.iter_mut().enumerate() {
            *is_used = marks.is_marked(number as u32);
        }
    }
}

impl Model {
    fn new(seed: u64, stress: u32, limit_bytes: usize) -> Result<Self> {
        let budget = Budget::of_engine(limit_bytes);
        let mut records = Box::<Records>::default();
        let wide: Vec<StorageType> = (0..150).map(|n| if n % 7 == 0 { ANY } else { LONG }).collect();
        let structs: [&[StorageType]; 5] =
            [&[ANY, ANY], &[LONG, ANY, StorageType::I8, FUNC, ANY, EXN], &[LONG], &[ANY; 70], &wide];
        let mut types = Vec::new();
        for (n, storages) in structs.into_iter().enumerate() {
            let fields = fields(storages);
            let layout = epsilon_abi::heap::StructLayout::new(&fields);
            let offsets = |wanted| storages.iter().zip(layout.offsets()).filter(move |(of, _)| **of == wanted);
            types.push(Type {
                record: records.add(&Draft::new(&CompositeType::Struct(fields)).expect("a record"), n as u32, None)?,
                is_array: false,
                references: offsets(ANY).map(|(_, at)| at).collect(),
                payload: offsets(LONG).map(|(_, at)| at).next(),
            });
        }
        for storage in [ANY, StorageType::I8, LONG] {
            let composite = CompositeType::Array(FieldType { storage, mutable: true });
            let record = records.add(&Draft::new(&composite).expect("a record"), 100, None)?;
            let payload = (storage == LONG).then_some(8);
            types.push(Type {
                record,
                is_array: true,
                references: if storage == ANY { vec![8] } else { vec![] },
                payload,
            });
        }
        let heap = Some(Box::new(Heap::new(records.view(), size_of(seed), &budget, stress)?));
        let (objects, roots) = (HashMap::new(), vec![(0, None); 40]);
        let hosts = vec![true; 50];
        Ok(Self { heap, types, objects, roots, next_object: 0, hosts, random: Random(seed | 1), _records: records })
    }

    fn heap(&self) -> &Heap {
        self.heap.as_ref().expect("there is a heap")
    }

    fn with_roots<R>(&mut self, f: impl FnOnce(&mut Heap, &mut dyn Environment) -> R) -> R {
        let mut heap = self.heap.take().expect("there is a heap");
        let result = f(&mut heap, &mut ModelRoots(&mut self.roots, &mut self.hosts));
        self.heap = Some(heap);
        result
    }

    /// Makes an object in place of a root.
    fn allocate(&mut self) -> Result<(), Refusal> {
        let ty = self.random.below(self.types.len());
        let len = match self.random.below(60) {
            0 => self.random.below(30_000) as u32,
            1..4 => self.random.below(2_000) as u32,
            _ => self.random.below(20) as u32,
        };
        let record = self.types[ty].record;
        let at = self.with_roots(|heap, roots| heap.allocate(record, len, roots))?;
        let id = self.next_object;
        self.next_object += 1;
        let is_array = self.types[ty].is_array;
        let count = match (is_array, self.types[ty].references.is_empty()) {
            (_, true) => 0,
            (true, _) => len as usize,
            (false, _) => self.types[ty].references.len(),
        };
        let payload = if self.types[ty].payload.is_some() && !(is_array && len == 0) { self.random.next() } else { 0 };
        if payload != 0 {
            let place = at + self.types[ty].payload.expect("just asked");
            self.heap().set(place, 8, payload.into());
        }
        self.objects.insert(id, Modelled { ty, len, held: vec![Held::Null; count], payload });
        let root = self.random.below(self.roots.len());
        self.roots[root] = (at, Some(id));
        Ok(())
    }

    fn place(&self, at: u32, object: &Modelled, n: usize) -> u32 {
        let ty = &self.types[object.ty];
        at + if ty.is_array { 8 + 4 * n as u32 } else { ty.references[n] }
    }

    /// Writes something into an object that a root leads to.
    fn link(&mut self) {
        let (from, to) = (self.random.below(self.roots.len()), self.random.below(self.roots.len()));
        let (at, Some(id)) = self.roots[from] else { return };
        let count = self.objects[&id].held.len();
        if count == 0 {
            return;
        }
        let n = self.random.below(count);
        let (bits, held) = match self.random.below(8) {
            0 => (0, Held::Null),
            1 => {
                let value = self.random.below(1 << 31) as u32;
                (value << 1 | 1, Held::I31(value))
            }
            2 => {
                let number = self.random.below(self.hosts.len()) as u32;
                (number << 2 | 2, Held::Host(number))
            }
            _ => match self.roots[to] {
                (at, Some(id)) => (at, Held::Object(id)),
                _ => (0, Held::Null),
            },
        };
        let place = self.place(at, &self.objects[&id], n);
        self.heap().set(place, 4, bits.into());
        if matches!(held, Held::Object(_)) {
            self.heap().wrote_reference(at);
        }
        self.objects.get_mut(&id).expect("a root leads to it").held[n] = held;
    }

    /// Makes a root of what an object refers to.
    fn follow(&mut self) {
        let from = self.random.below(self.roots.len());
        let (at, Some(id)) = self.roots[from] else { return };
        let object = &self.objects[&id];
        let mut objects = object.held.iter().enumerate().filter(|(_, held)| matches!(held, Held::Object(_)));
        if let Some((n, Held::Object(found))) = objects.next_back() {
            let reference = self.heap().get(self.place(at, object, n), 4) as u32;
            let (to, found) = (self.random.below(self.roots.len()), *found);
            self.roots[to] = (reference, Some(found));
        }
    }

    /// Compares all that the roots lead to, and forgets the rest of the model. Gives how many objects there are, and which
    /// of the host's things are in use.
    fn check(&mut self) -> (usize, HashSet<u32>) {
        let mut places: HashMap<u64, u32> = HashMap::new();
        let mut hosts = HashSet::new();
        let mut todo: Vec<(u32, u64)> = self.roots.iter().filter_map(|(at, id)| Some((*at, (*id)?))).collect();
        while let Some((at, id)) = todo.pop() {
            if let Some(known) = places.insert(id, at) {
                assert_eq!(known, at, "object {id} is in two places");
                continue;
            }
            let object = &self.objects[&id];
            let ty = &self.types[object.ty];
            assert_eq!(self.heap().type_of(at), ty.record, "type of object {id}");
            if ty.is_array {
                assert_eq!(self.heap().len(at), object.len, "length of object {id}");
            }
            if object.payload != 0 {
                let place = at + ty.payload.expect("it has one");
                assert_eq!(self.heap().get(place, 8) as u64, object.payload, "payload of object {id}");
            }
            for (n, held) in object.held.iter().enumerate() {
                let bits = self.heap().get(self.place(at, object, n), 4) as u32;
                match *held {
                    Held::Null => assert_eq!(bits, 0),
                    Held::I31(value) => assert_eq!(bits, value << 1 | 1),
                    Held::Host(number) => {
                        assert_eq!(bits, number << 2 | 2);
                        hosts.insert(number);
                    }
                    Held::Object(to) => todo.push((bits, to)),
                }
            }
        }
        self.objects.retain(|id, _| places.contains_key(id));
        (places.len(), hosts)
    }

    fn run(&mut self, steps: usize, checked_each: usize) {
        for step in 0..steps {
            match self.random.below(10) {
                0..4 => self.allocate().expect("room"),
                4..8 => self.link(),
                8 => self.follow(),
                _ => {
                    let root = self.random.below(self.roots.len());
                    self.roots[root] = (0, None);
                }
            }
            if step % checked_each == 0 {
                self.check();
            }
        }
        self.check();
    }
}

#[test]
fn random_graphs_are_kept_whole() {
    for seed in [1, 2, 3] {
        let mut model = Model::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed), 0, 1 << 30).expect("a heap");
        model.run(60_000, 5_000);
        assert!(model.heap().stats().minor_collections > 5, "{:?}", model.heap().stats());
        let (count, hosts) = model.check();
        model.with_roots(|heap, roots| heap.collect(Collection::Full, roots)).expect("a full collection");
        assert_eq!(model.check(), (count, hosts.clone()), "the same after it");
        let in_use: HashSet<u32> = (0..50).filter(|number| model.hosts[*number as usize]).collect();
        assert_eq!(in_use, hosts, "of the host's, exactly what is referred to");
        model.heap().verify();
    }
}

#[test]
fn random_graphs_are_kept_whole_under_stress() {
    for (seed, stress) in [(11, 1), (12, 1), (13, 7)] {
        let mut model = Model::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed), stress, 1 << 30).expect("a heap");
        model.run(if stress == 1 { 2_500 } else { 8_000 }, 250);
        assert!(model.heap().stats().full_collections > 100, "{:?}", model.heap().stats());
    }
}

#[test]
fn garbage_takes_no_room() {
    let mut model = Model::new(21, 0, 24 << 20).expect("a heap");
    for _ in 0..200_000 {
        model.allocate().expect("all but forty objects are garbage");
    }
    assert!(model.heap().stats().full_collections > 0 || model.heap().used_bytes() < 24 << 20);
    model.check();
}

#[test]
fn a_full_heap_refuses_and_goes_on_when_something_is_dropped() {
    let budget = Budget::of_engine(8 << 20);
    let mut records = Records::default();
    let list = CompositeType::Struct(fields(&[ANY, LONG]));
    let record = records.add(&Draft::new(&list).expect("a record"), 1, None).expect("room");
    let bytes = CompositeType::Array(FieldType { storage: StorageType::I8, mutable: true });
    let bytes = records.add(&Draft::new(&bytes).expect("a record"), 2, None).expect("room");
    let mut heap = Heap::new(records.view(), size_of(0), &budget, 0).expect("a heap");
    for _ in 0..3 {
        let (mut roots, mut hosts) = (vec![(0, None)], vec![]);
        let mut count = 0;
        let refusal = loop {
            match heap.allocate(record, 0, &mut ModelRoots(&mut roots, &mut hosts)) {
                Ok(at) => {
                    heap.set(at + 4, 4, roots[0].0.into());
                    heap.set(at + 8, 8, count);
                    roots[0].0 = at;
                    count += 1;
                }
                Err(refusal) => break refusal,
            }
            assert!(budget.used_bytes() <= 8 << 20);
        };
        assert_eq!(refusal, Refusal::Full);
        assert!(count > 60_000, "only {count} objects of 16 bytes in 8 MiB");
        let (mut at, mut expected) = (roots[0].0, count);
        while at != 0 {
            expected -= 1;
            assert_eq!(heap.get(at + 8, 8), expected);
            at = heap.get(at + 4, 4) as u32;
        }
        assert_eq!(expected, 0);
        let refused = heap.allocate(bytes, 16 << 20, &mut ModelRoots(&mut roots, &mut hosts));
        assert_eq!(refused, Err(Refusal::Full));
        let refused = heap.allocate(bytes, u32::MAX, &mut ModelRoots(&mut roots, &mut hosts));
        assert_eq!(refused, Err(Refusal::TooLarge));
    }
    drop(heap);
    assert_eq!(budget.used_bytes(), 0);
}

#[test]
fn large_objects_stay_and_go() {
    let mut model = Model::new(5, 0, 64 << 20).expect("a heap");
    let array = model.types.iter().position(|ty| ty.is_array && !ty.references.is_empty()).expect("a type");
    let record = model.types[array].record;
    let at = model.with_roots(|heap, roots| heap.allocate(record, 100_000, roots)).expect("room");
    model.objects.insert(0, Modelled { ty: array, len: 100_000, held: vec![Held::Null; 100_000], payload: 0 });
    (model.roots[0], model.next_object) = ((at, Some(0)), 1);
    // What only the large object refers to lives on, wherever in it that stands.
    let pair = model.types[0].record;
    for n in (0..100_000).step_by(100) {
        let young = model.with_roots(|heap, roots| heap.allocate(pair, 0, roots)).expect("room");
        model.heap().set(at + 8 + 4 * n, 4, young.into());
        model.heap().wrote_reference(at);
        let id = model.next_object;
        model.next_object += 1;
        model.objects.insert(id, Modelled { ty: 0, len: 0, held: vec![Held::Null; 2], payload: 0 });
        model.objects.get_mut(&0).expect("there").held[n as usize] = Held::Object(id);
    }
    for kind in [Collection::Minor, Collection::Minor, Collection::Full, Collection::Minor] {
        model.with_roots(|heap, roots| heap.collect(kind, roots)).expect("a collection");
        assert_eq!(model.check().0, 1001);
        assert_eq!(model.roots[0].0, at, "large objects do not move");
    }
    let used = model.heap().used_bytes();
    model.roots[0] = (0, None);
    model.with_roots(|heap, roots| heap.collect(Collection::Full, roots)).expect("a collection");
    assert!(used > 400_000 && model.heap().used_bytes() == 0);
}

#[test]
fn types_name_their_ancestors() {
    let mut records = Records::default();
    let composite = CompositeType::Struct(fields(&[LONG]));
    let mut chain: Vec<u32> = Vec::new();
    for id in 0..20 {
        let draft = Draft::new(&composite).expect("a record");
        chain.push(records.add(&draft, id, chain.last().copied()).expect("room"));
    }
    let other = records.add(&Draft::new(&composite).expect("a record"), 99, Some(chain[3])).expect("room");
    let view = records.view();
    for (n, ty) in chain.iter().enumerate() {
        for (m, of) in chain.iter().enumerate() {
            assert_eq!(view.is_subtype(*ty, *of), n >= m, "{n} of {m}");
        }
        assert!(!view.is_subtype(*ty, other) && view.is_subtype(other, chain[3]) && !view.is_subtype(other, chain[4]));
    }
    records.give_back(other);
    assert_eq!(records.add(&Draft::new(&composite).expect("a record"), 7, None).expect("room"), other);
}
