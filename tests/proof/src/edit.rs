//! Changes modules as bytes: appends to their sections, and rewrites their bodies. Numbers that are there stay what they
//! are. Custom sections are left out: offsets in them would be wrong.

use wasmparser::{BinaryReader, FunctionBody, Parser, Validator, WasmFeatures};

/// Sections in the order that the specification prescribes.
const ORDER: [u8; 13] = [TYPE, 2, FUNCTION, 4, MEMORY, 13, GLOBAL, EXPORT, 8, 9, 12, CODE, 11];
const TYPE: u8 = 1;
const FUNCTION: u8 = 3;
const MEMORY: u8 = 5;
const GLOBAL: u8 = 6;
const EXPORT: u8 = 7;
const CODE: u8 = 10;

/// What is appended: encoded entries of sections.
#[derive(Default)]
pub struct Additions {
    /// Types.
    pub types: Vec<Vec<u8>>,
    /// Types of functions, by number.
    pub functions: Vec<u32>,
    /// Bodies of functions, without their sizes.
    pub bodies: Vec<Vec<u8>>,
    /// Memories.
    pub memories: Vec<Vec<u8>>,
    /// Globals.
    pub globals: Vec<Vec<u8>>,
    /// Exports.
    pub exports: Vec<Vec<u8>>,
}

/// How many of everything a module has.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Types.
    pub types: u32,
    /// Functions, imported ones too.
    pub functions: u32,
    /// Memories.
    pub memories: u32,
    /// Globals.
    pub globals: u32,
}

/// How many a valid module has.
pub fn counts(wasm: &[u8]) -> Option<Counts> {
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(wasm).ok()?;
    let types = types.as_ref();
    Some(Counts {
        types: types.core_type_count_in_module(),
        functions: types.function_count(),
        memories: types.memory_count(),
        globals: types.global_count(),
    })
}

/// Appends a number in LEB128.
pub fn leb(mut n: u32, bytes: &mut Vec<u8>) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// Appends a signed number in LEB128.
pub fn signed_leb(mut n: i64, bytes: &mut Vec<u8>) {
    loop {
        let byte = (n & 0x7f) as u8;
        n >>= 7;
        if (n == 0 && byte & 0x40 == 0) || (n == -1 && byte & 0x40 != 0) {
            return bytes.push(byte);
        }
        bytes.push(byte | 0x80);
    }
}

/// An export.
pub fn export(name: &str, kind: u8, index: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    leb(name.len() as u32, &mut bytes);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(kind);
    leb(index, &mut bytes);
    bytes
}

/// A module's sections: number and content. `None` if it is malformed.
fn sections(wasm: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Some((id, range)) = payload.ok()?.as_section()
            && id != 0
        {
            sections.push((id, &wasm[range.start as usize..range.end as usize]));
        }
    }
    Some(sections)
}

fn extended(content: Option<&[u8]>, added: &[Vec<u8>]) -> Option<Vec<u8>> {
    let (count, entries) = match content {
        Some(content) => {
            let mut reader = BinaryReader::new(content, 0);
            (reader.read_var_u32().ok()?, &content[reader.original_position() as usize..])
        }
        None => (0, &[][..]),
    };
    let mut bytes = Vec::with_capacity(entries.len() + 16);
    leb(count + added.len() as u32, &mut bytes);
    bytes.extend_from_slice(entries);
    added.iter().for_each(|entry| bytes.extend_from_slice(entry));
    Some(bytes)
}

fn code(
    content: Option<&[u8]>,
    added: &[Vec<u8>],
    rewrite: &mut dyn FnMut(&FunctionBody<'_>) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut bodies = Vec::new();
    if let Some(content) = content {
        let mut reader = BinaryReader::new(content, 0);
        for _ in 0..reader.read_var_u32().ok()? {
            let size = reader.read_var_u32().ok()? as usize;
            let body = FunctionBody::new(BinaryReader::new(reader.read_bytes(size).ok()?, 0));
            bodies.push(rewrite(&body)?);
        }
    }
    bodies.extend_from_slice(added);
    let mut bytes = Vec::new();
    leb(bodies.len() as u32, &mut bytes);
    for body in &bodies {
        leb(body.len() as u32, &mut bytes);
        bytes.extend_from_slice(body);
    }
    Some(bytes)
}

/// A module with bodies rewritten and entries appended; `None` if it is malformed.
pub fn edit(
    wasm: &[u8],
    additions: &Additions,
    rewrite: &mut dyn FnMut(&FunctionBody<'_>) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let sections = sections(wasm)?;
    let functions: Vec<Vec<u8>> = additions.functions.iter().map(|ty| encoded(*ty)).collect();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for id in ORDER {
        let content = sections.iter().find(|section| section.0 == id).map(|section| section.1);
        let added: &[Vec<u8>] = match id {
            TYPE => &additions.types,
            FUNCTION => &functions,
            MEMORY => &additions.memories,
            GLOBAL => &additions.globals,
            EXPORT => &additions.exports,
            CODE => &additions.bodies,
            _ => &[],
        };
        if content.is_none() && added.is_empty() {
            continue;
        }
        let bytes = match id {
            CODE => code(content, added, rewrite)?,
            _ if added.is_empty() => content?.to_vec(),
            _ => extended(content, added)?,
        };
        module.push(id);
        leb(bytes.len() as u32, &mut module);
        module.extend_from_slice(&bytes);
    }
    Some(module)
}

fn encoded(n: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    leb(n, &mut bytes);
    bytes
}

/// A body as it is.
pub fn unchanged(body: &FunctionBody<'_>) -> Option<Vec<u8>> {
    Some(body.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_valid_and_the_rest_as_it_was() {
        let wasm = wat::parse_str("(module (func (export \"f\") (result i32) i32.const 7))").expect("text");
        assert_eq!(edit(&wasm, &Additions::default(), &mut unchanged).as_deref(), Some(&wasm[..]));
        let additions = Additions {
            functions: vec![0],
            bodies: vec![vec![0, 0x41, 9, 0x0b]],
            memories: vec![vec![0, 1]],
            exports: vec![export("g", 0, 1)],
            ..Additions::default()
        };
        let more = edit(&wasm, &additions, &mut unchanged).expect("well formed");
        let counts = counts(&more).expect("valid");
        assert_eq!((counts.functions, counts.memories, counts.types), (2, 1, 1));
    }

    #[test]
    fn signed_numbers_are_encoded_as_the_parser_reads_them() {
        for n in [0, -1, 63, 64, -64, -65, i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            signed_leb(n, &mut bytes);
            assert_eq!(BinaryReader::new(&bytes, 0).read_var_i64().expect("a number"), n);
        }
    }
}
