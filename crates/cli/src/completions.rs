//! `epsilon completions`: scripts that make a shell complete the command's words.

use anyhow::Result;
use clap::{Args, CommandFactory};

/// Print a script that completes the command's words in a shell
#[derive(Args)]
pub struct CompletionsCommand {
    /// The shell
    shell: clap_complete::Shell,
}

impl CompletionsCommand {
    /// Prints the script.
    pub fn execute(self) -> Result<i32> {
        clap_complete::generate(self.shell, &mut crate::Cli::command(), "epsilon", &mut std::io::stdout());
        Ok(0)
    }
}
