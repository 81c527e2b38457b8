//! Who owns what instances consist of.

pub mod activation;
pub mod collected;
pub mod deadline;
pub mod exception;
pub mod exit;
pub mod frames;
pub mod global;
pub mod hooks;
pub mod inner;
pub mod instance;
