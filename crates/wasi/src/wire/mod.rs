//! What calls look like to a guest: numbers of errors, records and flags, and the memory that they lie in. Knows nothing of the
//! host.

pub mod errno;
pub mod memory;
pub mod types;
