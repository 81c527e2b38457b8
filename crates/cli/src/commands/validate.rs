//! `epsilon validate`: whether modules are valid, without compiling or running them.

use crate::input::Input;
use crate::options::{EngineOptions, OptimizeOptions};
use crate::{exit, output, report};
use anyhow::Result;
use clap::Args;
use epsilon::{Engine, Escaped};
use std::path::PathBuf;

/// Check that modules are valid, without running them
#[derive(Args)]
pub struct ValidateCommand {
    /// Modules in the binary or the text format; `-` is the standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    engine: EngineOptions,
}

impl ValidateCommand {
    /// Checks every file, and says of each what is wrong with it.
    pub fn execute(self) -> Result<i32> {
        let options = self.engine.options(&OptimizeOptions::default())?;
        let engine = Engine::new(&options.config)?;
        let mut code = 0;
        for path in &self.files {
            match Input::read(path).and_then(|input| input.validate(&engine).map(|()| input.name)) {
                Ok(name) => output::line(format_args!("{}: valid", Escaped::new(&name)))?,
                Err(error) => {
                    report::error(&error);
                    code = exit::ERROR;
                }
            }
        }
        Ok(code)
    }
}
