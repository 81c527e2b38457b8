//! What an error says happened: one of a few kinds that can be matched, or an error of the host's own.

use super::Inner;
use crate::store::exception::Exception;
use epsilon_abi::text::escape_lines;
use epsilon_abi::{Escaped, TrapCode};
use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

/// An error of any type, in a box.
pub type BoxedError = Box<dyn StdError + Send + Sync>;

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The guest trapped.
    Trap(TrapCode),
    /// The guest, or a host function that it called, threw an exception that nobody caught.
    Exception(Exception),
    /// A host function failed, or code of the embedder; the error is the one that it returned.
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

/// What the guest chose of it, such as names, is escaped.
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(code) => code.fmt(f),
            Self::Exception(exception) => exception.fmt(f),
            Self::WrongStore { item } => {
                write!(f, "this {item} belongs to another store; use it with the store that it came from")
            }
            Self::Mismatch { what, expected, found } => {
                write!(f, "{}: expected {}, found {}", Escaped::new(what), Escaped::new(expected), Escaped::new(found))
            }
            Self::Import { module, name, problem } => {
                let (module, name, problem) = (Escaped::new(module), Escaped::new(name), Escaped::new(problem));
                write!(f, "import `{module}`.`{name}`: {problem}")
            }
            Self::Missing { what, hint } => {
                write!(f, "{} does not exist; {}", Escaped::new(what), Escaped::new(hint))
            }
            Self::Limit(message) | Self::Misuse(message) => Escaped::new(message).fmt(f),
            Self::Host(source) => source.fmt(f),
            // What is wrong with a module in the text format is shown in several lines.
            Self::Module(source) => f.write_str(&escape_lines(&source.to_string())),
            Self::System { attempt, .. } => write!(f, "cannot {attempt}"),
        }
    }
}

impl StdError for ErrorKind {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Host(source) | Self::Module(source) => source.as_error().source(),
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// An error of the host's own, of any type.
pub struct HostError(pub(super) Box<dyn Object>);

impl HostError {
    /// The error; what is in a box, if it came in one.
    pub fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        (&*self.0 as &dyn Any).downcast_ref::<Boxed>().map_or_else(|| self.0.as_error(), |boxed| &*boxed.0)
    }
}

impl std::ops::Deref for HostError {
    type Target = dyn StdError + Send + Sync + 'static;
    fn deref(&self) -> &Self::Target {
        self.as_error()
    }
}

impl fmt::Debug for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_error(), f)
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_error(), f)
    }
}

/// An error that can be taken for what it was.
pub(super) trait Object: Any + Send + Sync {
    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static);
}

impl<E: StdError + Send + Sync + 'static> Object for E {
    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }
}

/// What an error is given to say with [`Error::msg`](super::Error::msg).
pub(super) struct Message<M>(pub M);

impl<M: fmt::Display> fmt::Display for Message<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M: fmt::Debug> fmt::Debug for Message<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M: fmt::Display + fmt::Debug> StdError for Message<M> {}

/// An error that came in a box, and cannot be taken out.
pub(super) struct Boxed(pub BoxedError);

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// What an error is said to be in the context of: anything that can be shown.
pub(super) trait Layer: fmt::Display + Any + Send + Sync {}

impl<C: fmt::Display + Send + Sync + 'static> Layer for C {}

/// What happened, or what it happened in the context of.
pub(super) enum What {
    Kind(ErrorKind),
    Context(Box<dyn Layer>, super::Error),
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Context(layer, _) => layer.fmt(f),
            What::Kind(kind) => {
                fmt::Display::fmt(kind, f)?;
                self.note.as_ref().map_or(Ok(()), |note| write!(f, ": {note}"))
            }
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Inner {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.what {
            What::Context(_, inner) => Some(inner.as_error()),
            What::Kind(kind) => kind.source(),
        }
    }
}
