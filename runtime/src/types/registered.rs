//! A type that an engine keeps.

use crate::base::error::{Error, Result};
use crate::module::signature::{Signatures, TypeIds};
use epsilon_abi::{CompositeType, TypeDef, TypeIndex};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A type that an engine keeps as long as this lives.
pub struct Registered {
    /// The engine's number of it.
    pub id: u32,
    /// What it is; other types are named by their numbers.
    pub def: TypeDef,
    pub signatures: Arc<Signatures>,
    _kept: TypeIds,
}

impl Registered {
    /// The type that an engine has under a number.
    ///
    /// # Panics
    /// If there is none: what names a number keeps its type.
    pub fn of_id(signatures: &Arc<Signatures>, id: u32) -> Arc<Self> {
        let (kept, def) = signatures.keep(id).expect("a type that is named is there");
        Arc::new(Self { id, def, signatures: signatures.clone(), _kept: kept })
    }

    /// A new type in a recursion group of its own, or the equal one that is there already.
    ///
    /// # Errors
    /// If there is no room for it, or its supertype cannot have it.
    pub fn define(
        signatures: &Arc<Signatures>,
        composite: CompositeType,
        is_final: bool,
        supertype: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>> {
        if let Some(supertype) = supertype {
            supertype.check_engine(signatures)?;
            if supertype.def.is_final || !signatures.composite_matches(&composite, &supertype.def.composite) {
                let problem = "the supertype is final, or the type does not match it";
                return Err(Error::misuse(problem));
            }
        }
        let supertype = supertype.map(|supertype| TypeIndex(supertype.id));
        let kept = signatures.define(TypeDef { is_final, supertype, rec_group: 0..1, composite })?;
        Ok(Self::of_id(signatures, kept[0]))
    }

    /// Refuses an engine that the type does not belong to.
    pub fn check_engine(&self, signatures: &Arc<Signatures>) -> Result<()> {
        match Arc::ptr_eq(&self.signatures, signatures) {
            true => Ok(()),
            false => Err(Error::misuse("the type belongs to a different engine; make it with this one")),
        }
    }

    /// Whether this is another type or a declared subtype of it.
    pub fn matches(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.signatures, &other.signatures) && self.signatures.is_subtype(self.id, other.id)
    }
}

impl PartialEq for Registered {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.signatures, &other.signatures) && self.id == other.id
    }
}

impl Eq for Registered {}

impl Hash for Registered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}
