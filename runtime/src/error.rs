//! The error of every fallible call: one boxed kind, eight bytes wide, with what happened and where.

use crate::backtrace::WasmBacktrace;
use crate::exception::Exception;
use epsilon_abi::text::escape_lines;
use epsilon_abi::{Escaped, TrapCode};
use std::fmt;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What host functions may fail with: any error, or a message.
pub type HostError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call failed, with the guest's frames if it had any.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    backtrace: Option<WasmBacktrace>,
    /// What else is to be said of a trap.
    note: Option<Box<str>>,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The guest trapped.
    Trap(TrapCode),
    /// The guest, or a host function that it called, threw an exception that nobody caught.
    Exception(Exception),
    /// A host function failed; the error is the one that it returned.
    Host(HostError),
    /// An item was used with a store that it does not belong to.
    WrongStore {
        /// What kind of item.
        item: &'static str,
    },
    /// A type or signature is not the one expected.
    Mismatch {
        /// What was looked at.
        what: String,
        /// The type expected.
        expected: String,
        /// The type found.
        found: String,
    },
    /// An import cannot be satisfied.
    Import {
        /// The first of the import's names.
        module: String,
        /// The second of the import's names.
        name: String,
        /// What is wrong, and what would mend it.
        problem: String,
    },
    /// A name that is not there.
    Missing {
        /// What was looked for.
        what: String,
        /// What is there, or what to do.
        hint: String,
    },
    /// A limit of the machine, the configuration or a resource limiter was reached.
    Limit(String),
    /// The module is invalid, unsupported or could not be compiled.
    Module(HostError),
    /// Something of the operating system failed.
    System {
        /// What was attempted.
        attempt: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A request that cannot be met as asked.
    Misuse(String),
}

impl Error {
    /// An error of this kind.
    #[cold]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { kind, backtrace: None, note: None }))
    }

    /// The error that an item's wrong store gives.
    #[cold]
    pub(crate) fn wrong_store(item: &'static str) -> Self {
        Self::new(ErrorKind::WrongStore { item })
    }

    /// A request that cannot be met as asked.
    #[cold]
    pub fn misuse(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Misuse(message.into()))
    }

    /// A reached limit.
    #[cold]
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit(message.into()))
    }

    /// A failed attempt of something that the operating system does.
    #[cold]
    pub fn system(attempt: impl Into<String>, source: std::io::Error) -> Self {
        Self::new(ErrorKind::System { attempt: attempt.into(), source })
    }

    /// A type that is not the one expected.
    #[cold]
    pub fn mismatch(what: impl Into<String>, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Mismatch { what: what.into(), expected: expected.to_string(), found: found.to_string() })
    }

    /// An invalid or unsupported module.
    #[cold]
    pub fn module(source: impl Into<HostError>) -> Self {
        Self::new(ErrorKind::Module(source.into()))
    }

    /// An error that a host function returned. An `Error` inside is taken out, so that what passes through several
    /// host functions stays one error; so are an exception and a trap.
    #[cold]
    pub fn host(source: HostError) -> Self {
        let taken_out = source.downcast::<Error>().map(|error| *error);
        let taken_out = taken_out.or_else(|source| source.downcast::<Exception>().map(|exception| (*exception).into()));
        let taken_out = taken_out.or_else(|source| source.downcast::<TrapCode>().map(|code| (*code).into()));
        taken_out.unwrap_or_else(|source| Self::new(ErrorKind::Host(source)))
    }

    /// With the guest's frames, unless it has them from an activation further in: walking the same frames once more
    /// at every level would take time that grows with the square of their number.
    #[cold]
    pub(crate) fn with_backtrace(mut self, walk: impl FnOnce() -> Option<WasmBacktrace>) -> Self {
        self.0.backtrace = self.0.backtrace.take().or_else(walk);
        self
    }

    /// With words that a trap's own do not say: where, and what to do.
    #[cold]
    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.0.note = Some(note.into());
        self
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The trap, if the guest trapped; also one that a host function has wrapped in an error of its own.
    pub fn trap(&self) -> Option<TrapCode> {
        match &self.0.kind {
            ErrorKind::Trap(code) => Some(*code),
            ErrorKind::Host(source) => match inner_error(&**source) {
                Some(error) => error.trap(),
                None => TrapCode::of_error(&**source),
            },
            _ => None,
        }
    }

    /// The exception, if one was thrown and not caught.
    pub fn exception(&self) -> Option<&Exception> {
        match &self.0.kind {
            ErrorKind::Exception(exception) => Some(exception),
            _ => None,
        }
    }

    /// The guest's frames at the time, innermost first.
    pub fn backtrace(&self) -> Option<&WasmBacktrace> {
        self.0.backtrace.as_ref()
    }

    /// The first error of type `E` in what happened and its chain of sources: the one that a host function returned,
    /// a [`Trap`](TrapCode), an [`Exception`].
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        let first: Option<&(dyn std::error::Error + 'static)> = match &self.0.kind {
            ErrorKind::Trap(code) => Some(code),
            ErrorKind::Exception(exception) => Some(exception),
            ErrorKind::Module(source) => Some(&**source),
            _ => std::error::Error::source(self),
        };
        chain(first).find_map(|error| error.downcast_ref::<E>())
    }
}

/// An error and its sources.
fn chain<'a>(
    first: Option<&'a (dyn std::error::Error + 'static)>,
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(first, |error| error.source())
}

/// The error of an activation further in, which a host function has wrapped.
fn inner_error<'a>(source: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    chain(Some(source)).find_map(|error| error.downcast_ref())
}

/// What the guest chose of it, such as names, is escaped.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ErrorKind::Trap(code) => match &self.0.note {
                Some(note) => write!(f, "{}{code}: {note}", TrapCode::PREFIX),
                None => write!(f, "{}{code}", TrapCode::PREFIX),
            },
            ErrorKind::Exception(exception) => exception.fmt(f),
            ErrorKind::WrongStore { item } => {
                write!(f, "this {item} belongs to another store; use it with the store that it came from")
            }
            ErrorKind::Mismatch { what, expected, found } => {
                write!(f, "{}: expected {}, found {}", Escaped::new(what), Escaped::new(expected), Escaped::new(found))
            }
            ErrorKind::Import { module, name, problem } => {
                let (module, name, problem) = (Escaped::new(module), Escaped::new(name), Escaped::new(problem));
                write!(f, "import `{module}`.`{name}`: {problem}")
            }
            ErrorKind::Missing { what, hint } => {
                write!(f, "{} does not exist; {}", Escaped::new(what), Escaped::new(hint))
            }
            ErrorKind::Limit(message) | ErrorKind::Misuse(message) => Escaped::new(message).fmt(f),
            ErrorKind::Host(source) => source.fmt(f),
            // What is wrong with a module in the text format is shown in several lines.
            ErrorKind::Module(source) => f.write_str(&escape_lines(&source.to_string())),
            ErrorKind::System { attempt, .. } => write!(f, "cannot {attempt}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        // The host's error is what was just said.
        let causes = match &self.0.kind {
            ErrorKind::Host(source) => source.source(),
            _ => std::error::Error::source(self),
        };
        chain(causes).try_for_each(|error| write!(f, "\ncaused by: {error}"))?;
        match &self.0.backtrace {
            Some(backtrace) => write!(f, "\n{backtrace}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Host(source) => Some(&**source),
            ErrorKind::Module(source) => source.source(),
            ErrorKind::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<Exception> for Error {
    #[cold]
    fn from(exception: Exception) -> Self {
        Self::new(ErrorKind::Exception(exception))
    }
}

impl From<TrapCode> for Error {
    #[cold]
    fn from(code: TrapCode) -> Self {
        Self::new(ErrorKind::Trap(code))
    }
}

impl From<crate::link::LinkError> for Error {
    fn from(error: crate::link::LinkError) -> Self {
        match error {
            crate::link::LinkError::Full { .. } | crate::link::LinkError::NoMemory(_) => Self::limit(error.to_string()),
            error => Self::module(error),
        }
    }
}
