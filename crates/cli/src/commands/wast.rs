//! `epsilon wast`: scripts of the specification's test suite.

use crate::options::{EngineOptions, OptimizeOptions};
use crate::{exit, output, report};
use anyhow::Result;
use clap::Args;
use epsilon::{Engine, Escaped, escape_lines};
use std::path::PathBuf;

/// Run scripts of the specification's test suite
#[derive(Args)]
pub struct WastCommand {
    /// Scripts
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    engine: EngineOptions,
    #[command(flatten)]
    optimize: OptimizeOptions,
}

impl WastCommand {
    /// Runs every script, and lists the directives that did not do what the script says.
    pub fn execute(self) -> Result<i32> {
        let options = self.engine.options(&self.optimize)?;
        let engine = Engine::new(&options.config)?;
        let mut code = 0;
        for path in &self.files {
            match epsilon_wast::run_file(&engine, path) {
                Ok(summary) => {
                    let (passed, failed) = (summary.passed, summary.failures.len());
                    let name = Escaped::new(&path.to_string_lossy()).to_string();
                    for failure in &summary.failures {
                        output::line(format_args!("{name}:{}", escape_lines(&failure.to_string())))?;
                    }
                    output::line(format_args!("{name}: assertions passed: {passed}, directives failed: {failed}"))?;
                    code = code.max(if failed == 0 { 0 } else { exit::ERROR });
                }
                Err(error) => {
                    report::error(&anyhow::Error::from_boxed(error));
                    code = exit::ERROR;
                }
            }
        }
        Ok(code)
    }
}
