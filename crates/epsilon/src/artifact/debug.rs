//! [`DebugPart`]: the debug information of an artifact, which is read and checked when it is first asked for.

use super::file::Header;
use crate::cache::entry::Secret;
use crate::source::CustomSections;
use epsilon_abi::ByteRange;
use std::sync::OnceLock;

/// Debug information that lies in an artifact.
pub struct DebugPart {
    header: Header,
    secret: Secret,
    read: OnceLock<Owned>,
}

/// What [`CustomSections`] borrow: the binary, and the sections in it.
type Owned = (Vec<u8>, Vec<(String, ByteRange)>);

impl DebugPart {
    /// That of an artifact.
    pub fn new(header: Header, secret: &Secret) -> Self {
        Self { header, secret: *secret, read: OnceLock::new() }
    }

    /// The sections. None if they are damaged: backtraces then do without.
    pub fn sections(&self) -> CustomSections<'_> {
        let (wasm, named) = self.read.get_or_init(|| {
            let wasm = self.header.debug(Some(&self.secret)).unwrap_or_default();
            let named = epsilon_compiler::custom_sections(&wasm);
            (wasm, named)
        });
        CustomSections { wasm, named }
    }
}
