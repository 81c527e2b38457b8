//! Canonical ids of function types, the same for all modules of an engine. Given after full comparison, never from a
//! bare hash. 0 is never given: it marks null rows of tables.

use epsilon_abi::FuncType;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The function types of an engine.
#[derive(Debug, Default)]
pub struct Signatures {
    ids: Mutex<HashMap<Arc<FuncType>, u32>>,
}

impl Signatures {
    /// The id of a function type; a new one if the type was not met before.
    pub fn id(&self, ty: &FuncType) -> u32 {
        let mut ids = self.ids.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(id) = ids.get(ty) {
            return *id;
        }
        let id = u32::try_from(ids.len() + 1).expect("fewer than 2^32 function types");
        ids.insert(Arc::new(ty.clone()), id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use epsilon_abi::ValType;

    #[test]
    fn equal_types_share_an_id_and_none_is_zero() {
        let signatures = Signatures::default();
        let a = signatures.id(&FuncType::new([ValType::I32], []));
        let b = signatures.id(&FuncType::new([], [ValType::I32]));
        assert_eq!(signatures.id(&FuncType::new([ValType::I32], [])), a);
        assert!(a != b && a != 0 && b != 0);
    }
}
