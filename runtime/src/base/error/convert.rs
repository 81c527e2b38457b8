//! Errors from and to what others call errors.

use super::{BoxedError, Error};
use std::error::Error as Std;
use std::fmt::{self, Debug, Display};

/// An [`Error`] as a [`std::error::Error`]: what it becomes in a box, and in an `anyhow::Error`. `Error` takes it back.
pub struct StdError(pub Error);

impl Display for StdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Debug for StdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl Std for StdError {
    /// The trap, the exception or the host's own error, where it says the same; else its cause.
    fn source(&self) -> Option<&(dyn Std + 'static)> {
        let error: &(dyn Std + 'static) = self.0.as_error();
        if error.is::<super::Inner>() { self.0.0.source() } else { Some(error) }
    }
}

impl<E: Std + Send + Sync + 'static> From<E> for Error {
    #[cold]
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl From<Error> for BoxedError {
    fn from(error: Error) -> Self {
        Box::new(StdError(error))
    }
}

impl From<Error> for Box<dyn Std> {
    fn from(error: Error) -> Self {
        Box::new(StdError(error))
    }
}

impl AsRef<dyn Std + Send + Sync> for Error {
    fn as_ref(&self) -> &(dyn Std + Send + Sync + 'static) {
        self.as_error()
    }
}

impl AsRef<dyn Std> for Error {
    fn as_ref(&self) -> &(dyn Std + 'static) {
        self.as_error()
    }
}

impl std::ops::Deref for Error {
    type Target = dyn Std + Send + Sync + 'static;
    fn deref(&self) -> &Self::Target {
        self.as_error()
    }
}

impl Error {
    /// The error in a box.
    pub fn into_boxed_dyn_error(self) -> BoxedError {
        self.into()
    }
}

/// An `anyhow::Error` that something is to be found in.
#[cfg(feature = "anyhow")]
pub(super) struct Anyhow(pub anyhow::Error);

#[cfg(feature = "anyhow")]
mod with_anyhow {
    use super::{Anyhow, Error, Std, StdError};
    use std::fmt::{self, Debug, Display};

    impl Display for Anyhow {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            Display::fmt(&self.0, f)
        }
    }

    impl Debug for Anyhow {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            Debug::fmt(&self.0, f)
        }
    }

    impl Std for Anyhow {
        fn source(&self) -> Option<&(dyn Std + 'static)> {
            self.0.source()
        }
    }

    impl From<Error> for anyhow::Error {
        fn from(error: Error) -> Self {
            Self::new(StdError(error))
        }
    }

    impl Error {
        /// An error of the crate `anyhow`. Those of Epsilon itself are taken out, and what else it is made of is found with
        /// [`Error::downcast_ref`].
        #[cold]
        pub fn from_anyhow(error: anyhow::Error) -> Self {
            // What stands behind contexts stays there, so that they are not lost.
            let is = |ours: fn(&(dyn Std + 'static)) -> bool| error.chain().next().is_some_and(ours);
            let taken = if is(<dyn Std>::is::<StdError>) {
                error.downcast::<StdError>().map(|error| error.0)
            } else if is(<dyn Std>::is::<epsilon_abi::TrapCode>) {
                error.downcast::<epsilon_abi::TrapCode>().map(Into::into)
            } else if is(<dyn Std>::is::<crate::store::exception::Exception>) {
                error.downcast::<crate::store::exception::Exception>().map(Into::into)
            } else {
                Err(error)
            };
            taken.unwrap_or_else(|error| Self::new(Anyhow(error)))
        }
    }
}

/// Contexts for the errors of results, and for missing values.
///
/// ```
/// use epsilon::Context;
/// let missing: Option<u32> = None;
/// assert_eq!(missing.context("no such thing").unwrap_err().to_string(), "no such thing");
/// ```
pub trait Context<T, E>: sealed::Sealed {
    /// The error in a context, or the context as an error.
    ///
    /// # Errors
    /// If it was one, or nothing.
    fn context<C: Display + Send + Sync + 'static>(self, context: C) -> Result<T, Error>;

    /// As [`Context::context`], which is made only where there is an error.
    ///
    /// # Errors
    /// If it was one, or nothing.
    fn with_context<C: Display + Send + Sync + 'static>(self, context: impl FnOnce() -> C) -> Result<T, Error>;
}

impl<T, E: IntoError> Context<T, E> for Result<T, E> {
    fn context<C: Display + Send + Sync + 'static>(self, context: C) -> Result<T, Error> {
        self.map_err(|error| error.into_error().context(context))
    }

    fn with_context<C: Display + Send + Sync + 'static>(self, context: impl FnOnce() -> C) -> Result<T, Error> {
        self.map_err(|error| error.into_error().context(context()))
    }
}

impl<T> Context<T, std::convert::Infallible> for Option<T> {
    fn context<C: Display + Send + Sync + 'static>(self, context: C) -> Result<T, Error> {
        self.ok_or_else(|| Error::msg(Shown(context)))
    }

    fn with_context<C: Display + Send + Sync + 'static>(self, context: impl FnOnce() -> C) -> Result<T, Error> {
        self.ok_or_else(|| Error::msg(Shown(context())))
    }
}

/// A context that is all that there is to say.
struct Shown<C>(C);

impl<C: Display> Display for Shown<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<C: Display> Debug for Shown<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What can become an [`Error`]: any error, and itself.
#[doc(hidden)]
pub trait IntoError {
    fn into_error(self) -> Error;
}

impl<E: Std + Send + Sync + 'static> IntoError for E {
    fn into_error(self) -> Error {
        Error::new(self)
    }
}

impl IntoError for Error {
    fn into_error(self) -> Error {
        self
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T, E: super::IntoError> Sealed for Result<T, E> {}
    impl<T> Sealed for Option<T> {}
}

/// What the macros make errors with: of an error itself if it is one, else of what it shows.
#[doc(hidden)]
pub mod macros {
    use super::{Debug, Display, Error, Std};

    pub trait OfError {
        fn epsilon_kind(&self) -> IsError {
            IsError
        }
    }
    impl<E: Into<Error>> OfError for E {}
    pub struct IsError;
    impl IsError {
        pub fn error(self, error: impl Into<Error>) -> Error {
            error.into()
        }
    }

    pub trait OfMessage {
        fn epsilon_kind(&self) -> IsMessage {
            IsMessage
        }
    }
    impl<M: Display + Debug + Send + Sync + 'static> OfMessage for &M {}
    pub struct IsMessage;
    impl IsMessage {
        pub fn error(self, message: impl Display + Debug + Send + Sync + 'static) -> Error {
            Error::msg(message)
        }
    }

    pub trait OfBox {
        fn epsilon_kind(&self) -> IsBox {
            IsBox
        }
    }
    impl OfBox for Box<dyn Std + Send + Sync> {}
    pub struct IsBox;
    impl IsBox {
        pub fn error(self, error: Box<dyn Std + Send + Sync>) -> Error {
            Error::from_boxed(error)
        }
    }
}
