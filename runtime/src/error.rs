//! The error of every fallible call: one boxed kind, eight bytes wide, with what happened and where.

use crate::backtrace::WasmBacktrace;
use epsilon_abi::TrapCode;
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
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The guest trapped.
    Trap(TrapCode),
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
        Self(Box::new(Inner { kind, backtrace: None }))
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
        Self::new(ErrorKind::Mismatch {
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }

    /// An invalid or unsupported module.
    #[cold]
    pub fn module(source: impl Into<HostError>) -> Self {
        Self::new(ErrorKind::Module(source.into()))
    }

    /// An error that a host function returned. An `Error` inside is taken out, so that what passes through several
    /// host functions stays one error.
    #[cold]
    pub fn host(source: HostError) -> Self {
        match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => Self::new(ErrorKind::Host(source)),
        }
    }

    /// With the guest's frames, unless it has them from an activation further in: walking the same frames once more
    /// at every level would take time that grows with the square of their number.
    #[cold]
    pub(crate) fn with_backtrace(mut self, walk: impl FnOnce() -> Option<WasmBacktrace>) -> Self {
        self.0.backtrace = self.0.backtrace.take().or_else(walk);
        self
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The trap, if the guest trapped.
    pub fn trap(&self) -> Option<TrapCode> {
        match self.0.kind {
            ErrorKind::Trap(code) => Some(code),
            _ => None,
        }
    }

    /// The guest's frames at the time, innermost first.
    pub fn backtrace(&self) -> Option<&WasmBacktrace> {
        self.0.backtrace.as_ref()
    }

    /// The first error of type `E` in the chain of sources, such as the one that a host function returned.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(self);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<E>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ErrorKind::Trap(code) => write!(f, "wasm trap: {code}"),
            ErrorKind::Host(_) => f.write_str("a host function failed"),
            ErrorKind::WrongStore { item } => {
                write!(f, "this {item} belongs to another store; use it with the store that it came from")
            }
            ErrorKind::Mismatch { what, expected, found } => write!(f, "{what}: expected {expected}, found {found}"),
            ErrorKind::Import { module, name, problem } => write!(f, "import `{module}`.`{name}`: {problem}"),
            ErrorKind::Missing { what, hint } => write!(f, "{what} does not exist; {hint}"),
            ErrorKind::Limit(message) | ErrorKind::Misuse(message) => f.write_str(message),
            ErrorKind::Module(source) => source.fmt(f),
            ErrorKind::System { attempt, .. } => write!(f, "cannot {attempt}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(f, "\ncaused by: {error}")?;
            source = error.source();
        }
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

impl From<TrapCode> for Error {
    #[cold]
    fn from(code: TrapCode) -> Self {
        Self::new(ErrorKind::Trap(code))
    }
}

impl From<crate::link::LinkError> for Error {
    fn from(error: crate::link::LinkError) -> Self {
        Self::module(error)
    }
}
