//! No code: this package exists to own `tests/` and `examples/`.
