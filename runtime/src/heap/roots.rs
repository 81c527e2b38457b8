//! References that the host holds: words that keep objects of the heap, and things of the host, as long as they are
//! needed, and that the collector updates.
//!
//! Most belong to a scope: what a host function was given or has made is forgotten when it returns. The rest is owned, and
//! forgotten when its last owner is dropped.

use crate::base::budget::{Budget, Charge, Refused};
use std::sync::{Arc, Weak};

/// Names a reference that the host holds. One that is forgotten is not taken for another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RootId {
    /// Place in its list; [`OWNED`] tells which.
    index: u32,
    generation: u32,
}

/// Set in the places of owned roots.
const OWNED: u32 = 1 << 31;

/// Keeps an owned root.
#[derive(Clone, Debug)]
pub struct Owner(#[allow(dead_code)] Arc<()>);

struct Scoped {
    reference: u32,
    generation: u32,
}

struct Owned {
    reference: u32,
    generation: u32,
    owner: Weak<()>,
}

/// All references that the host holds of one store.
pub struct HostRoots {
    charge: Charge,
    /// Whether there are more than the charge covers: to hold a reference never fails, but what guests make next does.
    is_uncovered: bool,
    scoped: Vec<Scoped>,
    owned: Vec<Owned>,
    /// Places of owned roots that are forgotten.
    free: Vec<u32>,
    /// How many owned roots there may be before those without owner are looked for.
    look_at: usize,
    /// Counts scopes that have ended and owned roots, so that each place is another one each time.
    generation: u32,
}

/// Where a scope begins.
#[derive(Clone, Copy, Debug)]
pub struct ScopeMark(usize);

/// What an owned root takes, with what its owner holds.
const OWNED_BYTES: usize = size_of::<Owned>() + 32;

impl HostRoots {
    /// None yet; what they take counts against a budget.
    pub fn new(budget: &Budget) -> Self {
        Self {
            charge: budget.empty_charge("references that the host holds"),
            is_uncovered: false,
            scoped: Vec::new(),
            owned: Vec::new(),
            free: Vec::new(),
            look_at: 0,
            generation: 0,
        }
    }

    fn bytes(&self) -> usize {
        self.scoped.capacity() * size_of::<Scoped>() + self.owned.capacity() * OWNED_BYTES
    }

    /// Whether the budget had no room for all of them when they became more.
    pub fn is_uncovered(&self) -> bool {
        self.is_uncovered
    }

    /// Charges for all of them.
    ///
    /// # Errors
    /// If the budget has no room.
    pub fn cover(&mut self) -> Result<(), Refused> {
        let result = self.charge.resize(self.bytes());
        self.is_uncovered = result.is_err();
        result
    }

    #[cold]
    fn grow_scoped(&mut self) {
        self.scoped.reserve(64);
        let _ = self.cover();
    }

    #[cold]
    fn grow_owned(&mut self) {
        self.owned.reserve(64);
        let _ = self.cover();
    }

    /// Holds a reference to the end of the present scope.
    #[inline]
    pub fn push(&mut self, reference: u32) -> RootId {
        if self.scoped.len() == self.scoped.capacity() {
            self.grow_scoped();
        }
        let index = self.scoped.len() as u32 & !OWNED;
        self.scoped.push(Scoped { reference, generation: self.generation });
        RootId { index, generation: self.generation }
    }

    /// Makes room for so many more references of the present scope.
    pub fn reserve(&mut self, additional: usize) {
        self.scoped.reserve(additional);
    }

    /// All references.
    pub fn all(&self) -> impl Iterator<Item = u32> + '_ {
        let owned = self.owned.iter().filter(|root| root.owner.strong_count() > 0).map(|root| root.reference);
        self.scoped.iter().map(|root| root.reference).chain(owned)
    }

    /// Holds a reference as long as its owner lives.
    pub fn own(&mut self, reference: u32) -> (RootId, Owner) {
        if self.owned.len() - self.free.len() >= self.look_at {
            self.forget_ownerless();
        }
        self.generation = self.generation.wrapping_add(1);
        let owner = Owner(Arc::new(()));
        let root = Owned { reference, generation: self.generation, owner: Arc::downgrade(&owner.0) };
        let index = match self.free.pop() {
            Some(index) => {
                self.owned[index as usize] = root;
                index
            }
            None => {
                if self.owned.len() == self.owned.capacity() {
                    self.grow_owned();
                }
                self.owned.push(root);
                self.owned.len() as u32 - 1
            }
        };
        (RootId { index: index | OWNED, generation: self.generation }, owner)
    }

    fn forget_ownerless(&mut self) {
        for (index, root) in self.owned.iter_mut().enumerate() {
            if root.reference != 0 && root.owner.strong_count() == 0 {
                root.reference = 0;
                root.generation = root.generation.wrapping_sub(1);
                self.free.push(index as u32);
            }
        }
        self.look_at = (2 * (self.owned.len() - self.free.len())).max(64);
    }

    /// The reference that is held; `None` if it is forgotten.
    #[inline]
    pub fn get(&self, id: RootId) -> Option<u32> {
        let index = (id.index & !OWNED) as usize;
        if id.index & OWNED == 0 {
            return self.scoped.get(index).filter(|root| root.generation == id.generation).map(|root| root.reference);
        }
        let root = self.owned.get(index)?;
        (root.generation == id.generation && root.owner.strong_count() > 0).then_some(root.reference)
    }

    /// Begins a scope.
    #[inline]
    pub fn enter(&self) -> ScopeMark {
        ScopeMark(self.scoped.len())
    }

    /// Ends a scope, and those that began in it.
    #[inline]
    pub fn leave(&mut self, mark: ScopeMark) {
        if self.scoped.len() > mark.0 {
            self.scoped.truncate(mark.0);
            self.generation = self.generation.wrapping_add(1);
        }
    }

    /// Calls `found` with each reference.
    pub fn for_each(&mut self, found: &mut dyn FnMut(&mut u32)) {
        self.forget_ownerless();
        if self.scoped.capacity() > 1024 && self.scoped.len() < self.scoped.capacity() / 4 {
            self.scoped.shrink_to(2 * self.scoped.len());
            let _ = self.cover();
        }
        self.scoped.iter_mut().for_each(|root| found(&mut root.reference));
        self.owned.iter_mut().for_each(|root| found(&mut root.reference));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_end_and_owners_go() {
        let mut roots = HostRoots::new(&Budget::of_engine(usize::MAX));
        let outer = roots.push(4);
        let mark = roots.enter();
        let inner = roots.push(8);
        let (owned, owner) = roots.own(12);
        assert_eq!([outer, inner, owned].map(|id| roots.get(id)), [Some(4), Some(8), Some(12)]);
        roots.leave(mark);
        let other = roots.push(16);
        assert_eq!([outer, inner, owned, other].map(|id| roots.get(id)), [Some(4), None, Some(12), Some(16)]);
        roots.for_each(&mut |reference| *reference += 100);
        assert_eq!([outer, owned, other].map(|id| roots.get(id)), [Some(104), Some(112), Some(116)]);
        drop(owner);
        assert_eq!(roots.get(owned), None);
        roots.for_each(&mut |_| ());
        let (again, _owner) = roots.own(20);
        assert_eq!([owned, again].map(|id| roots.get(id)), [None, Some(20)]);
        assert_eq!(roots.owned.len(), 1, "the place is used again");
    }

    #[test]
    fn what_the_host_holds_is_counted() {
        let budget = Budget::of_engine(64 << 10);
        let mut roots = HostRoots::new(&budget);
        let mark = roots.enter();
        (0..1000).for_each(|n| _ = roots.push(4 * n));
        assert!(budget.used_bytes() >= 8000 && !roots.is_uncovered());
        let owners: Vec<_> = (0..500).map(|n| roots.own(4 * n)).collect();
        assert!(budget.used_bytes() >= 8000 + 500 * OWNED_BYTES && !roots.is_uncovered(), "{}", budget.used_bytes());
        (0..10_000).for_each(|n| _ = roots.push(4 * n));
        assert!(roots.is_uncovered() && roots.cover().is_err());
        assert_eq!(roots.get(owners[7].0), Some(28));
        roots.leave(mark);
        roots.for_each(&mut |_| ());
        assert!(roots.cover().is_ok() && budget.used_bytes() < 48 << 10, "{}", budget.used_bytes());
    }
}
