//! Canonical ids of types, the same for all modules of an engine, and which types are subtypes of which.
//!
//! Types are equal if their recursion groups are (specification section 3.1.2): a group is kept once, under a form in
//! which types of the group itself are named by position and all others by their canonical ids. Ids are given after
//! full comparison, never from a bare hash. 0 is never given: it marks null rows of tables.

use crate::fork::RwLock;
use epsilon_abi::{CompositeType, FuncType, HeapType, RefType, TypeDef, TypeIndex, ValType};
use std::collections::HashMap;

/// The types of an engine. The registry is only ever added to, and a group only once its types are there; so a panic in
/// between leaves numbers that nothing has, and no more.
#[derive(Debug, Default)]
pub struct Signatures(RwLock<Registry>);

#[derive(Debug, Default)]
struct Registry {
    /// Each recursion group in canonical form, with the id of its first type.
    groups: HashMap<Box<[TypeDef]>, u32>,
    /// The declared supertype of each type, by id minus one; 0 where there is none.
    supertypes: Vec<u32>,
}

/// Marks a position in the group itself, where a canonical form names a type.
const IN_GROUP: u32 = 1 << 31;

impl Registry {
    fn group(&mut self, group: Box<[TypeDef]>) -> u32 {
        if let Some(first) = self.groups.get(&group) {
            return *first;
        }
        let first =
            u32::try_from(self.supertypes.len() + 1).ok().filter(|first| *first < IN_GROUP - group.len() as u32);
        let first = first.expect("fewer than 2^31 types");
        let absolute = |index: TypeIndex| match index.0 & IN_GROUP {
            0 => index.0,
            _ => first + (index.0 & !IN_GROUP),
        };
        self.supertypes.extend(group.iter().map(|ty| ty.supertype.map_or(0, absolute)));
        self.groups.insert(group, first);
        first
    }

    fn is_subtype(&self, mut ty: u32, of: u32) -> bool {
        while ty != of {
            match ty.checked_sub(1).and_then(|at| self.supertypes.get(at as usize)) {
                Some(supertype) if *supertype != 0 => ty = *supertype,
                _ => return false,
            }
        }
        true
    }
}

impl Signatures {
    /// The id of a function type that a host function has: final, without supertype, in a group of its own. References
    /// to types in it are canonical.
    pub fn id(&self, ty: &FuncType) -> u32 {
        let composite = CompositeType::Func(ty.clone());
        let group = TypeDef { is_final: true, supertype: None, rec_group: 0..1, composite };
        self.0.write().group([group].into())
    }

    /// The ids of all types of a module.
    pub fn of_module(&self, types: &[TypeDef]) -> Box<[u32]> {
        let mut registry = self.0.write();
        let mut ids: Vec<u32> = Vec::with_capacity(types.len());
        while let Some(next) = types.get(ids.len()) {
            let group = next.rec_group.start as usize..next.rec_group.end as usize;
            let name = |index: TypeIndex| match index.index().checked_sub(group.start) {
                Some(place) => TypeIndex(IN_GROUP | place as u32),
                None => TypeIndex(ids[index.index()]),
            };
            let canonical = |ty: &TypeDef| TypeDef { rec_group: 0..group.len() as u32, ..ty.map_types(&name) };
            let first = registry.group(types[group.clone()].iter().map(canonical).collect());
            ids.extend(first..first + group.len() as u32);
        }
        ids.into()
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
        use HeapType::{
            Any, Array, ConcreteArray, ConcreteFunc, ConcreteStruct, Eq, Exn, Extern, Func, I31, NoExn, NoExtern,
            NoFunc, None, Struct,
        };
        match (ty, of) {
            (ConcreteFunc(ty), ConcreteFunc(of))
            | (ConcreteStruct(ty), ConcreteStruct(of))
            | (ConcreteArray(ty), ConcreteArray(of)) => self.is_subtype(ty.0, of.0),
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

    #[test]
    fn equal_types_share_an_id_and_none_is_zero() {
        let signatures = Signatures::default();
        let a = signatures.id(&FuncType::new([ValType::I32], []));
        let b = signatures.id(&FuncType::new([], [ValType::I32]));
        assert_eq!(signatures.id(&FuncType::new([ValType::I32], [])), a);
        assert!(a != b && a != 0 && b != 0);
    }

    #[test]
    fn recursion_groups_are_compared_as_a_whole() {
        let signatures = Signatures::default();
        let pair = |first: u32| {
            [func(&[reference(first + 1)], None, first..first + 2), func(&[reference(first)], None, first..first + 2)]
        };
        let one = signatures.of_module(&pair(0));
        let shifted: Vec<_> = [func(&[ValType::I64], None, 0..1)].into_iter().chain(pair(1)).collect();
        assert_eq!(signatures.of_module(&shifted)[1..], one[..]);
        // The same types in groups of their own are others.
        let alone = [func(&[reference(0)], None, 0..1), func(&[reference(0)], None, 1..2)];
        let alone = signatures.of_module(&alone);
        assert!(alone.iter().all(|id| !one.contains(id)) && alone[0] != alone[1]);
    }

    #[test]
    fn subtypes_follow_declared_supertypes() {
        let signatures = Signatures::default();
        let chain = [func(&[], None, 0..1), func(&[], Some(0), 1..2), func(&[], Some(1), 2..3), func(&[], None, 3..4)];
        let ids = signatures.of_module(&chain);
        assert_eq!(ids[3], ids[0]);
        assert!(signatures.is_subtype(ids[2], ids[0]) && !signatures.is_subtype(ids[0], ids[2]));
        assert!(signatures.value_matches(reference(ids[2]), reference(ids[1])));
        assert!(signatures.value_matches(reference(ids[2]), ValType::FUNCREF));
        assert!(!signatures.value_matches(ValType::FUNCREF, reference(ids[2])));
        assert!(!signatures.is_subtype(u32::MAX, ids[0]) && !signatures.is_subtype(0, ids[0]));
    }
}
