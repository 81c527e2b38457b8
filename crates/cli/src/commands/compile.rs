//! `epsilon compile`: compiles a module ahead of time; and the keys that artifacts are made and loaded with.

use crate::executable::refuse_to_replace;
use crate::input::Input;
use crate::options::{EngineOptions, OptimizeOptions};
use crate::report::Advice;
use crate::stop::Stop;
use anyhow::{Context as _, Result};
use clap::Args;
use epsilon::{ArtifactKey, Cache, CacheConfig, Engine, Module};
use std::path::{Path, PathBuf};

/// Compile a module ahead of time, to a file that `epsilon run` runs
#[derive(Args)]
pub struct CompileCommand {
    /// A module in the binary or the text format; `-` is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write; FILE with the extension `.epsilon` if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compile for another machine, such as `aarch64-unknown-linux-gnu`
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Features of the target's processor that code may use, by Cranelift's names: `has_avx,has_avx2`
    #[arg(long, value_name = "FEATURES", value_delimiter = ',', requires = "target")]
    cpu: Vec<String>,
    #[command(flatten)]
    key: KeyOption,
    #[command(flatten)]
    engine: EngineOptions,
    #[command(flatten)]
    optimize: OptimizeOptions,
}

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

impl CompileCommand {
    /// Compiles the module and writes the artifact.
    pub fn execute(self) -> Result<i32> {
        let stop = Stop::begin()?;
        let mut options = self.engine.options(&self.optimize)?;
        if let Some(target) = &self.target {
            let features: Vec<&str> = self.cpu.iter().map(String::as_str).collect();
            options.config.target_with_features(target, &features);
        }
        let output = self.output.unwrap_or_else(|| default_output(&self.file));
        refuse_to_replace(&self.file, &output)?;
        let engine = Engine::new(&options.config)?;
        let input = Input::read(&self.file)?;
        let key = self.key.key()?;
        stop.watch_compilation(&input.name, options.timeout)?;
        let artifact = input.precompile(&engine, &key)?;
        Module::write_artifact(&output, &artifact)?;
        Ok(0)
    }
}

fn default_output(input: &Path) -> PathBuf {
    let stem = if input.as_os_str() == "-" { Path::new("module") } else { input };
    PathBuf::from(stem.file_name().unwrap_or_default()).with_extension("epsilon")
}
