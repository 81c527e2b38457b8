//! Limits that an embedder puts on what guests may allocate.

use crate::base::error::{Error, Result};

/// Why a memory or a table has not grown.
pub enum NotGrown {
    /// The guest gets -1. The reason, if it is not the item's type or the limiter.
    Refused(Option<Error>),
    /// The guest ends.
    Ended(Error),
}

impl NotGrown {
    /// An error for the host, which says `otherwise` if no reason is known.
    pub fn into_error(self, otherwise: impl FnOnce() -> Error) -> Error {
        match self {
            Self::Ended(error) | Self::Refused(Some(error)) => error,
            Self::Refused(None) => otherwise(),
        }
    }
}

/// What the guest gets from growing: the old size, or -1.
pub fn old_size_or_minus_one(grown: Result<u64, NotGrown>) -> Result<u64> {
    match grown {
        Ok(old) => Ok(old),
        Err(NotGrown::Refused(_)) => Ok(u64::MAX),
        Err(NotGrown::Ended(error)) => Err(error),
    }
}

/// Decides over every growth of a store's memories and tables, and counts its items.
pub trait ResourceLimiter {
    /// Whether a memory may grow from `current` to `desired` bytes; also asked for initial sizes, with `current` 0.
    ///
    /// # Errors
    /// An error ends the guest, where `Ok(false)` makes `memory.grow` return -1.
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool>;

    /// Whether a table may grow from `current` to `desired` elements; also asked for initial sizes, with `current` 0.
    ///
    /// # Errors
    /// As for memories.
    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool>;

    /// Told why a memory does not grow, although [`Self::memory_growing`] allowed it: the system has no memory, or the
    /// limit of all that the store or its engine holds is reached.
    ///
    /// # Errors
    /// An error ends the guest, where `Ok` makes `memory.grow` return -1.
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        drop(error);
        Ok(())
    }

    /// As [`Self::memory_grow_failed`], for tables.
    ///
    /// # Errors
    /// As for memories.
    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        drop(error);
        Ok(())
    }

    /// How many bytes all that the store holds may take: memories, tables, instances, functions, references and
    /// exceptions. No limit unless the limiter gives one.
    fn total_memory(&self) -> usize {
        usize::MAX
    }

    /// How many instances a store may hold.
    fn instances(&self) -> usize {
        10_000
    }

    /// How many memories a store may hold.
    fn memories(&self) -> usize {
        10_000
    }

    /// How many tables a store may hold.
    fn tables(&self) -> usize {
        10_000
    }
}

/// A [`ResourceLimiter`] of fixed limits.
#[derive(Clone, Debug)]
pub struct StoreLimits {
    total_bytes: usize,
    memory_bytes: usize,
    table_elements: usize,
    instances: usize,
    memories: usize,
    tables: usize,
    traps_on_failure: bool,
}

impl Default for StoreLimits {
    fn default() -> Self {
        StoreLimitsBuilder::new().build()
    }
}

/// Builds [`StoreLimits`]. What is not set is not limited, beyond 10,000 items of a kind.
#[derive(Clone, Debug)]
pub struct StoreLimitsBuilder(StoreLimits);

impl Default for StoreLimitsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl StoreLimitsBuilder {
    /// Without limits on sizes.
    pub fn new() -> Self {
        Self(StoreLimits {
            total_bytes: usize::MAX,
            memory_bytes: usize::MAX,
            table_elements: usize::MAX,
            instances: 10_000,
            memories: 10_000,
            tables: 10_000,
            traps_on_failure: false,
        })
    }

    /// What all that the store holds may take together, in bytes: memories, tables, instances, functions, references
    /// and exceptions. What exceeds it is refused with an error; growing a memory or table gives -1.
    pub fn total_memory(mut self, bytes: usize) -> Self {
        self.0.total_bytes = bytes;
        self
    }

    /// The largest size of each memory, in bytes.
    pub fn memory_size(mut self, bytes: usize) -> Self {
        self.0.memory_bytes = bytes;
        self
    }

    /// The largest size of each table, in elements.
    pub fn table_elements(mut self, elements: usize) -> Self {
        self.0.table_elements = elements;
        self
    }

    /// The number of instances.
    pub fn instances(mut self, count: usize) -> Self {
        self.0.instances = count;
        self
    }

    /// The number of memories.
    pub fn memories(mut self, count: usize) -> Self {
        self.0.memories = count;
        self
    }

    /// The number of tables.
    pub fn tables(mut self, count: usize) -> Self {
        self.0.tables = count;
        self
    }

    /// Whether a memory or a table that cannot grow ends the guest, which otherwise gets -1. Off at first.
    pub fn trap_on_grow_failure(mut self, trap: bool) -> Self {
        self.0.traps_on_failure = trap;
        self
    }

    /// The limits.
    pub fn build(self) -> StoreLimits {
        self.0
    }
}

impl StoreLimits {
    fn decide(&self, fits: bool, refusal: impl FnOnce() -> String) -> Result<bool> {
        if !fits && self.traps_on_failure { Err(Error::limit(refusal())) } else { Ok(fits) }
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        self.decide(desired <= self.memory_bytes, || {
            format!("a memory cannot grow to {desired} bytes: the limit is {}", self.memory_bytes)
        })
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        if self.traps_on_failure { Err(error) } else { Ok(()) }
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        if self.traps_on_failure { Err(error) } else { Ok(()) }
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        self.decide(desired <= self.table_elements, || {
            format!("a table cannot grow to {desired} elements: the limit is {}", self.table_elements)
        })
    }

    fn total_memory(&self) -> usize {
        self.total_bytes
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        self.tables
    }
}
