//! Instances, functions and values as embedders see them.

pub mod anyref;
pub mod exnref;
pub mod export;
pub mod externref;
pub mod func;
pub mod instance;
pub mod objref;
pub mod raw;
pub mod rooted;
pub mod v128;
pub mod value;
