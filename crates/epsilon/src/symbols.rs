//! Names, files and lines for backtraces: demangling, and DWARF by addr2line.

use epsilon_runtime::{LinkedModule, Symbol, Symbolicate};

/// A module's debug information, read when a backtrace first asks for it.
#[derive(Default)]
pub(crate) struct Symbols {
    #[cfg(feature = "addr2line")]
    dwarf: std::sync::OnceLock<Option<dwarf::Context>>,
}

impl Symbolicate for Symbols {
    #[cfg(feature = "addr2line")]
    fn symbols(&self, module: &LinkedModule, wasm_offset: u32) -> Vec<Symbol> {
        let context = self.dwarf.get_or_init(|| dwarf::Context::new(module));
        context.as_ref().map_or_else(Vec::new, |context| context.find(module, wasm_offset))
    }

    #[cfg(not(feature = "addr2line"))]
    fn symbols(&self, _: &LinkedModule, _: u32) -> Vec<Symbol> {
        Vec::new()
    }

    fn demangle(&self, name: &str) -> String {
        demangle(name)
    }
}

/// A function's name as its author wrote it, where it is a mangled name of Rust or C++.
#[cfg(feature = "demangle")]
fn demangle(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    if name.starts_with("_Z")
        && let Ok(symbol) = cpp_demangle::Symbol::new(name)
        && let Ok(text) = symbol.demangle()
    {
        return text;
    }
    name.to_owned()
}

#[cfg(not(feature = "demangle"))]
fn demangle(name: &str) -> String {
    name.to_owned()
}

#[cfg(feature = "addr2line")]
mod dwarf {
    //! DWARF in custom sections (the tool conventions' `Dwarf.md`): addresses count from the code section's contents.

    use super::{LinkedModule, Symbol};
    use gimli::{Dwarf, EndianArcSlice, LittleEndian};
    use std::sync::{Arc, Mutex};

    type Reader = EndianArcSlice<LittleEndian>;

    /// addr2line reads units as it needs them, through cells: one thread at a time.
    pub struct Context(Mutex<addr2line::Context<Reader>>);

    impl Context {
        pub fn new(module: &LinkedModule) -> Option<Self> {
            let section = |name: &str| {
                let found = module.info().custom_sections.iter().find(|(found, _)| found == name);
                let bytes = found.map_or(&[][..], |(_, range)| &module.wasm()[range.clone()]);
                Reader::new(Arc::from(bytes), LittleEndian)
            };
            let has_lines = module.info().custom_sections.iter().any(|(name, _)| name == ".debug_info");
            if !has_lines {
                return None;
            }
            let dwarf = Dwarf::load(|id| Ok::<_, gimli::Error>(section(id.name()))).ok()?;
            Some(Self(Mutex::new(addr2line::Context::from_dwarf(dwarf).ok()?)))
        }

        pub fn find(&self, module: &LinkedModule, wasm_offset: u32) -> Vec<Symbol> {
            let Some(address) = (wasm_offset as usize).checked_sub(module.info().code_section_start) else {
                return Vec::new();
            };
            let context = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let Ok(mut frames) = context.find_frames(address as u64).skip_all_loads() else { return Vec::new() };
            let mut symbols = Vec::new();
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.as_ref().and_then(|f| f.raw_name().ok()).map(|name| name.into_owned());
                let location = frame.location;
                symbols.push(Symbol {
                    name,
                    file: location.as_ref().and_then(|l| l.file).map(str::to_owned),
                    line: location.as_ref().and_then(|l| l.line),
                    column: location.as_ref().and_then(|l| l.column).filter(|column| *column != 0),
                });
            }
            symbols
        }
    }
}

#[cfg(all(test, feature = "demangle"))]
mod tests {
    #[test]
    fn names_of_rust_and_cpp_become_readable() {
        assert_eq!(super::demangle("_ZN4core9panicking5panic17h0123456789abcdefE"), "core::panicking::panic");
        assert_eq!(super::demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(super::demangle("main"), "main");
    }
}
