//! `epsilon compile`: compiles a module ahead of time.

use crate::input::Input;
use crate::key::KeyOption;
use crate::options::{EngineOptions, OptimizeOptions};
use crate::output::refuse_to_replace;
use crate::stop::Stop;
use anyhow::Result;
use clap::Args;
use epsilon::{Engine, Module};
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
