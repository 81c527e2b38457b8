//! The sizes of a pool of instances. Epsilon reserves nothing in advance: it uses reservations of memories again in any case, and
//! what the sizes limit is counted.

#[cfg(feature = "compiler")]
use crate::config::Config;
#[cfg(feature = "compiler")]
use crate::{Error, Result};
use epsilon_runtime::{Place, Pool, PoolLimits};
use std::sync::Arc;

/// Where instances get what they consist of.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum InstanceAllocationStrategy {
    /// From the system, as much as there is.
    #[default]
    OnDemand,
    /// From the system as well, but not more than a pool of these sizes would have.
    Pooling(PoolingAllocationConfig),
}

impl From<PoolingAllocationConfig> for InstanceAllocationStrategy {
    fn from(config: PoolingAllocationConfig) -> Self {
        Self::Pooling(config)
    }
}

/// Whether something that not all systems have is used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Enabled {
    /// Where the system has it.
    Auto,
    /// In any case: an error when the engine is made if it cannot be.
    Yes,
    /// Not.
    No,
}

/// The struct, its defaults and its methods, from one list.
macro_rules! sizes {
    ($(#[$doc_of_all:meta])* struct; $($(#[$doc:meta])* $name:ident, $get:ident: $ty:ty = $default:expr;)*) => {
        $(#[$doc_of_all])*
        #[derive(Clone, Debug)]
        pub struct PoolingAllocationConfig {
            $($name: $ty,)*
        }

        impl Default for PoolingAllocationConfig {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl PoolingAllocationConfig {$(
            $(#[$doc])*
            pub fn $name(&mut self, value: $ty) -> &mut Self {
                self.$name = value;
                self
            }

            #[doc = concat!("What [`PoolingAllocationConfig::", stringify!($name), "`] was given, or its default.")]
            pub fn $get(&self) -> $ty {
                self.$name
            }
        )*}
    };
}

sizes! {
    /// The sizes of a pool: how much the instances of all stores of an engine together may be.
    ///
    /// ```
    /// use epsilon::{Config, Engine, Instance, Module, PoolConcurrencyLimitError, PoolingAllocationConfig, Store};
    /// let mut pool = PoolingAllocationConfig::new();
    /// pool.total_core_instances(1);
    /// let engine = Engine::new(Config::new().allocation_strategy(pool))?;
    /// let module = Module::new(&engine, "(module)")?;
    /// let (mut one, mut other) = (Store::new(&engine, ()), Store::new(&engine, ()));
    /// Instance::new(&mut one, &module, &[])?;
    /// assert!(Instance::new(&mut other, &module, &[]).unwrap_err().is::<PoolConcurrencyLimitError>());
    /// drop(one);
    /// Instance::new(&mut other, &module, &[])?;
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    struct;
    /// How many instances there may be at once. 1,000 by default.
    total_core_instances, get_total_core_instances: u32 = 1000;
    /// How many memories of instances there may be at once. 1,000 by default.
    total_memories, get_total_memories: u32 = 1000;
    /// How many tables of instances there may be at once. 1,000 by default.
    total_tables, get_total_tables: u32 = 1000;
    /// How many stores may have a garbage-collected heap at once. 1,000 by default.
    total_gc_heaps, get_total_gc_heaps: u32 = 1000;
    /// How many bytes the words of an instance may take, beside memories and tables. 1 MiB by default. A module whose instances
    /// need more is an error when it is made.
    max_core_instance_size, get_max_core_instance_size: usize = 1 << 20;
    /// How many memories a module may define. One by default.
    max_memories_per_module, get_max_memories_per_module: u32 = 1;
    /// How many tables a module may define. One by default.
    max_tables_per_module, get_max_tables_per_module: u32 = 1;
    /// How many bytes a memory of an instance may have. 4 GiB by default.
    max_memory_size, get_max_memory_size: usize = 4 << 30;
    /// How many elements a table of an instance may have. 20,000 by default.
    table_elements, get_table_elements: usize = 20_000;
    /// How many stacks asynchronous calls may have; there are no such calls.
    total_stacks, get_total_stacks: u32 = 1000;
    /// How many components there may be; there are none.
    total_component_instances, get_total_component_instances: u32 = 1000;
    /// How large components may be; there are none.
    max_component_instance_size, get_max_component_instance_size: usize = 1 << 20;
    /// How many instances a component may have; there are none.
    max_core_instances_per_component, get_max_core_instances_per_component: u32 = u32::MAX;
    /// How many memories a component may have; there are none.
    max_memories_per_component, get_max_memories_per_component: u32 = u32::MAX;
    /// How many tables a component may have; there are none.
    max_tables_per_component, get_max_tables_per_component: u32 = u32::MAX;
    /// How many unused places stay warm. Changes nothing that can be noticed: reservations are kept as it pays.
    max_unused_warm_slots, get_max_unused_warm_slots: u32 = 100;
    /// How many memories are given back to the system at once. Changes nothing that can be noticed.
    decommit_batch_size, get_decommit_batch_size: usize = 1;
    /// How much of a stack of an asynchronous call stays in memory; there are no such calls.
    async_stack_keep_resident, get_async_stack_keep_resident: usize = 0;
    /// How much of an unused memory stays in memory. Changes nothing that can be noticed.
    linear_memory_keep_resident, get_memory_keep_resident: usize = 0;
    /// How much of an unused table stays in memory. Changes nothing that can be noticed.
    table_keep_resident, get_table_keep_resident: usize = 0;
    /// How many memory protection keys are used at most; none are.
    max_memory_protection_keys, get_max_memory_protection_keys: usize = 16;
    /// Whether memories are kept apart by memory protection keys. They are kept apart by guards; to insist is an error when the
    /// engine is made.
    memory_protection_keys, get_memory_protection_keys: Enabled = Enabled::No;
    /// Whether the kernel is asked which pages were written. It is not; to insist is an error when the engine is made.
    pagemap_scan, get_pagemap_scan: Enabled = Enabled::No;
}

impl PoolingAllocationConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether memory protection keys can be used. They are not, on any machine.
    pub fn are_memory_protection_keys_available() -> bool {
        false
    }

    #[cfg(feature = "compiler")]
    pub(crate) fn limits(&self) -> PoolLimits {
        PoolLimits {
            instances: self.total_core_instances as usize,
            memories: self.total_memories as usize,
            tables: self.total_tables as usize,
            gc_heaps: self.total_gc_heaps as usize,
            instance_bytes: self.max_core_instance_size,
            memories_per_module: self.max_memories_per_module as usize,
            tables_per_module: self.max_tables_per_module as usize,
            memory_bytes: self.max_memory_size,
            table_elements: self.table_elements,
        }
    }

    /// Refuses what there is not.
    #[cfg(feature = "compiler")]
    pub(crate) fn check(&self) -> Result<()> {
        match (self.memory_protection_keys, self.pagemap_scan) {
            (Enabled::Yes, _) => Err(Error::misuse(
                "`PoolingAllocationConfig::memory_protection_keys` is not supported; guards keep memories apart",
            )),
            (_, Enabled::Yes) => Err(Error::misuse(
                "`PoolingAllocationConfig::pagemap_scan` is not supported; reservations are used again without it",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "compiler")]
impl Config {
    /// Where instances get what they consist of: from the system, or so much of it as a pool of given sizes would have.
    /// [`InstanceAllocationStrategy::OnDemand`] by default. The pool's sizes are limits; limits in bytes are
    /// [`Config::max_memory`] and those of stores.
    pub fn allocation_strategy(&mut self, strategy: impl Into<InstanceAllocationStrategy>) -> &mut Self {
        self.pool = match strategy.into() {
            InstanceAllocationStrategy::OnDemand => None,
            InstanceAllocationStrategy::Pooling(pool) => Some(pool),
        };
        self
    }
}

/// How much of an engine's pool is in use.
#[derive(Clone, Debug)]
pub struct PoolingAllocatorMetrics(Arc<Pool>);

impl PoolingAllocatorMetrics {
    #[cfg(feature = "compiler")]
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self(pool)
    }

    /// Instances.
    pub fn core_instances(&self) -> u64 {
        self.0.used(Place::Instance) as u64
    }

    /// Memories of instances.
    pub fn memories(&self) -> usize {
        self.0.used(Place::Memory)
    }

    /// Tables of instances.
    pub fn tables(&self) -> usize {
        self.0.used(Place::Table)
    }

    /// Stores with a garbage-collected heap.
    pub fn gc_heaps(&self) -> usize {
        self.0.used(Place::GcHeap)
    }
}
