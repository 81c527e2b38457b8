//! The file of an artifact:
//!
//! | bytes | section | what |
//! |---|---|---|
//! | 8 | `header` | `EPSLAOT\0` |
//! | 4 | | version of this format |
//! | 4 | | 1 if hashes are keyed, else 0 |
//! | 4, 4 | | length of `settings` *s*; zero |
//! | 8, 8 | | lengths of `module` *m* and `debug` *d* |
//! | 32, 32, 32 | | hashes of `settings`, `module` and `debug` |
//! | 32 | | hash of all of the above |
//! | *s* | `settings` | lines `name: value`: all that affects code |
//! | *m* | `module` | where the bodies of functions lay; the module's binary without `debug`, with empty bodies |
//! | *d* | `debug` | a binary with the module's debug information, if it has any; read when a backtrace asks for it |
//! | … | `code` | an entry as the cache has them, with every function (see `cache/entry`); its key is the last hash of the header |
//!
//! Where bodies lay: offset of the code section's contents, number of bodies, and for each how far it begins behind the
//! end of the one before, and its length; numbers as in [`numbers`].

use super::refuse;
use crate::bytes::Bytes;
use crate::cache::entry::{Key, Secret};
use crate::codec::Reader;
use crate::hash;
use crate::{Error, Result};
use epsilon_abi::numbers;
use epsilon_compiler::CodePlaces;

pub const MAGIC: &[u8; 8] = b"EPSLAOT\0";
const VERSION: u32 = 5;
const HEADER_BYTES: usize = 168;
const HASH_BYTES: usize = 32;
/// Settings are some lines of text.
const MAX_SETTINGS_BYTES: u32 = 1 << 20;

/// The sections that the header has hashes of.
pub struct Sections<'a> {
    pub settings: &'a str,
    pub module: &'a [u8],
    pub debug: &'a [u8],
}

impl Sections<'_> {
    /// The file, with the code that is made for a key.
    pub fn to_bytes(&self, secret: &Secret, keyed: bool, code: impl FnOnce(&Key) -> Vec<u8>) -> Vec<u8> {
        let sections = [self.settings.as_bytes(), self.module, self.debug];
        let mut file = Vec::with_capacity(HEADER_BYTES);
        file.extend_from_slice(MAGIC);
        for number in [VERSION, u32::from(keyed), self.settings.len() as u32, 0] {
            file.extend_from_slice(&number.to_le_bytes());
        }
        for len in [self.module.len(), self.debug.len()] {
            file.extend_from_slice(&(len as u64).to_le_bytes());
        }
        for section in sections {
            file.extend_from_slice(hash::keyed(secret, section).as_bytes());
        }
        let hash = hash::keyed(secret, &file);
        file.extend_from_slice(hash.as_bytes());
        let code = code(hash.as_bytes());
        file.reserve_exact(code.len() + sections.iter().map(|section| section.len()).sum::<usize>());
        for section in sections.into_iter().chain([&code[..]]) {
            file.extend_from_slice(section);
        }
        file
    }
}

/// An artifact whose header has been read. Of its sections each is checked when it is read.
pub struct Header {
    pub keyed: bool,
    settings_len: usize,
    module_len: usize,
    debug_len: usize,
    hashes: [[u8; HASH_BYTES]; 3],
    /// Of all of the above.
    hash: [u8; HASH_BYTES],
    checked: Vec<u8>,
    bytes: Bytes,
}

impl Header {
    /// Reads the header; does not check its hash.
    pub fn read(bytes: Bytes) -> Result<Self> {
        let truncated = || refuse("the artifact is truncated");
        let header = bytes.read_at(0, HEADER_BYTES.min(bytes.len() as usize)).unwrap_or_default();
        let mut reader = Reader(&header);
        if reader.take(8) != Some(MAGIC) {
            return Err(refuse("not an artifact of Epsilon: it does not begin with `EPSLAOT`"));
        }
        let mut number = || reader.u32().ok_or_else(truncated);
        let (version, keyed, settings_len, _zero) = (number()?, number()?, number()?, number()?);
        if version != VERSION {
            return Err(refuse(format!("the artifact has format {version}; this version of Epsilon reads {VERSION}")));
        }
        let mut len = || reader.u64().and_then(|len| usize::try_from(len).ok()).ok_or_else(truncated);
        let (module_len, debug_len) = (len()?, len()?);
        let mut hash = || reader.hash().ok_or_else(truncated);
        let (hashes, hash) = ([hash()?, hash()?, hash()?], hash()?);
        let settings_len = settings_len.min(MAX_SETTINGS_BYTES) as usize;
        let checked = header[..HEADER_BYTES - HASH_BYTES].to_vec();
        Ok(Self { keyed: keyed != 0, settings_len, module_len, debug_len, hashes, hash, checked, bytes })
    }

    /// Checks the header itself.
    pub fn check(&self, secret: &Secret, keyed: bool) -> Result<()> {
        match (self.keyed, keyed) {
            (true, false) => return Err(refuse("the artifact was made with a key; load it with that key")),
            (false, true) => return Err(refuse("the artifact was made without a key; make it again with the key")),
            _ => {}
        }
        match hash::keyed(secret, &self.checked) == self.hash {
            true => Ok(()),
            false if keyed => Err(refuse("the artifact is damaged, or was made with another key")),
            false => Err(damaged("header")),
        }
    }

    fn section(&self, number: usize, secret: Option<&Secret>) -> Result<Vec<u8>> {
        const NAMES: [&str; 3] = ["settings", "module", "debug"];
        let lens = [self.settings_len, self.module_len, self.debug_len];
        let before: u64 = lens[..number].iter().map(|len| *len as u64).sum();
        let read = self.bytes.read_at(HEADER_BYTES as u64 + before, lens[number]);
        let bytes = read.ok_or_else(|| refuse("the artifact is truncated"))?;
        match secret.is_none_or(|secret| hash::keyed(secret, &bytes) == self.hashes[number]) {
            true => Ok(bytes),
            false => Err(damaged(NAMES[number])),
        }
    }

    /// The settings, checked if there is a secret to check them with.
    pub fn settings(&self, secret: Option<&Secret>) -> Result<String> {
        String::from_utf8(self.section(0, secret)?).map_err(|_| damaged("settings"))
    }

    /// The module without its code, likewise.
    pub fn module(&self, secret: Option<&Secret>) -> Result<Vec<u8>> {
        self.section(1, secret)
    }

    /// The debug information, likewise.
    pub fn debug(&self, secret: Option<&Secret>) -> Result<Vec<u8>> {
        self.section(2, secret)
    }

    /// Size of the debug information in bytes.
    pub fn debug_bytes(&self) -> usize {
        self.debug_len
    }

    /// The key of the code, which binds it to the other sections: what the header says of them, hashed.
    pub fn code_key(&self) -> &Key {
        &self.hash
    }

    /// The code.
    pub fn code(&self) -> Bytes {
        let before = [self.settings_len, self.module_len, self.debug_len].map(|len| len as u64);
        let start = before.into_iter().fold(HEADER_BYTES as u64, u64::saturating_add);
        self.bytes.from(start)
    }
}

/// The error for a section that is not what its hash says.
pub fn damaged(section: &str) -> Error {
    refuse(format!("the artifact is damaged: its section `{section}` does not match its hash"))
}

/// The section `module`.
pub fn module_section(places: &CodePlaces, wasm: &[u8]) -> Vec<u8> {
    let mut section = Vec::with_capacity(16 + 4 * places.bodies.len() + wasm.len());
    numbers::write(&mut section, places.section_start as u64);
    numbers::write(&mut section, places.bodies.len() as u64);
    let mut end = places.section_start;
    for body in &places.bodies {
        numbers::write(&mut section, (body.start - end) as u64);
        numbers::write(&mut section, body.len() as u64);
        end = body.end;
    }
    section.extend_from_slice(wasm);
    section
}

/// What the section `module` begins with; the binary follows.
pub fn read_places(section: &mut &[u8]) -> Option<CodePlaces> {
    let mut number = || numbers::read_u32(section).map(|number| number as usize);
    let (section_start, count) = (number()?, number()?);
    let mut end = section_start;
    let mut bodies = Vec::new();
    for _ in 0..count {
        let start = end.checked_add(number()?)?;
        end = start.checked_add(number()?)?;
        bodies.push(start..end);
    }
    Some(CodePlaces { section_start, bodies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let places = CodePlaces { section_start: 100, bodies: vec![102..104, 105..105, 300..70_000] };
        let section = module_section(&places, b"wasm");
        let mut rest = &section[..];
        assert_eq!(read_places(&mut rest), Some(places));
        assert_eq!(rest, b"wasm");
        for len in 0..section.len() - 4 {
            assert_eq!(read_places(&mut &section[..len]), None);
        }
    }
}
