//! Names, files and lines for backtraces: `names` makes names readable, `dwarf` reads debug information. Both read what
//! a module says of itself, and a module may mean harm: nothing here recurses with the input, and all work and memory
//! is bounded. What lies beyond a bound is left out.

#[cfg(feature = "addr2line")]
mod dwarf;
#[cfg(feature = "addr2line")]
mod functions;
#[cfg(feature = "addr2line")]
mod lines;
#[cfg(feature = "addr2line")]
mod meter;
mod names;

#[cfg(feature = "addr2line")]
use crate::source::CustomSections;
use crate::source::ModuleSource;
use epsilon_runtime::{LinkedModule, Symbol, Symbolicate};
use std::sync::Arc;

/// A module's debug information, read when a backtrace first asks for it.
pub(crate) struct Symbols {
    #[cfg_attr(not(feature = "addr2line"), expect(unused, reason = "only debug information is asked for there"))]
    source: Arc<ModuleSource>,
    #[cfg(feature = "addr2line")]
    dwarf: std::sync::OnceLock<Option<dwarf::DebugInfo>>,
}

impl Symbols {
    /// Of the module that has this source.
    pub fn new(source: Arc<ModuleSource>) -> Self {
        Self {
            source,
            #[cfg(feature = "addr2line")]
            dwarf: std::sync::OnceLock::new(),
        }
    }
}

impl Symbolicate for Symbols {
    #[cfg(feature = "addr2line")]
    fn symbols(&self, module: &LinkedModule, wasm_offset: u32) -> Vec<Symbol> {
        let sections = self.source.debug_sections().unwrap_or_else(|| CustomSections::of(module));
        let info = self.dwarf.get_or_init(|| dwarf::DebugInfo::of(sections.named));
        let address = wasm_offset.checked_sub(module.info().code_section_start as u32);
        match (info, address) {
            (Some(info), Some(address)) => info.symbols(sections.wasm, address),
            _ => Vec::new(),
        }
    }

    #[cfg(not(feature = "addr2line"))]
    fn symbols(&self, _: &LinkedModule, _: u32) -> Vec<Symbol> {
        Vec::new()
    }

    fn demangle(&self, name: &str) -> Option<String> {
        names::demangle(name)
    }
}
