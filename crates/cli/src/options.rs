//! `-W` and `-O`: what a guest may take and use, and how code is made. One row a key.

use anyhow::{Result, anyhow};
use clap::Args;
use epsilon::{Config, MemoryStrategy, OptLevel};
use std::time::Duration;

/// All that the two flags set.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For the engine.
    pub config: Config,
    /// How long a guest may run.
    pub timeout: Option<TimeLimit>,
    /// How large each linear memory may grow.
    pub max_memory_size_bytes: Option<usize>,
    /// How large each table may grow.
    pub max_table_elements: Option<usize>,
    /// Whether a growth that is refused ends the guest.
    pub trap_on_grow_failure: bool,
    /// Whether unknown imports are no error until they are called.
    pub unknown_imports_trap: bool,
}

/// A duration, and the words for it that the user chose.
#[derive(Clone, Debug)]
pub struct TimeLimit {
    /// How long.
    pub duration: Duration,
    /// As given.
    pub text: String,
}

/// A key of `-W` or `-O`.
#[derive(Debug)]
pub struct Row {
    key: &'static str,
    /// What the value looks like.
    value: &'static str,
    help: &'static str,
    set: fn(&mut Options, &str) -> Result<(), String>,
}

const WASM: &[Row] = &[
    row("timeout", "TIME", "End the guest after this time: 10s, 500ms, 2m", |o, v| {
        o.timeout = Some(TimeLimit { duration: time(v)?, text: v.to_owned() });
        Ok(())
    }),
    row("max-memory-size", "SIZE", "How large each linear memory may grow: 1048576, 1024K, 64M, 2G", |o, v| {
        o.max_memory_size_bytes = Some(size_bytes(v)?);
        Ok(())
    }),
    row("max-table-elements", "N", "How many elements each table may grow to", |o, v| {
        o.max_table_elements = Some(v.parse().map_err(|_| format!("`{v}` is not a number of elements"))?);
        Ok(())
    }),
    row("max-wasm-stack", "SIZE", "Stack for calls of the guest; 8M by default", |o, v| {
        o.config.max_wasm_stack(size_bytes(v)?);
        Ok(())
    }),
    row("trap-on-grow-failure", "y|n", "End the guest when a growth is refused", |o, v| {
        o.trap_on_grow_failure = switch(v)?;
        Ok(())
    }),
    row("unknown-imports-trap", "y|n", "Let unknown imports trap when they are called", |o, v| {
        o.unknown_imports_trap = switch(v)?;
        Ok(())
    }),
    feature("simd", "Vectors of 128 bits; on by default", Config::wasm_simd),
    feature("relaxed-simd", "Relaxed vector operators; off by default", Config::wasm_relaxed_simd),
    feature(
        "relaxed-simd-deterministic",
        "Relaxed vector operators give the same results on every machine",
        Config::relaxed_simd_deterministic,
    ),
    feature("bulk-memory", "Copying and filling of memory; on by default", Config::wasm_bulk_memory),
    feature("reference-types", "`externref`, and several tables; on by default", Config::wasm_reference_types),
    feature("multi-value", "Several results of functions; on by default", Config::wasm_multi_value),
    feature("multi-memory", "Several memories; on by default", Config::wasm_multi_memory),
    feature("memory64", "64-bit memories and tables; on by default", Config::wasm_memory64),
    feature("extended-const", "Arithmetic in constant expressions; on by default", Config::wasm_extended_const),
    feature(
        "saturating-float-to-int",
        "Conversions that saturate; on by default",
        Config::wasm_saturating_float_to_int,
    ),
    feature("sign-extension", "Sign extension of parts of integers; on by default", Config::wasm_sign_extension),
    feature("mutable-global", "Import and export of mutable globals; on by default", Config::wasm_mutable_global),
];

const OPTIMIZE: &[Row] = &[
    row("opt-level", "0|2", "How much the optimiser does; 2 by default", |o, v| {
        o.config.cranelift_opt_level(match v {
            "0" => OptLevel::None,
            "2" => OptLevel::Speed,
            _ => return Err(format!("`{v}` is neither 0 nor 2")),
        });
        Ok(())
    }),
    row("memory", "auto|guarded|checked", "How linear memories are protected; auto by default", |o, v| {
        o.config.memory_strategy(match v {
            "auto" => MemoryStrategy::Auto,
            "guarded" => MemoryStrategy::Guarded,
            "checked" => MemoryStrategy::Checked,
            _ => return Err(format!("`{v}` is none of auto, guarded, checked")),
        });
        Ok(())
    }),
    row("memory-at-anchor", "y|n", "Whether code knows where its memory is without looking", |o, v| {
        o.config.memory_at_anchor(switch(v)?);
        Ok(())
    }),
];

const fn row(
    key: &'static str,
    value: &'static str,
    help: &'static str,
    set: fn(&mut Options, &str) -> Result<(), String>,
) -> Row {
    Row { key, value, help, set }
}
