//! [`DebugPart`]: the debug information of an artifact, which is read and checked when it is first asked for.

use super::file::Header;
use crate::cache::entry::Secret;
use epsilon_abi::ByteRange;
use std::sync::OnceLock;

/// Debug information that lies in an artifact.
pub struct DebugPart {
    header: Header,
    secret: Secret,
    read: OnceLock<Sections>,
}

/// Custom sections: a binary, and for each of them its name and where in that its contents lie.
#[derive(Default)]
pub struct Sections {
    pub wasm: Vec<u8>,
    pub named: Vec<(String, ByteRange)>,
}

impl DebugPart {
    /// That of an artifact.
    pub fn new(header: Header, secret: &Secret) -> Self {
        Self { header, secret: *secret, read: OnceLock::new() }
    }

    /// The sections. None if they are damaged: backtraces then do without.
    pub fn sections(&self) -> &Sections {
        self.read.get_or_init(|| match self.header.debug(Some(&self.secret)) {
            Ok(wasm) => Sections { named: epsilon_compiler::custom_sections(&wasm), wasm },
            Err(_) => Sections::default(),
        })
    }
}
