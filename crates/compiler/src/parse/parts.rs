//! Modules in parts, for files that hold a module together with all of its machine code: nothing there reads bodies any more,
//! and hardly anything reads debug information.

use super::byte_range;
use crate::error::CompileError;
use epsilon_abi::{ByteRange, ModuleInfo, numbers};
use wasmparser::{Parser, Payload};

/// Stands in for each function: its length, no locals, and the end.
const EMPTY_BODY: [u8; 3] = [2, 0, 0x0b];
/// What a binary begins with: magic and version.
const PREAMBLE_BYTES: usize = 8;

/// A valid module in parts.
#[derive(Debug)]
pub struct ModuleParts {
    /// A binary with all sections but those of `debug`. Bodies of functions are empty.
    pub module: Vec<u8>,
    /// A binary with the custom sections that hold debug information; empty if there are none.
    pub debug: Vec<u8>,
}

/// Where the code section lies in a module's whole binary, which positions in machine code are offsets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodePlaces {
    /// Where the contents of the section begin.
    pub section_start: usize,
    /// The body of each function.
    pub bodies: Vec<ByteRange>,
}

impl CodePlaces {
    /// Of a whole module.
    pub fn of(info: &ModuleInfo) -> Self {
        Self { section_start: info.code_section_start, bodies: info.bodies.clone() }
    }
}

impl ModuleParts {
    /// The parts of a valid module.
    ///
    /// # Errors
    /// If it is not valid.
    pub fn of(wasm: &[u8]) -> Result<Self, CompileError> {
        let preamble = &wasm[..PREAMBLE_BYTES.min(wasm.len())];
        let (mut module, mut debug) = (preamble.to_vec(), Vec::new());
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            let Some((id, range)) = payload.as_section() else { continue };
            match &payload {
                Payload::CodeSectionStart { count, .. } => write(&mut module, id, &empty_bodies(*count)),
                Payload::CustomSection(custom) if is_debug_section(custom.name()) => {
                    debug.extend_from_slice(if debug.is_empty() { preamble } else { &[] });
                    write(&mut debug, id, &wasm[byte_range(range)]);
                }
                _ => write(&mut module, id, &wasm[byte_range(range)]),
            }
        }
        Ok(Self { module, debug })
    }
}

fn empty_bodies(count: u32) -> Vec<u8> {
    let mut contents = Vec::new();
    numbers::write(&mut contents, count.into());
    contents.extend(std::iter::repeat_n(EMPTY_BODY, count as usize).flatten());
    contents
}

fn write(part: &mut Vec<u8>, id: u8, contents: &[u8]) {
    part.push(id);
    numbers::write(part, contents.len() as u64);
    part.extend_from_slice(contents);
}

/// Whether a custom section is one of debug information.
pub fn is_debug_section(name: &str) -> bool {
    name.starts_with(".debug_")
}

/// The custom sections of a binary, as far as it can be read: their names and where their contents lie.
pub fn custom_sections(wasm: &[u8]) -> Vec<(String, ByteRange)> {
    let payloads = Parser::new(0).parse_all(wasm).map_while(Result::ok);
    let custom = payloads.filter_map(|payload| match payload {
        Payload::CustomSection(custom) => Some((custom.name().to_owned(), byte_range(custom.data_range()))),
        _ => None,
    });
    custom.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compiler, Settings};

    /// A custom section.
    fn custom(name: &str, contents: &[u8]) -> Vec<u8> {
        let name_len = name.len() as u8;
        [&[0, 1 + name_len + contents.len() as u8, name_len], name.as_bytes(), contents].concat()
    }

    #[test]
    fn a_module_in_parts_is_the_module_without_its_code() {
        let text =
            "(module $named (memory 1) (data (i32.const 8) \"abc\") (func $f (export \"f\")) (func $g (call $f)))";
        let mut wasm = wat::parse_str(text).expect("a module");
        for (name, contents) in [(".debug_info", &b"D"[..]), ("mine", b"M"), (".debug_str", b"S")] {
            wasm.extend(custom(name, contents));
        }
        let compiler = Compiler::new(Settings::default()).expect("settings");
        let whole = compiler.parse(&wasm).expect("a module");
        let places = CodePlaces::of(&whole.info);
        let parts = ModuleParts::of(&wasm).expect("a module");
        let parsed = compiler.parse_without_code(&parts.module, places.clone()).expect("a module");
        let (info, before) = (&parsed.info, &whole.info);
        assert_eq!((&info.bodies, info.code_section_start), (&before.bodies, before.code_section_start));
        assert_eq!((&info.functions, &info.exports), (&before.functions, &before.exports));
        assert_eq!(&parts.module[info.data[0].bytes.clone()], b"abc");
        assert_eq!(info.function_name(&parts.module, epsilon_abi::FuncIndex(1)), Some("g"));
        let named = |wasm: &[u8], sections: &[(String, ByteRange)]| -> Vec<(String, Vec<u8>)> {
            sections.iter().map(|(name, range)| (name.clone(), wasm[range.clone()].to_vec())).collect()
        };
        let debug = named(&parts.debug, &custom_sections(&parts.debug));
        assert_eq!(debug, [(".debug_info".into(), b"D".to_vec()), (".debug_str".into(), b"S".to_vec())]);
        assert_eq!(named(&parts.module, &info.custom_sections).last(), Some(&("mine".into(), b"M".to_vec())));
        let fewer = CodePlaces { bodies: places.bodies[1..].to_vec(), ..places };
        assert!(compiler.parse_without_code(&parts.module, fewer).is_err());
    }
}
