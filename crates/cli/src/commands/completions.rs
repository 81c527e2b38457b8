//! `epsilon completions`: scripts that make a shell complete the command's words.

use anyhow::Result;
use clap::{Args, Command};

/// Print a script that completes the command's words in a shell
#[derive(Args)]
pub struct CompletionsCommand {
    /// The shell
    shell: clap_complete::Shell,
}

impl CompletionsCommand {
    /// Prints the script that completes the words of the command.
    pub fn execute(self, command: &mut Command) -> Result<i32> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "epsilon", &mut script);
        crate::output::print(String::from_utf8_lossy(&script))?;
        Ok(0)
    }
}
