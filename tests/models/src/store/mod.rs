//! The words of a store.

pub mod inner;
