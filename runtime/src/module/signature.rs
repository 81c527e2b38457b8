//! Canonical ids of types, the same for all modules of an engine, and which types are subtypes of which.
//!
//! Types are equal if their recursion groups are (specification section 3.1.2): a group is kept once, under a form in
//! which types of the group itself are named by position and all others by their canonical ids. Ids are given after
//! full comparison, never from a bare hash. 0 is never given: it marks null rows of tables.
//!
//! A group is kept as long as a [`TypeIds`] names it, or another group that is kept. Ids are given in ascending order, and
//! again only when all have been given: so an id that outlives its type names nothing for a long time. Where it names
//! another type in the end, nothing is left of the first one that could be taken for it.

use crate::base::budget::{Budget, Charge};
use crate::base::error::{Error, Result};
use crate::heap::{Draft, Records, RecordsView};
use crate::threads::fork::RwLock;
use epsilon_abi::heap::RECORD_BYTES;
use epsilon_abi::{CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, TypeDef, TypeIndex, ValType};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The types of an engine. Every change is made of single calls of collections, after all that can be refused; a panic in
/// between leaves types that are kept for longer than they have to be, and no more.
#[derive(Debug)]
pub struct Signatures(RwLock<Registry>);

#[derive(Debug)]
struct Registry {
    /// Each recursion group in canonical form, with the id of its first type.
    firsts: HashMap<Arc<[TypeDef]>, u32>,
    /// The groups by the ids of their first types. The others' follow.
    groups: BTreeMap<u32, Group>,
    /// Where to look for ids that nobody has.
    next: u32,
    /// What casts and the collector know of structure and array types.
    records: Records,
    charge: Charge,
}

#[derive(Debug)]
struct Group {
    form: Arc<[TypeDef]>,
    /// The places of the types' records; 0 for function types.
    records: Box<[u32]>,
    /// How many [`TypeIds`] and groups name it.
    uses: usize,
}

/// Marks a position in the group itself, where a canonical form names a type.
const IN_GROUP: u32 = 1 << 31;

/// Ids of types, which name these types as long as this lives.
pub struct TypeIds {
    ids: Box<[u32]>,
    /// What code compares: of structure and array types the places of their records, of function types the ids.
    words: Box<[u32]>,
    /// The first ids of the groups that are kept for it: each as often as it is counted.
    groups: Vec<u32>,
    signatures: Arc<Signatures>,
}

impl std::ops::Deref for TypeIds {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        &self.ids
    }
}

impl TypeIds {
    /// What code compares to tell types apart: of structure and array types the places of their records, of function types
    /// the ids.
    pub fn words(&self) -> &[u32] {
        &self.words
    }
}

impl Drop for TypeIds {
    fn drop(&mut self) {
        self.signatures.0.write().release(std::mem::take(&mut self.groups));
    }
}

impl Registry {
    /// The id of the first type of a group, which is kept until it is released.
    ///
    /// # Errors
    /// If there is no room for it, or it names types that are not there.
    fn group(&mut self, form: Arc<[TypeDef]>) -> Result<u32> {
        if let Some(first) = self.firsts.get(&form) {
            self.groups.get_mut(first).expect("both lists have it").uses += 1;
            return Ok(*first);
        }
        let mut named = Vec::new();
        for id in ids_in(&form) {
            let gone = || Error::misuse("the type refers to a type that no module of the engine still uses");
            named.push(self.group_of(id).ok_or_else(gone)?.0);
        }
        let len = u32::try_from(form.len()).unwrap_or(IN_GROUP);
        let first = self.unused(len).ok_or_else(|| Error::limit("an engine has at most 2^31 types at a time"))?;
        self.charge.resize(self.charge.bytes().saturating_add(group_bytes(&form)))?;
        let records = self.add_records(first, &form).inspect_err(|_| {
            self.charge.shrink(self.charge.bytes().saturating_sub(group_bytes(&form)));
        })?;
        self.next = first + len;
        self.groups.insert(first, Group { form: form.clone(), records, uses: 1 });
        self.firsts.insert(form, first);
        for first in named {
            self.groups.get_mut(&first).expect("just found").uses += 1;
        }
        Ok(first)
    }

    /// The records of the types of a group that is being made. All are given back if one of them finds no room.
    fn add_records(&mut self, first: u32, form: &[TypeDef]) -> Result<Box<[u32]>> {
        let mut places: Vec<u32> = Vec::with_capacity(form.len());
        for (ty, id) in form.iter().zip(first..) {
            let place = match Draft::new(&ty.composite) {
                None => Ok(0),
                Some(draft) => {
                    let supertype = ty.supertype.map(|TypeIndex(index)| match index & IN_GROUP {
                        0 => self.record(index),
                        _ => places[(index & !IN_GROUP) as usize],
                    });
                    self.records.add(&draft, id, supertype)
                }
            };
            match place {
                Ok(place) => places.push(place),
                Err(error) => {
                    places.into_iter().filter(|place| *place != 0).for_each(|place| self.records.give_back(place));
                    return Err(error);
                }
            }
        }
        Ok(places.into())
    }

    /// The place of a type's record; 0 if it has none.
    fn record(&self, id: u32) -> u32 {
        self.group_of(id).map_or(0, |(first, group)| group.records[(id - first) as usize])
    }

    /// What code compares to tell the type apart.
    fn word(&self, id: u32) -> u32 {
        match self.record(id) {
            0 => id,
            place => place,
        }
    }

    /// Gives up one use of each of these groups, and drops those that are of no use any more.
    fn release(&mut self, mut firsts: Vec<u32>) {
        while let Some(first) = firsts.pop() {
            let Some(group) = self.groups.get_mut(&first) else { continue };
            group.uses -= 1;
            if group.uses > 0 {
                continue;
            }
            let form = group.form.clone();
            firsts.extend(ids_in(&form).into_iter().filter_map(|id| self.group_of(id)).map(|(first, _)| first));
            let gone = self.groups.remove(&first).expect("just found");
            gone.records.iter().filter(|place| **place != 0).for_each(|place| self.records.give_back(*place));
            self.firsts.remove(&form);
            self.charge.shrink(self.charge.bytes().saturating_sub(group_bytes(&form)));
        }
    }

    /// The first of so many ids in a row that nobody has.
    fn unused(&self, len: u32) -> Option<u32> {
        let (mut first, mut again) = (self.next, false);
        loop {
            if first + len >= IN_GROUP {
                if again || len >= IN_GROUP {
                    return None;
                }
                (first, again) = (1, true);
            }
            match self.groups.range(..first + len).next_back() {
                Some((taken, group)) if taken + group.form.len() as u32 > first => {
                    first = taken + group.form.len() as u32;
                }
                _ => return Some(first),
            }
        }
    }

    /// The group that a type is in: its first id, and the group.
    fn group_of(&self, id: u32) -> Option<(u32, &Group)> {
        let (first, group) = self.groups.range(..=id).next_back()?;
        ((id - first) < group.form.len() as u32).then_some((*first, group))
    }

    /// The declared supertype of a type.
    fn supertype(&self, id: u32) -> Option<u32> {
        let (first, group) = self.group_of(id)?;
        let supertype = group.form[(id - first) as usize].supertype?.0;
        Some(if supertype & IN_GROUP == 0 { supertype } else { first + (supertype & !IN_GROUP) })
    }

    fn is_subtype(&self, mut ty: u32, of: u32) -> bool {
        while ty != of {
            match self.supertype(ty) {
                Some(supertype) => ty = supertype,
                None => return false,
            }
        }
        true
    }
}

/// The types of other groups that a canonical form names, each as often as it does.
fn ids_in(form: &[TypeDef]) -> Vec<u32> {
    let ids = RefCell::new(Vec::new());
    let note = |index: TypeIndex| {
        if index.0 & IN_GROUP == 0 {
            ids.borrow_mut().push(index.0);
        }
        index
    };
    form.iter().for_each(|ty| drop(ty.map_types(&note)));
    ids.into_inner()
}

/// What a group is charged with: itself, and its places in the lists.
fn group_bytes(form: &[TypeDef]) -> usize {
    let parts = |ty: &TypeDef| match &ty.composite {
        CompositeType::Func(ty) => size_of_val(&*ty.params) + size_of_val(&*ty.results) + 2 * ALLOCATION_BYTES,
        CompositeType::Struct(fields) => size_of_val(&**fields) + ALLOCATION_BYTES,
        CompositeType::Array(_) => 0,
    };
    let record = |ty: &TypeDef| Draft::new(&ty.composite).map_or(0, |draft| (draft.places() * RECORD_BYTES) as usize);
    let each = |ty: &TypeDef| parts(ty) + record(ty) + size_of::<u32>();
    GROUP_BYTES + size_of_val(form) + form.iter().map(each).sum::<usize>()
}

/// What an allocation takes beside its contents.
const ALLOCATION_BYTES: usize = 16;

/// What a group takes beside its types: in the lists, and in one of what uses it.
const GROUP_BYTES: usize = 192;

impl Signatures {
    /// None yet. Types are charged to `budget`.
    pub fn new(budget: &Budget) -> Self {
        let charge = budget.empty_charge("types");
        Self(RwLock::new(Registry {
            firsts: HashMap::new(),
            groups: BTreeMap::new(),
            next: 1,
            records: Records::default(),
            charge,
        }))
    }

    /// The id of a function type that a host function has: final, without supertype, in a group of its own. References
    /// to types in it are canonical.
    ///
    /// # Errors
    /// If there is no room for it, or it names types that are not there.
    pub fn id(self: &Arc<Self>, ty: &FuncType) -> Result<TypeIds> {
        let composite = CompositeType::Func(ty.clone());
        self.define(TypeDef { is_final: true, supertype: None, rec_group: 0..1, composite })
    }

    /// The id of a type in a group of its own. References to types in it are canonical.
    ///
    /// # Errors
    /// If there is no room for it, or it names types that are not there.
    pub fn define(self: &Arc<Self>, ty: TypeDef) -> Result<TypeIds> {
        let mut registry = self.0.write();
        let first = registry.group([ty].into())?;
        let word = registry.word(first);
        drop(registry);
        Ok(TypeIds { ids: [first].into(), words: [word].into(), groups: vec![first], signatures: self.clone() })
    }

    /// The type of an id, in which all types are named by their ids, and what keeps it; `None` if no type has the id.
    pub fn keep(self: &Arc<Self>, id: u32) -> Option<(TypeIds, TypeDef)> {
        let mut registry = self.0.write();
        let (first, group) = registry.group_of(id)?;
        let name = |index: TypeIndex| match index.0 & IN_GROUP {
            0 => index,
            _ => TypeIndex(first + (index.0 & !IN_GROUP)),
        };
        let ty = group.form[(id - first) as usize].map_types(&name);
        registry.groups.get_mut(&first)?.uses += 1;
        let word = registry.word(id);
        drop(registry);
        Some((TypeIds { ids: [id].into(), words: [word].into(), groups: vec![first], signatures: self.clone() }, ty))
    }

    /// Whether a type can declare another one as its supertype, as far as their structure is concerned (specification
    /// section 3.3.10). Both are canonical.
    pub fn composite_matches(&self, ty: &CompositeType, of: &CompositeType) -> bool {
        let all = |types: &[ValType], of: &[ValType]| {
            types.len() == of.len() && types.iter().zip(of).all(|(ty, of)| self.value_matches(*ty, *of))
        };
        match (ty, of) {
            (CompositeType::Func(ty), CompositeType::Func(of)) => {
                all(&of.params, &ty.params) && all(&ty.results, &of.results)
            }
            (CompositeType::Struct(fields), CompositeType::Struct(of)) => {
                fields.len() >= of.len() && fields.iter().zip(of).all(|(field, of)| self.field_matches(field, of))
            }
            (CompositeType::Array(field), CompositeType::Array(of)) => self.field_matches(field, of),
            _ => false,
        }
    }

    fn field_matches(&self, field: &FieldType, of: &FieldType) -> bool {
        match (field.storage, of.storage) {
            _ if field.mutable || of.mutable => field == of,
            (StorageType::Val(ty), StorageType::Val(of)) => self.value_matches(ty, of),
            (ty, of) => ty == of,
        }
    }

    /// The ids of all types of a module.
    ///
    /// # Errors
    /// If there is no room for them.
    pub fn of_module(self: &Arc<Self>, types: &[TypeDef]) -> Result<TypeIds> {
        // What is there when there is an error is given back when this is dropped, which takes the lock.
        let mut known = TypeIds { ids: [].into(), words: [].into(), groups: Vec::new(), signatures: self.clone() };
        let mut registry = self.0.write();
        let mut ids: Vec<u32> = Vec::with_capacity(types.len());
        while let Some(next) = types.get(ids.len()) {
            let group = next.rec_group.start as usize..next.rec_group.end as usize;
            let name = |index: TypeIndex| match index.index().checked_sub(group.start) {
                Some(place) => TypeIndex(IN_GROUP | place as u32),
                None => TypeIndex(ids[index.index()]),
            };
            let canonical = |ty: &TypeDef| TypeDef { rec_group: 0..group.len() as u32, ..ty.map_types(&name) };
            let first = registry.group(types[group.clone()].iter().map(canonical).collect())?;
            known.groups.push(first);
            ids.extend(first..first + group.len() as u32);
        }
        known.words = ids.iter().map(|id| registry.word(*id)).collect();
        drop(registry);
        known.ids = ids.into();
        Ok(known)
    }

    /// The records of structure and array types.
    ///
    /// # Errors
    /// If the system has no address space for them.
    pub fn records(&self) -> Result<RecordsView> {
        self.0.write().records.view_or_new()
    }

    /// What code compares to tell a type apart.
    pub fn word(&self, id: u32) -> u32 {
        self.0.read().word(id)
    }

    /// Whether a canonical type is another one or a subtype of it.
    pub fn is_subtype(&self, ty: u32, of: u32) -> bool {
        ty == of || self.0.read().is_subtype(ty, of)
    }

    /// Whether values of a type are values of another one (specification section 3.3). Both are canonical.
    pub fn value_matches(&self, ty: ValType, of: ValType) -> bool {
        match (ty, of) {
            (ValType::Ref(ty), ValType::Ref(of)) => self.reference_matches(ty, of),
            _ => ty == of,
        }
    }

    fn reference_matches(&self, ty: RefType, of: RefType) -> bool {
        (of.nullable || !ty.nullable) && self.heap_matches(ty.heap, of.heap)
    }

    fn heap_matches(&self, ty: HeapType, of: HeapType) -> bool {
        heap_matches(ty, of, &|ty, of| self.is_subtype(ty, of))
    }
}

/// Whether what a type refers to is also of another one; `is_subtype` says so of types that are defined.
pub fn heap_matches(ty: HeapType, of: HeapType, is_subtype: &dyn Fn(u32, u32) -> bool) -> bool {
    use HeapType::{
        Any, Array, ConcreteArray, ConcreteFunc, ConcreteStruct, Eq, Exn, Extern, Func, I31, NoExn, NoExtern, NoFunc,
        None, Struct,
    };
    match (ty, of) {
        (ConcreteFunc(ty), ConcreteFunc(of))
        | (ConcreteStruct(ty), ConcreteStruct(of))
        | (ConcreteArray(ty), ConcreteArray(of)) => is_subtype(ty.0, of.0),
        (ConcreteFunc(_) | NoFunc, Func)
        | (NoFunc, ConcreteFunc(_))
        | (NoExtern, Extern)
        | (NoExn, Exn)
        | (ConcreteStruct(_), Struct)
        | (ConcreteArray(_), Array)
        | (ConcreteStruct(_) | ConcreteArray(_) | Struct | Array | I31, Eq)
        | (ConcreteStruct(_) | ConcreteArray(_) | Struct | Array | I31 | Eq, Any)
        | (None, ConcreteStruct(_) | ConcreteArray(_) | Struct | Array | I31 | Eq | Any) => true,
        _ => ty == of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn func(params: &[ValType], supertype: Option<u32>, rec_group: std::ops::Range<u32>) -> TypeDef {
        let composite = CompositeType::Func(FuncType::new(params, []));
        TypeDef { is_final: false, supertype: supertype.map(TypeIndex), rec_group, composite }
    }

    fn reference(index: u32) -> ValType {
        ValType::Ref(RefType { nullable: true, heap: HeapType::ConcreteFunc(TypeIndex(index)) })
    }

    fn signatures() -> (Budget, Arc<Signatures>) {
        let budget = Budget::of_engine(1 << 20);
        let signatures = Arc::new(Signatures::new(&budget));
        (budget, signatures)
    }

    #[test]
    fn equal_types_share_an_id_and_none_is_zero() {
        let (_, signatures) = signatures();
        let id = |ty| signatures.id(&ty).expect("room");
        let (a, b) = (id(FuncType::new([ValType::I32], [])), id(FuncType::new([], [ValType::I32])));
        assert_eq!(id(FuncType::new([ValType::I32], []))[0], a[0]);
        assert!(a[0] != b[0] && a[0] != 0 && b[0] != 0);
    }

    #[test]
    fn recursion_groups_are_compared_as_a_whole() {
        let (_, signatures) = signatures();
        let pair = |first: u32| {
            [func(&[reference(first + 1)], None, first..first + 2), func(&[reference(first)], None, first..first + 2)]
        };
        let one = signatures.of_module(&pair(0)).expect("room");
        let shifted: Vec<_> = [func(&[ValType::I64], None, 0..1)].into_iter().chain(pair(1)).collect();
        assert_eq!(signatures.of_module(&shifted).expect("room")[1..], one[..]);
        // The same types in groups of their own are others.
        let alone = [func(&[reference(0)], None, 0..1), func(&[reference(0)], None, 1..2)];
        let alone = signatures.of_module(&alone).expect("room");
        assert!(alone.iter().all(|id| !one.contains(id)) && alone[0] != alone[1]);
    }

    #[test]
    fn subtypes_follow_declared_supertypes() {
        let (_, signatures) = signatures();
        let chain = [func(&[], None, 0..1), func(&[], Some(0), 1..2), func(&[], Some(1), 2..3), func(&[], None, 3..4)];
        let ids = signatures.of_module(&chain).expect("room");
        assert_eq!(ids[3], ids[0]);
        assert!(signatures.is_subtype(ids[2], ids[0]) && !signatures.is_subtype(ids[0], ids[2]));
        assert!(signatures.value_matches(reference(ids[2]), reference(ids[1])));
        assert!(signatures.value_matches(reference(ids[2]), ValType::FUNCREF));
        assert!(!signatures.value_matches(ValType::FUNCREF, reference(ids[2])));
        assert!(!signatures.is_subtype(u32::MAX, ids[0]) && !signatures.is_subtype(0, ids[0]));
    }

    #[test]
    fn types_go_with_their_last_user() {
        let (budget, signatures) = signatures();
        // A host's type that names a module's keeps it when the module is gone.
        let module = signatures.of_module(&[func(&[ValType::I32], None, 0..1)]).expect("room");
        let host = signatures.id(&FuncType::new([reference(module[0])], [])).expect("room");
        let first = module[0];
        drop(module);
        let again = signatures.of_module(&[func(&[ValType::I32], None, 0..1)]).expect("room");
        assert_eq!(again[0], first);
        drop((again, host));
        assert_eq!(budget.used_bytes(), 0);
        let error = signatures.id(&FuncType::new([reference(first)], [])).map(drop).expect_err("nobody has it");
        assert!(error.to_string().contains("no module of the engine still uses"), "{error}");
        let later = signatures.of_module(&[func(&[ValType::I32], None, 0..1)]).expect("room");
        assert_ne!(later[0], first, "an id that names nothing names nothing else at once");
        drop(later);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_module_whose_types_do_not_fit_leaves_none() {
        let (budget, signatures) = signatures();
        let kept = signatures.id(&FuncType::new([ValType::F64], [])).expect("room");
        let used = budget.used_bytes();
        let params = |n: u32| [ValType::I32, ValType::I64].repeat(n as usize);
        let types: Vec<_> = (0..1000).map(|n| func(&params(n), None, n..n + 1)).collect();
        let error = signatures.of_module(&types).map(drop).expect_err("too many");
        assert!(error.to_string().contains("types need"), "{error}");
        assert_eq!(budget.used_bytes(), used);
        assert_eq!(signatures.of_module(&types[..10]).expect("room").len(), 10);
        drop(kept);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn ids_are_given_again_when_all_have_been_given() {
        let (_, signatures) = signatures();
        let one = |n: usize| signatures.id(&FuncType::new(vec![ValType::I32; n], [])).expect("room");
        let kept = [one(0), one(1), one(2)];
        assert_eq!(kept[1][0], 2);
        signatures.0.write().next = IN_GROUP - 2;
        let last = one(3);
        let pair = signatures.of_module(&[func(&[], None, 0..2), func(&[], None, 0..2)]).expect("room");
        assert_eq!((last[0], &pair[..]), (IN_GROUP - 2, &[4, 5][..]));
        drop(kept);
        signatures.0.write().next = IN_GROUP - 1;
        assert_eq!(one(4)[0], 1);
    }
}
