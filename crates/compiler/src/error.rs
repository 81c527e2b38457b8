//! [`CompileError`]: why a module is not compiled. Foreign errors are converted here and nowhere else.

use crate::limits::CompileLimit;
use epsilon_abi::{Escaped, FuncIndex};

/// Why a module is not compiled. Offsets are into the module's binary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The input does not begin like a WebAssembly module.
    #[error("not a WebAssembly module: it does not begin with `\\0asm`")]
    NotWasm,
    /// The input is a component.
    #[error("this is a component; Epsilon runs core modules")]
    Component,
    /// The module is malformed or invalid.
    #[error("invalid module: {message} (at offset {offset:#x})")]
    Invalid {
        /// What is wrong.
        message: String,
        /// Where.
        offset: u64,
    },
    /// The module uses what is not compiled: a proposal that is off, or one that is not there.
    #[error("unsupported: {what} (at offset {offset:#x}){}", hint_text(.switch))]
    Unsupported {
        /// What is used.
        what: String,
        /// Where; 0 if it is in the settings.
        offset: u64,
        /// The proposals that would have to be switched on, if that would help.
        switch: Option<String>,
    },
    /// The module or a function exceeds what the compiler is ready to handle.
    #[error(transparent)]
    Limit(#[from] CompileLimit),
    /// There is no room for what compiling a function takes; [`Room`](crate::Room) refused it.
    #[error("compiling function {} needs up to {bytes} bytes of memory, more than is available", .func.0)]
    NoRoom {
        /// The function.
        func: FuncIndex,
        /// What it takes, as far as is known.
        bytes: u64,
    },
    /// The compilation was cancelled by its [`Watch`](crate::Watch).
    #[error("compilation was cancelled")]
    Cancelled,
    /// The target or its flags are not supported.
    #[error("target not supported: {message}")]
    Target {
        /// Why.
        message: String,
    },
    /// The code generator refused a function.
    #[error("function {} could not be compiled: {message}", .func.0)]
    Codegen {
        /// The function.
        func: FuncIndex,
        /// Why.
        message: String,
    },
}

fn hint_text(switch: &Option<String>) -> String {
    switch.as_ref().map(|s| format!("; enable `{s}` to use it")).unwrap_or_default()
}

/// The switch of a feature. Some features are parts of one that has the switch.
fn switch_of(feature: &str) -> String {
    match feature {
        "BULK_MEMORY_OPT" => "bulk-memory".into(),
        "CALL_INDIRECT_OVERLONG" => "reference-types".into(),
        _ => feature.to_lowercase().replace('_', "-"),
    }
}

/// The switch that lifts a limit of the validator's. It does not treat limits as features: only its words tell.
fn limited_without(message: &str) -> Option<&'static str> {
    match message {
        "multiple memories" => Some("multi-memory"),
        "multiple tables" => Some("reference-types"),
        _ => None,
    }
}

impl CompileError {
    /// Where in the module's binary the error lies, if it lies at one place.
    pub const fn offset(&self) -> Option<u64> {
        match self {
            Self::Invalid { offset, .. } | Self::Unsupported { offset, .. } => Some(*offset),
            Self::Limit(limit) => limit.offset,
            _ => None,
        }
    }

    #[cold]
    pub(crate) fn unsupported(what: impl Into<String>, offset: u64) -> Self {
        Self::Unsupported { what: what.into(), offset, switch: None }
    }

    #[cold]
    pub(crate) fn unsupported_operator(proposal: &str, visit: &str, offset: u64) -> Self {
        let operator = visit.strip_prefix("visit_").unwrap_or(visit);
        Self::unsupported(format!("operator `{operator}` of the `{}` proposal", proposal.replace('_', "-")), offset)
    }
}

impl From<wasmparser::Error> for CompileError {
    #[cold]
    fn from(error: wasmparser::Error) -> Self {
        // Messages quote names of the module.
        let (message, offset) = (Escaped::new(error.message()).to_string(), error.offset());
        let Some(missing) = error.missing_wasm_feature() else {
            return match limited_without(&message) {
                Some(switch) => Self::Unsupported { what: message, offset, switch: Some(switch.into()) },
                None => Self::Invalid { message, offset },
            };
        };
        let names: Vec<String> = missing.iter_names().map(|(name, _)| switch_of(name)).collect();
        Self::Unsupported { what: message, offset, switch: Some(names.join(", ")) }
    }
}
