//! Empty on purpose: cargo wants a target in every package, and this package
//! exists only to pin the crates that carry C sources (see `Cargo.toml`).
