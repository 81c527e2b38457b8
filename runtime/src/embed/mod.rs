//! Instances, functions, values and types as embedders see them.

pub mod anyref;
pub mod export;
pub mod func;
pub mod instance;
pub mod objref;
pub mod types;
pub mod value;
