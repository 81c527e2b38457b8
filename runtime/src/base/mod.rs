//! What every floor may use: errors, budgets, limits, memory that can be refused, faults for tests. Knows nothing of stores.

pub mod alloc;
pub mod budget;
pub mod error;
pub mod fault;
pub mod limits;
pub mod pool;
