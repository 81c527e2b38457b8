//! What the command prints on its standard output. It is either all there or an error: a full disk is told, and ends the
//! command with exit code 1. A pipe that nobody reads ends it as it ends other programs (`report`). And where it must not
//! write.

use crate::report::Advice;
use anyhow::{Context as _, Result};
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;

/// Prints text, and sees that it arrives.
pub fn print(text: impl Display) -> Result<()> {
    write(text.to_string().as_bytes())
}

/// Prints a line, and sees that it arrives.
pub fn line(text: impl Display) -> Result<()> {
    print(format_args!("{text}\n"))
}

/// Prints text with styles, which it has only where the output is a terminal.
pub fn print_styled(text: &clap::builder::StyledStr) -> Result<()> {
    let mut stream = anstream::stdout().lock();
    let written = write!(stream, "{}", text.ansi()).and_then(|()| stream.flush());
    written.context(CANNOT)
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut stream = io::stdout().lock();
    stream.write_all(bytes).and_then(|()| stream.flush()).context(CANNOT)
}

const CANNOT: &str = "cannot write to the standard output";

/// A module without an extension has the name that its executable would get.
pub fn refuse_to_replace(input: &Path, output: &Path) -> Result<()> {
    match (input.canonicalize(), output.canonicalize()) {
        (Ok(input), Ok(output)) if input == output => Err(Advice::error(
            format!("`{}` is the module itself and would be overwritten", output.display()),
            "name another file with `-o FILE`",
        )),
        _ => Ok(()),
    }
}
