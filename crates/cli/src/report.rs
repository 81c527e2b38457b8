//! What the command says when something does not go well.

use crate::exit::Cause;
use anyhow::{Context as _, Result};
use epsilon::{CompileError, Error, Trap};
use std::fmt::{self, Display, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// An error together with what to do about it.
#[derive(Debug)]
pub struct Advice {
    message: String,
    help: String,
}

impl Advice {
    /// An error that says what happened, and what to do.
    pub fn error(message: impl Into<String>, help: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self { message: message.into(), help: help.into() })
    }
}

impl Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Advice {}

/// Prints an error, its causes, and what to do.
pub fn error(error: &anyhow::Error) {
    let mut text = error.to_string();
    let mut last = text.clone();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some errors speak for the one inside.
        if cause != last {
            let _ = write!(text, "\n  caused by: {}", indented(&cause));
        }
        last = cause;
    }
    let advice = error.chain().find_map(|cause| match cause.downcast_ref::<Advice>() {
        Some(advice) => Some(advice.help.as_str()),
        None => cause.downcast_ref().and_then(help_with_system),
    });
    print(&text, advice);
}

/// What to do about an error of the system's, where that is known.
pub fn help_with_system(error: &std::io::Error) -> Option<&'static str> {
    let is_exhausted = error.raw_os_error() == Some(nix::errno::Errno::EMFILE as i32);
    is_exhausted.then_some("the process may not have more files open; `ulimit -n NUMBER` raises the limit")
}

/// Prints how a guest ended that did not end by itself.
pub fn guest_end(name: &str, error: &Error) {
    let cause = error.root_cause();
    let mut text = match (error.trap(), error.exception()) {
        (Some(trap), _) => format!("`{name}` trapped: {}", with_note(error, trap)),
        (None, Some(_)) => format!("`{name}` ended with {cause}"),
        (None, None) => format!("`{name}` was stopped: {cause}"),
    };
    push_backtrace(&mut text, error);
    let limit = cause.downcast_ref().and_then(|error| match error {
        CompileError::Limit(limit) => limit.setting,
        _ => None,
    });
    let help = match (error.trap(), limit) {
        // A note is about the host's stack, and says what to do itself.
        (Some(trap @ Trap::StackOverflow), _) if with_note(error, trap) == trap.message() => {
            Some("if recursion this deep is intended, `-W max-wasm-stack=64M` enlarges the stack".to_owned())
        }
        (_, Some(setting)) => Some(crate::options::help_with_limit(setting)),
        _ => None,
    };
    print(&text, help.as_deref());
}

/// A trap's text, with what the error says beyond it.
fn with_note(error: &Error, trap: Trap) -> String {
    let text = error.to_string();
    text.strip_prefix("wasm trap: ").map_or_else(|| trap.message().to_owned(), str::to_owned)
}

/// Prints that the guest's time was up, and where it was.
pub fn timeout(name: &str, limit: impl Display, error: Option<&Error>) {
    let mut text = format!("`{name}` was stopped: it reached its time limit of {limit}");
    if let Some(error) = error {
        push_backtrace(&mut text, error);
    }
    print(&text, None);
}

/// Prints that a module was not compiled to the end.
pub fn compilation_stopped(name: &str, cause: &Cause) {
    match cause {
        Cause::Time(limit) => {
            print(
                &format!("the compilation of `{name}` was stopped: it reached its time limit of {}", limit.text),
                None,
            );
        }
        Cause::Signal(_) => print(&format!("the compilation of `{name}` was stopped"), None),
    }
}

fn push_backtrace(text: &mut String, error: &Error) {
    if let Some(backtrace) = error.backtrace().filter(|backtrace| !backtrace.frames().is_empty()) {
        let _ = write!(text, "\n{backtrace}");
    }
}

fn indented(text: impl Display) -> String {
    text.to_string().trim_end().replace('\n', "\n    ")
}

/// Prints to the error stream, in colours where that is a terminal.
fn print(text: &str, help: Option<&str>) {
    // Names of files and modules are part of it, and what a guest made a host function say.
    let (text, help) = (epsilon::escape_lines(text), help.map(epsilon::escape_lines));
    let error = anstyle::AnsiColor::Red.on_default().bold();
    let bold = anstyle::Style::new().bold();
    crate::progress::clear();
    // A closed standard error cannot be reported.
    let mut stream = anstream::stderr().lock();
    let _ = std::io::Write::write_fmt(&mut stream, format_args!("{error}error:{error:#} {text}\n"));
    if let Some(help) = help {
        let help = indented(help);
        let _ = std::io::Write::write_fmt(&mut stream, format_args!("  {bold}help:{bold:#} {help}\n"));
    }
}

/// Whether a pipe that nobody reads ends the process. While a guest runs it does not: that one gets an error.
static PIPES_END_US: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Lets the system end the command when it writes to a pipe that nobody reads, as it ends `cat`.
pub fn end_quietly_on_broken_pipe() -> Result<()> {
    let flag = PIPES_END_US.get_or_init(|| Arc::new(AtomicBool::new(true)));
    signal_hook::flag::register_conditional_default(signal_hook::consts::SIGPIPE, flag.clone())
        .context("cannot prepare for broken pipes")?;
    Ok(())
}

/// Leaves broken pipes to the guest, or no longer.
pub fn leave_broken_pipes_to_guest(leave: bool) {
    if let Some(flag) = PIPES_END_US.get() {
        flag.store(!leave, Ordering::SeqCst);
    }
}
