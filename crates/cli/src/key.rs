//! The keys that artifacts are made and loaded with.

use crate::report::Advice;
use anyhow::{Context as _, Result};
use clap::Args;
use epsilon::{ArtifactKey, Cache, CacheConfig};
use std::path::PathBuf;

/// The key of artifacts.
#[derive(Args, Clone, Debug, Default)]
pub struct KeyOption {
    /// A file with the key for artifacts: anyone who has the key can make artifacts that run with it. Without it, only
    /// artifacts that this user made on this machine run
    #[arg(long = "key", value_name = "KEY_FILE")]
    key_file: Option<PathBuf>,
}

impl KeyOption {
    /// The key: from the file, or the user's own.
    pub fn key(&self) -> Result<ArtifactKey> {
        let Some(path) = &self.key_file else {
            let cache = Cache::open(&CacheConfig::new()).map_err(|error| {
                Advice::error(
                    format!("cannot read this user's key: {error}"),
                    "name a key file with `--key FILE`, such as 32 bytes of /dev/urandom",
                )
            })?;
            return Ok(cache.artifact_key());
        };
        let material = std::fs::read(path).with_context(|| format!("cannot read the key `{}`", path.display()))?;
        ArtifactKey::new(&material)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("`{}` is not a valid key file", path.display()))
    }
}
