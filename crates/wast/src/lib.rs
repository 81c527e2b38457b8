//! Runs `.wast` scripts, the format of the specification's test suite, on the public API alone.
//!
//! `lib.rs` has the entry points, `context` runs directives, `values` converts arguments and compares results,
//! `spectest` is the host module that scripts import.
#![forbid(unsafe_code)]

mod context;
mod spectest;
mod values;

use epsilon::Engine;
use std::path::Path;
use wast::parser::{self, ParseBuffer};
use wast::{Wast, WastDirective};

/// What became of a script.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Assertions that held.
    pub passed: usize,
    /// Directives that did not do what the script says.
    pub failures: Vec<Failure>,
}

/// A directive that did not do what the script says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Line in the script, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What happened.
    pub message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Runs a script from a file.
///
/// # Errors
/// If the file cannot be read, or is not a script.
pub fn run_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Summary, Box<dyn std::error::Error + Send + Sync>> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    run(engine, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Runs a script. A directive that fails does not keep later ones from running.
///
/// # Errors
/// If the text is not a script.
pub fn run(engine: &Engine, text: &str) -> Result<Summary, wast::Error> {
    let locate = |mut error: wast::Error| {
        error.set_text(text);
        error
    };
    let mut lexer = wast::lexer::Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(locate)?;
    let script = parser::parse::<Wast<'_>>(&buffer).map_err(locate)?;
    Ok(std::thread::scope(|scope| run_directives(context::Context::new(engine, scope), script.directives, text)))
}

fn run_directives<'s>(
    mut context: context::Context<'s, '_>,
    directives: Vec<WastDirective<'s>>,
    text: &str,
) -> Summary {
    let mut summary = Summary::default();
    for directive in directives {
        let span = directive.span();
        let counts = is_assertion(&directive);
        match context.run(directive) {
            Ok(()) => summary.passed += usize::from(counts),
            Err(message) => {
                let (line, column) = span.linecol_in(text);
                summary.failures.push(Failure { line: line + 1, column: column + 1, message });
            }
        }
    }
    summary
}

/// Whether a directive is an assertion: what [`Summary::passed`] counts.
pub fn is_assertion(directive: &WastDirective<'_>) -> bool {
    !matches!(
        directive,
        WastDirective::Module(_)
            | WastDirective::ModuleDefinition(_)
            | WastDirective::ModuleInstance { .. }
            | WastDirective::Register { .. }
            | WastDirective::Invoke(_)
            | WastDirective::Thread(_)
            | WastDirective::Wait { .. }
    )
}
