//! Limits on what the instances of all stores of an engine may be and hold at once, for engines that are given the sizes of a
//! pool. Nothing is made in advance: a place in the pool is a number that is counted.

use crate::base::error::{Error, Result};
use epsilon_abi::ModuleInfo;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How large a pool is, and what in it may be.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Instances that there may be at once.
    pub instances: usize,
    /// Memories of instances that there may be at once.
    pub memories: usize,
    /// Tables of instances that there may be at once.
    pub tables: usize,
    /// Stores with a garbage-collected heap that there may be at once.
    pub gc_heaps: usize,
    /// Bytes of an instance, without its memories and tables.
    pub instance_bytes: usize,
    /// Memories that a module may define.
    pub memories_per_module: usize,
    /// Tables that a module may define.
    pub tables_per_module: usize,
    /// Bytes that a memory may have.
    pub memory_bytes: usize,
    /// Elements that a table may have.
    pub table_elements: usize,
}

/// The error of an instantiation for which there is no place in the engine's pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConcurrencyLimitError {
    limit: usize,
    kind: &'static str,
}

impl fmt::Display for PoolConcurrencyLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine's pool has places for {} {} at once, which are all in use", self.limit, self.kind)
    }
}

impl std::error::Error for PoolConcurrencyLimitError {}

/// What is in use of a pool.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    used: [AtomicUsize; 4],
}

/// What a pool counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// An instance.
    Instance,
    /// A memory.
    Memory,
    /// A table.
    Table,
    /// The heap of a store.
    GcHeap,
}

/// Places in a pool, which are given back when this is dropped.
#[derive(Debug)]
pub struct Places {
    pool: Arc<Pool>,
    held: Vec<(Place, usize)>,
}

impl Pool {
    /// A pool of which nothing is in use.
    pub fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self { limits, used: Default::default() })
    }

    /// How large it is.
    pub fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// How much of it is in use.
    pub fn used(&self, place: Place) -> usize {
        self.used[place as usize].load(Ordering::Relaxed)
    }

    fn limit(&self, place: Place) -> (usize, &'static str) {
        match place {
            Place::Instance => (self.limits.instances, "instances"),
            Place::Memory => (self.limits.memories, "memories"),
            Place::Table => (self.limits.tables, "tables"),
            Place::GcHeap => (self.limits.gc_heaps, "garbage-collected heaps"),
        }
    }

    /// Takes so many places of each kind, or none.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn take(self: &Arc<Self>, wanted: &[(Place, usize)]) -> Result<Places, PoolConcurrencyLimitError> {
        let mut places = Places { pool: self.clone(), held: Vec::new() };
        for (place, count) in wanted {
            let (limit, kind) = self.limit(*place);
            let more = |used: usize| used.checked_add(*count).filter(|used| *used <= limit);
            let taken = self.used[*place as usize].fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
            taken.map_err(|_| PoolConcurrencyLimitError { limit, kind })?;
            places.held.push((*place, *count));
        }
        Ok(places)
    }

    /// Refuses a module of which there can be no instance in the pool.
    ///
    /// # Errors
    /// If it has too many memories or tables, one of them is too large, or its instances are.
    pub fn check(&self, info: &ModuleInfo, instance_bytes: usize) -> Result<()> {
        let limits = &self.limits;
        let at_most = |what: &str, count: usize, limit: usize| match count > limit {
            true => Err(Error::limit(format!("{count} {what}, more than the {limit} that the engine's pool allows"))),
            false => Ok(()),
        };
        let memories = &info.memories[info.imported_memories..];
        at_most("memories in a module", memories.len(), limits.memories_per_module)?;
        at_most("tables in a module", info.tables.len() - info.imported_tables, limits.tables_per_module)?;
        for memory in memories {
            if memory.shared {
                return Err(Error::limit("the engine's pool has no shared memories; a module can import one"));
            }
            let bytes = memory.limits.min.saturating_mul(1 << memory.page_size_log2).try_into().unwrap_or(usize::MAX);
            at_most("bytes of a memory", bytes, limits.memory_bytes)?;
        }
        for table in &info.tables[info.imported_tables..] {
            let elements = table.limits.min.try_into().unwrap_or(usize::MAX);
            at_most("elements of a table", elements, limits.table_elements)?;
        }
        at_most("bytes of an instance", instance_bytes, limits.instance_bytes)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for (place, count) in &self.held {
            self.pool.used[*place as usize].fetch_sub(*count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_whole_or_not_at_all_and_given_back() {
        let limits = PoolLimits {
            instances: 2,
            memories: 1,
            tables: 1,
            gc_heaps: 1,
            instance_bytes: 1,
            memories_per_module: 1,
            tables_per_module: 1,
            memory_bytes: 1,
            table_elements: 1,
        };
        let pool = Pool::new(limits);
        let first = pool.take(&[(Place::Instance, 1), (Place::Memory, 1)]).expect("room");
        let refused = pool.take(&[(Place::Instance, 1), (Place::Memory, 1)]).expect_err("there is one memory");
        assert_eq!(refused.kind, "memories");
        assert_eq!(pool.used(Place::Instance), 1, "the second instance was given back");
        drop(first);
        assert_eq!([Place::Instance, Place::Memory, Place::Table].map(|place| pool.used(place)), [0; 3]);
    }
}
