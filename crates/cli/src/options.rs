//! `-W`, `-O` and `-S`: what a guest may take and use, how code is made, and what WASI gives. One row a key.

use anyhow::{Result, anyhow};
use clap::Args;
use epsilon::{CacheConfig, Compilation, CompileLimits, Config, MemoryStrategy, OptLevel, Tier};
use std::time::Duration;

/// All that the flags set.
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
    /// Whether a growth that these limits refuse ends the guest.
    pub trap_on_grow_failure: bool,
    /// Whether unknown imports are an error only when they are called.
    pub unknown_imports_trap: bool,
    /// How many descriptors the guest may have open.
    pub max_descriptors: Option<usize>,
    /// What compiling may take.
    pub compile_limits: CompileLimits,
}

/// A duration, and the words for it that the user chose.
#[derive(Clone, Debug)]
pub struct TimeLimit {
    /// How long.
    pub duration: Duration,
    /// As given.
    pub text: String,
}

/// A key of `-W`, `-O` or `-S`.
#[derive(Debug)]
pub struct Row {
    key: &'static str,
    /// What the value looks like.
    value: &'static str,
    help: &'static str,
    set: Set,
}

/// What a key does with its value.
#[derive(Debug)]
enum Set {
    Value(fn(&mut Options, &str) -> Result<(), String>),
    Switch(fn(&mut Config, bool) -> &mut Config),
    CompileLimit(fn(&mut CompileLimits) -> &mut u64),
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
    row(
        "max-total-memory",
        "SIZE",
        "Host memory that the guest may cause to be allocated, including threads and compilation",
        |o, v| {
            o.config.max_memory(size_bytes(v)?);
            Ok(())
        },
    ),
    row("max-table-elements", "N", "How many elements each table may grow to", |o, v| {
        o.max_table_elements = Some(v.parse().map_err(|_| format!("`{v}` is not a number of elements"))?);
        Ok(())
    }),
    row("max-wasm-stack", "SIZE", "Stack for calls of the guest; 8M by default", |o, v| {
        o.config.max_wasm_stack(size_bytes(v)?);
        Ok(())
    }),
    row(
        "trap-on-grow-failure",
        "y|n",
        "End the guest when one of these limits refuses to grow a memory or table",
        |o, v| {
            o.trap_on_grow_failure = switch(v)?;
            Ok(())
        },
    ),
    row("unknown-imports-trap", "y|n", "Let unknown imports trap when they are called", |o, v| {
        o.unknown_imports_trap = switch(v)?;
        Ok(())
    }),
    compile_limit("max-function-bytes", "Code that a function may have; 7654321 by default", |l| {
        &mut l.max_function_bytes
    }),
    compile_limit("max-function-values", "Values that a function may be compiled to; 4194304 by default", |l| {
        &mut l.max_function_values
    }),
    compile_limit("max-function-blocks", "Basic blocks that a function may be compiled to; 524288 by default", |l| {
        &mut l.max_function_blocks
    }),
    compile_limit(
        "max-passed-values",
        "Values that a function's branches and calls may pass; 33554432 by default",
        |l| &mut l.max_passed_values,
    ),
    compile_limit("max-loop-depth", "Maximum nesting depth of loops; 16384 by default", |l| &mut l.max_loop_depth),
    compile_limit("max-signature-values", "Parameters and results of all functions; 16777216 by default", |l| {
        &mut l.max_signature_values
    }),
    feature("simd", "Vectors of 128 bits; on by default", Config::wasm_simd),
    feature("relaxed-simd", "Relaxed vector operators; on by default", Config::wasm_relaxed_simd),
    feature(
        "relaxed-simd-deterministic",
        "Give relaxed vector operators the same results on every machine",
        Config::relaxed_simd_deterministic,
    ),
    feature(
        "deterministic",
        "Compute the same results on every machine: one tier, canonical NaNs, deterministic relaxed vector operators",
        Config::deterministic,
    ),
    feature("bulk-memory", "Copying and filling of memory; on by default", Config::wasm_bulk_memory),
    feature("reference-types", "`externref`, and several tables; on by default", Config::wasm_reference_types),
    feature("multi-value", "Functions with several results; on by default", Config::wasm_multi_value),
    feature("multi-memory", "Several memories; on by default", Config::wasm_multi_memory),
    feature("memory64", "64-bit memories and tables; on by default", Config::wasm_memory64),
    feature("threads", "Shared memories and atomic accesses; on by default", Config::wasm_threads),
    feature("wide-arithmetic", "Arithmetic on 128-bit integers; off by default", Config::wasm_wide_arithmetic),
    feature("custom-page-sizes", "Memories with pages of one byte; off by default", Config::wasm_custom_page_sizes),
    feature("branch-hinting", "Hints which branches are likely; on by default", Config::wasm_branch_hinting),
    feature("extended-const", "Arithmetic in constant expressions; on by default", Config::wasm_extended_const),
    feature("tail-call", "Calls that replace their caller's frame; on by default", Config::wasm_tail_call),
    feature("function-references", "Typed function references; on by default", Config::wasm_function_references),
    feature("gc", "Garbage collection: structures, arrays, casts; on by default", Config::wasm_gc),
    feature("exceptions", "`try_table`, `throw`, `throw_ref`, tags; on by default", Config::wasm_exceptions),
    feature(
        "legacy-exceptions",
        "`try`, `catch`, `delegate`, `rethrow`; on by default",
        Config::wasm_legacy_exceptions,
    ),
    feature(
        "saturating-float-to-int",
        "Conversions that saturate; on by default",
        Config::wasm_saturating_float_to_int,
    ),
    feature("sign-extension", "Sign extension of parts of integers; on by default", Config::wasm_sign_extension),
    feature("mutable-global", "Import and export of mutable globals; on by default", Config::wasm_mutable_global),
];

const OPTIMIZE: &[Row] = &[
    row(
        "tier",
        "quick|optimised|auto",
        "The compiler: one pass, Cranelift, or one pass first and Cranelift for hot functions; auto by default",
        |o, v| {
            o.config.tier(match v {
                "quick" => Tier::Quick,
                "optimised" => Tier::Optimised,
                "auto" => Tier::Auto,
                _ => return Err(format!("`{v}` is not one of quick, optimised, auto")),
            });
            Ok(())
        },
    ),
    row("opt-level", "0|2", "How much the optimiser does; 2 by default", |o, v| {
        o.config.cranelift_opt_level(match v {
            "0" => OptLevel::None,
            "2" => OptLevel::Speed,
            _ => return Err(format!("`{v}` is neither 0 nor 2")),
        });
        Ok(())
    }),
    compile_limit(
        "max-optimised-bytes",
        "Functions with more code than this are not optimised; 2097152 by default",
        |l| &mut l.max_optimised_bytes,
    ),
    compile_limit(
        "max-optimised-values",
        "Functions with more values than this are not optimised; 524288 by default",
        |l| &mut l.max_optimised_values,
    ),
    feature("inlining", "Inline small functions; on by default", Config::compiler_inlining),
    feature(
        "nan-canonicalization",
        "Make every NaN that arithmetic produces canonical; off by default",
        Config::cranelift_nan_canonicalization,
    ),
    row("memory", "auto|guarded|checked", "How linear memories are protected; auto by default", |o, v| {
        o.config.memory_strategy(match v {
            "auto" => MemoryStrategy::Auto,
            "guarded" => MemoryStrategy::Guarded,
            "checked" => MemoryStrategy::Checked,
            _ => return Err(format!("`{v}` is not one of auto, guarded, checked")),
        });
        Ok(())
    }),
    row(
        "gc-heap-reservation",
        "SIZE",
        "Address space for garbage-collected objects; with less than 4G, references are masked. 4G by default, if there is so much",
        |o, v| {
            o.config.gc_heap_reservation(size_bytes(v)? as u64);
            Ok(())
        },
    ),
    row("drop-repeated-checks", "y|n", "Remove bounds checks that an earlier check makes redundant", |o, v| {
        o.config.drop_repeated_checks(switch(v)?);
        Ok(())
    }),
    row(
        "memory-at-anchor",
        "y|n",
        "Place linear memory at a fixed distance from the instance, so that code need not load its address",
        |o, v| {
            o.config.memory_at_anchor(switch(v)?);
            Ok(())
        },
    ),
    row(
        "compilation",
        "lazy|eager",
        "When functions are compiled: at their first call, or all before the program starts",
        |o, v| {
            o.config.compilation(match v {
                "lazy" => Compilation::Lazy,
                "eager" => Compilation::Eager,
                _ => return Err(format!("`{v}` is neither lazy nor eager")),
            });
            Ok(())
        },
    ),
    row("cache", "y|n", "Keep compiled code for the next run; y by default", |o, v| {
        o.config.cache(switch(v)?.then(CacheConfig::default));
        Ok(())
    }),
];

const WASI: &[Row] = &[row(
    "max-descriptors",
    "N",
    "Files, sockets and streams that the guest may have open; by default slightly fewer than `ulimit -n`",
    |o, v| {
        o.max_descriptors = Some(v.parse().map_err(|_| format!("`{v}` is not a number of descriptors"))?);
        Ok(())
    },
)];

const fn row(
    key: &'static str,
    value: &'static str,
    help: &'static str,
    set: fn(&mut Options, &str) -> Result<(), String>,
) -> Row {
    Row { key, value, help, set: Set::Value(set) }
}

const fn feature(key: &'static str, help: &'static str, set: fn(&mut Config, bool) -> &mut Config) -> Row {
    Row { key, value: "y|n", help, set: Set::Switch(set) }
}

const fn compile_limit(key: &'static str, help: &'static str, field: fn(&mut CompileLimits) -> &mut u64) -> Row {
    Row { key, value: "N", help, set: Set::CompileLimit(field) }
}

impl Row {
    fn set(&self, options: &mut Options, value: &str) -> Result<(), String> {
        match self.set {
            Set::Value(set) => set(options, value),
            Set::Switch(set) => {
                set(&mut options.config, switch(value)?);
                Ok(())
            }
            Set::CompileLimit(field) => {
                *field(&mut options.compile_limits) =
                    value.parse().map_err(|_| format!("`{value}` is not a number"))?;
                options.config.compile_limits(options.compile_limits);
                Ok(())
            }
        }
    }
}

/// A key with a value that it takes.
#[derive(Clone, Debug)]
struct Setting {
    row: &'static Row,
    value: String,
}

impl Setting {
    /// Parses `KEY=VALUE`; `KEY` alone switches it on.
    fn parse(rows: &'static [Row], text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').unwrap_or((text, "y"));
        let Some(row) = rows.iter().find(|row| row.key == key) else {
            let keys: Vec<&str> = rows.iter().map(|row| row.key).collect();
            return Err(format!("unknown key `{key}`; the keys are {}", keys.join(", ")));
        };
        row.set(&mut Options::default(), value).map_err(|problem| format!("`{key}={}`: {problem}", row.value))?;
        Ok(Self { row, value: value.to_owned() })
    }
}

/// Whether `-W` has a key of this name.
pub fn is_wasm_key(name: &str) -> bool {
    WASM.iter().any(|row| row.key == name)
}

/// What to do about a limit on compilation that is exceeded: `setting` is a field of `CompileLimits`.
pub fn help_with_limit(setting: &str) -> String {
    let key = setting.replace('_', "-");
    format!("if you trust the module, `-W {key}=N` raises the limit")
}

/// The keys with their help, for `--help`. Made only where it is asked for: every start would pay for it.
fn list(title: &str, rows: &[Row]) -> String {
    if !std::env::args_os().any(|word| word == "--help") {
        return title.to_owned();
    }
    let words = |row: &Row| format!("{}={}", row.key, row.value);
    let width = rows.iter().map(|row| words(row).len()).max().unwrap_or_default();
    let lines = rows.iter().map(|row| format!("\n  {:width$}  {}", words(row), row.help));
    format!("{title}:{}", lines.collect::<String>())
}

/// `-W`.
#[derive(Args)]
pub struct EngineOptions {
    /// Limits of the guest, and features of WebAssembly (`--help` lists them)
    #[arg(
        short = 'W',
        long = "wasm",
        value_name = "KEY[=VALUE],…",
        value_delimiter = ',',
        value_parser = |text: &str| Setting::parse(WASM, text),
        long_help = list("Limits of the guest, and features of WebAssembly", WASM)
    )]
    wasm: Vec<Setting>,
}

/// `-S`.
#[derive(Args, Default)]
pub struct WasiOptions {
    /// What WASI gives to the guest (`--help` lists it)
    #[arg(
        short = 'S',
        long = "wasi",
        value_name = "KEY[=VALUE],…",
        value_delimiter = ',',
        value_parser = |text: &str| Setting::parse(WASI, text),
        long_help = list("What WASI gives to the guest", WASI)
    )]
    wasi: Vec<Setting>,
}

impl WasiOptions {
    /// Sets what the flag sets.
    pub fn set(&self, options: &mut Options) -> Result<()> {
        set_all(&self.wasi, options)
    }
}

/// A later key overrides an earlier one.
fn set_all<'a>(settings: impl IntoIterator<Item = &'a Setting>, options: &mut Options) -> Result<()> {
    settings
        .into_iter()
        .try_for_each(|setting| setting.row.set(options, &setting.value).map_err(|problem| anyhow!(problem)))
}

/// `-O`.
#[derive(Args, Default)]
pub struct OptimizeOptions {
    /// How code is made (`--help` lists it)
    #[arg(
        short = 'O',
        long = "optimize",
        value_name = "KEY[=VALUE],…",
        value_delimiter = ',',
        value_parser = |text: &str| Setting::parse(OPTIMIZE, text),
        long_help = list("How code is made", OPTIMIZE)
    )]
    optimize: Vec<Setting>,
    /// Do not read or write the code cache; the same as `-O cache=n`
    #[arg(long)]
    pub no_cache: bool,
}

impl EngineOptions {
    /// What the two flags set; a later key overrides an earlier one.
    pub fn options(&self, optimize: &OptimizeOptions) -> Result<Options> {
        let mut options = Options::default();
        options.config.cache(Some(CacheConfig::default()));
        set_all(self.wasm.iter().chain(&optimize.optimize), &mut options)?;
        if optimize.no_cache {
            options.config.cache(None);
        }
        Ok(options)
    }
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "y" | "yes" | "true" | "1" => Ok(true),
        "n" | "no" | "false" | "0" => Ok(false),
        _ => Err(format!("`{value}` is neither y nor n")),
    }
}

fn time(value: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let number = value.strip_suffix(unit)?.parse::<f64>().ok()?;
        Some(number * seconds)
    });
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| format!("`{value}` is not a time; write a number and its unit, as in 10s, 500ms, 2m"))
}

fn size_bytes(value: &str) -> Result<usize, String> {
    let number = value.strip_suffix("iB").unwrap_or(value);
    let (number, shift) = match number.as_bytes().last() {
        Some(b'K' | b'k') => (&number[..number.len() - 1], 10),
        Some(b'M' | b'm') => (&number[..number.len() - 1], 20),
        Some(b'G' | b'g') => (&number[..number.len() - 1], 30),
        _ => (number, 0),
    };
    let bytes = number.parse::<usize>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("`{value}` is not a size; write bytes, or a number with K, M or G, as in 64M"))
}

#[cfg(test)]
mod tests {
    use super::{OPTIMIZE, Options, Setting, WASI, WASM, size_bytes, time};
    use std::time::Duration;

    #[test]
    fn sizes_take_suffixes() {
        let cases = [("0", 0), ("65536", 65536), ("64K", 65536), ("1k", 1024), ("3M", 3 << 20), ("2GiB", 2 << 30)];
        for (text, bytes) in cases {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "K", "-1", "1.5M", "64T", "99999999999999999999", "17179869184G", "ä"] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_take_units_and_need_one() {
        let cases = [("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("1.5s", 1500), ("1h", 3_600_000), ("0s", 0)];
        for (text, millis) in cases {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "10 days", "infs", "NaNs", "1e300h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_unique_and_every_switch_takes_both_values() {
        for rows in [WASM, OPTIMIZE, WASI] {
            for (n, row) in rows.iter().enumerate() {
                assert!(rows[..n].iter().all(|other| other.key != row.key), "{}", row.key);
                let values: Vec<&str> =
                    row.value.split('|').filter(|v| v.starts_with(|c: char| !c.is_uppercase())).collect();
                for value in values {
                    assert!(row.set(&mut Options::default(), value).is_ok(), "{}={value}", row.key);
                }
            }
        }
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_list() {
        let problem = Setting::parse(WASM, "max-memory=1").expect_err("no such key");
        assert!(problem.contains("`max-memory`") && problem.contains("max-memory-size"), "{problem}");
        assert!(Setting::parse(WASM, "simd").is_ok());
        assert!(Setting::parse(WASM, "simd=maybe").is_err());
    }
}
