//! The error of every fallible call, eight bytes wide: what happened, in which context, and the guest's frames.
//!
//! It takes every error by `?`, and is therefore not a [`std::error::Error`] itself: [`StdError`] is, where one is needed.

mod convert;
mod kind;

use crate::exit::backtrace::WasmBacktrace;
use crate::store::exception::{Exception, ThrownException};
use epsilon_abi::TrapCode;
use kind::{Boxed, Message, Object, What};
use std::any::{Any, TypeId};
use std::fmt::{self, Debug, Display};

#[doc(hidden)]
pub use convert::macros;
pub use convert::{Context, IntoError, StdError};
pub use kind::{BoxedError, ErrorKind, HostError};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed, with the guest's frames if it had any.
///
/// Every error becomes one by `?` or `From`; what it was is found again with [`Error::downcast_ref`]. So are what
/// Epsilon itself says: a [`Trap`](TrapCode), a [`WasmBacktrace`], an [`Exception`], an [`ErrorKind`].
///
/// ```
/// use epsilon::{Context, Error, Trap};
///
/// fn parse(text: &str) -> epsilon::Result<u32> {
///     text.parse::<u32>().with_context(|| format!("cannot read `{text}`")).map_err(Into::into)
/// }
///
/// let error = parse("seven").unwrap_err();
/// assert_eq!(error.to_string(), "cannot read `seven`");
/// assert!(error.is::<std::num::ParseIntError>());
/// assert_eq!(format!("{error:#}"), "cannot read `seven`: invalid digit found in string");
/// assert_eq!(Error::from(Trap::Interrupt).context("too slow").downcast_ref(), Some(&Trap::Interrupt));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    what: What,
    backtrace: Option<WasmBacktrace>,
    /// What else is to be said of a trap.
    note: Option<Box<str>>,
}

impl Error {
    #[cold]
    pub(crate) fn of_kind(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { what: What::Kind(kind), backtrace: None, note: None }))
    }

    /// An error of any type. Those of Epsilon itself stay what they are.
    #[cold]
    pub fn new<E: std::error::Error + Send + Sync + 'static>(error: E) -> Self {
        let mut error = Some(error);
        let taken = known(&mut error);
        taken.unwrap_or_else(|| {
            Self::of_kind(ErrorKind::Host(HostError(Box::new(error.expect("taken by nothing known")))))
        })
    }

    /// An error that is just a message.
    #[cold]
    pub fn msg<M: Display + Debug + Send + Sync + 'static>(message: M) -> Self {
        Self::of_kind(ErrorKind::Host(HostError(Box::new(Message(message)))))
    }

    /// An error that came in a box. Those of Epsilon itself are taken out.
    #[cold]
    pub fn from_boxed(error: BoxedError) -> Self {
        let taken = error.downcast::<StdError>().map(|error| error.0);
        let taken = taken.or_else(|error| error.downcast::<Exception>().map(|exception| (*exception).into()));
        let taken = taken.or_else(|error| error.downcast::<TrapCode>().map(|code| (*code).into()));
        taken.unwrap_or_else(|error| Self::of_kind(ErrorKind::Host(HostError(Box::new(Boxed(error))))))
    }

    /// The error that an item's wrong store gives.
    #[cold]
    pub(crate) fn wrong_store(item: &'static str) -> Self {
        Self::of_kind(ErrorKind::WrongStore { item })
    }

    /// A request that cannot be met as asked.
    #[cold]
    pub fn misuse(message: impl Into<String>) -> Self {
        Self::of_kind(ErrorKind::Misuse(message.into()))
    }

    /// A reached limit.
    #[cold]
    pub fn limit(message: impl Into<String>) -> Self {
        Self::of_kind(ErrorKind::Limit(message.into()))
    }

    /// A failed attempt of something that the operating system does.
    #[cold]
    pub fn system(attempt: impl Into<String>, source: std::io::Error) -> Self {
        Self::of_kind(ErrorKind::System { attempt: attempt.into(), source })
    }

    /// A type that is not the one expected.
    #[cold]
    pub fn mismatch(what: impl Into<String>, expected: impl Display, found: impl Display) -> Self {
        Self::of_kind(ErrorKind::Mismatch {
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }

    /// An invalid or unsupported module.
    #[cold]
    pub fn module<E: std::error::Error + Send + Sync + 'static>(source: E) -> Self {
        Self::of_kind(ErrorKind::Module(HostError(Box::new(source))))
    }

    /// An invalid or unsupported module, of which this is to be said.
    #[cold]
    pub fn invalid_module(message: impl Into<String>) -> Self {
        Self::module(Message(message.into()))
    }

    /// The error in a context, which it then shows first.
    #[cold]
    pub fn context<C: Display + Send + Sync + 'static>(mut self, context: C) -> Self {
        let backtrace = self.0.backtrace.take();
        Self(Box::new(Inner { what: What::Context(Box::new(context), self), backtrace, note: None }))
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

    /// What happened, whatever the context.
    pub fn kind(&self) -> &ErrorKind {
        match &self.0.what {
            What::Kind(kind) => kind,
            What::Context(_, inner) => inner.kind(),
        }
    }

    /// The trap, if the guest trapped; also one that a host function has wrapped in an error of its own.
    pub fn trap(&self) -> Option<TrapCode> {
        match self.kind() {
            ErrorKind::Trap(code) => Some(*code),
            ErrorKind::Host(source) => match inner_error(source.as_error()) {
                Some(error) => error.trap(),
                None => TrapCode::of_error(source.as_error()),
            },
            _ => None,
        }
    }

    /// The exception, if one was thrown and not caught.
    pub fn exception(&self) -> Option<&Exception> {
        match self.kind() {
            ErrorKind::Exception(exception) => Some(exception),
            _ => None,
        }
    }

    /// The guest's frames at the time, innermost first.
    pub fn backtrace(&self) -> Option<&WasmBacktrace> {
        self.0.backtrace.as_ref()
    }

    /// The error as a trait object: the context if there is one, else the trap, the exception or the host's own error.
    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        match &self.0.what {
            What::Kind(ErrorKind::Trap(code)) if self.0.note.is_none() => code,
            What::Kind(ErrorKind::Exception(exception)) => exception,
            What::Kind(ErrorKind::Host(source) | ErrorKind::Module(source)) => source.as_error(),
            _ => &*self.0,
        }
    }

    /// The error and its causes, outermost first.
    pub fn chain(&self) -> Chain<'_> {
        Chain(Some(self.as_error()))
    }

    /// The innermost cause.
    pub fn root_cause(&self) -> &(dyn std::error::Error + 'static) {
        self.chain().last().expect("a chain has one error at least")
    }

    /// Whether [`Error::downcast_ref`] finds something of type `E`.
    pub fn is<E: Display + Debug + Send + Sync + 'static>(&self) -> bool {
        self.downcast_ref::<E>().is_some()
    }

    /// What it is or was made of, of type `E`: a context, the error that a host function returned, a message; a
    /// [`Trap`](TrapCode), an [`Exception`], a [`WasmBacktrace`] or an [`ErrorKind`]. Traps are also found
    /// among the causes of other errors; for those in general there is [`Error::chain`].
    pub fn downcast_ref<E: Display + Debug + Send + Sync + 'static>(&self) -> Option<&E> {
        if let Some(found) = self.0.backtrace.as_ref().and_then(|backtrace| (backtrace as &dyn Any).downcast_ref()) {
            return Some(found);
        }
        match &self.0.what {
            What::Context(layer, inner) => (&**layer as &dyn Any).downcast_ref().or_else(|| inner.downcast_ref()),
            What::Kind(kind) => {
                let itself = (kind as &dyn Any).downcast_ref();
                itself.or_else(|| match kind {
                    ErrorKind::Trap(code) => (code as &dyn Any).downcast_ref(),
                    ErrorKind::Exception(exception) => {
                        (exception as &dyn Any).downcast_ref().or_else(|| (&ThrownException as &dyn Any).downcast_ref())
                    }
                    ErrorKind::Module(source) | ErrorKind::Host(source) => in_object(&*source.0),
                    ErrorKind::System { source, .. } => (source as &dyn Any).downcast_ref(),
                    _ => None,
                })
            }
        }
    }

    /// As [`Error::downcast_ref`], to change it.
    pub fn downcast_mut<E: Display + Debug + Send + Sync + 'static>(&mut self) -> Option<&mut E> {
        if TypeId::of::<E>() == TypeId::of::<WasmBacktrace>() && self.0.backtrace.is_some() {
            return self.0.backtrace.as_mut().and_then(|backtrace| (backtrace as &mut dyn Any).downcast_mut());
        }
        let is_kind = TypeId::of::<E>() == TypeId::of::<ErrorKind>();
        match &mut self.0.what {
            What::Context(layer, inner) => match (&**layer as &dyn Any).is::<E>() {
                true => (&mut **layer as &mut dyn Any).downcast_mut(),
                false => inner.downcast_mut(),
            },
            What::Kind(kind) => match is_kind {
                true => same_mut(kind),
                false => match kind {
                    ErrorKind::Trap(code) => same_mut(code),
                    ErrorKind::Exception(exception) => same_mut(exception),
                    ErrorKind::Module(source) | ErrorKind::Host(source) => in_object_mut(&mut *source.0),
                    ErrorKind::System { source, .. } => same_mut(source),
                    _ => None,
                },
            },
        }
    }

    /// What [`Error::downcast_ref`] finds, taken out; the error as it was if there is none.
    ///
    /// # Errors
    /// If there is none.
    pub fn downcast<E: Display + Debug + Send + Sync + 'static>(mut self) -> std::result::Result<E, Self> {
        if TypeId::of::<E>() == TypeId::of::<WasmBacktrace>() && self.0.backtrace.is_some() {
            return self.0.backtrace.take().and_then(same).ok_or(self);
        }
        let Inner { what, backtrace, note } = *self.0;
        let again = |what| Self(Box::new(Inner { what, backtrace, note }));
        match what {
            What::Context(layer, inner) => match (&*layer as &dyn Any).is::<E>() {
                true => Ok(*(layer as Box<dyn Any>).downcast().expect("just looked at")),
                false => inner.downcast().map_err(|inner| again(What::Context(layer, inner))),
            },
            What::Kind(kind) => from_kind(kind).map_err(|kind| again(What::Kind(kind))),
        }
    }
}

/// The part of a kind that is of type `E`, by value.
fn from_kind<E: Display + Debug + Send + Sync + 'static>(kind: ErrorKind) -> std::result::Result<E, ErrorKind> {
    if TypeId::of::<E>() == TypeId::of::<ErrorKind>() {
        return Ok(same(kind).expect("the types are the same"));
    }
    match kind {
        ErrorKind::Trap(code) => same(code).ok_or(ErrorKind::Trap(code)),
        ErrorKind::Exception(exception) => match TypeId::of::<E>() == TypeId::of::<Exception>() {
            true => Ok(same(exception).expect("the types are the same")),
            false => same(ThrownException).ok_or(ErrorKind::Exception(exception)),
        },
        ErrorKind::System { source, .. } if TypeId::of::<E>() == TypeId::of::<std::io::Error>() => {
            Ok(same(source).expect("the types are the same"))
        }
        ErrorKind::Module(HostError(object)) => {
            from_object(object).map_err(|object| ErrorKind::Module(HostError(object)))
        }
        ErrorKind::Host(HostError(object)) => from_object(object).map_err(|object| ErrorKind::Host(HostError(object))),
        kind => Err(kind),
    }
}

/// A host's error, or its message, of type `E`.
fn from_object<E: Display + Debug + Send + Sync + 'static>(
    object: Box<dyn Object>,
) -> std::result::Result<E, Box<dyn Object>> {
    if (&*object as &dyn Any).is::<E>() {
        return Ok(*(object as Box<dyn Any>).downcast().expect("just looked at"));
    }
    if (&*object as &dyn Any).is::<Message<E>>() {
        return Ok((object as Box<dyn Any>).downcast::<Message<E>>().expect("just looked at").0);
    }
    #[cfg(feature = "anyhow")]
    if (&*object as &dyn Any).downcast_ref::<convert::Anyhow>().is_some_and(|error| error.0.is::<E>()) {
        let error = (object as Box<dyn Any>).downcast::<convert::Anyhow>().expect("just looked at");
        return Ok(error.0.downcast().expect("just looked at"));
    }
    match among_causes::<TrapCode>(object.as_error()).copied().and_then(same) {
        Some(code) => Ok(code),
        None => Err(object),
    }
}

/// A value as what it is.
fn same<A: 'static, B: 'static>(value: A) -> Option<B> {
    let mut value = Some(value);
    (&mut value as &mut dyn Any).downcast_mut::<Option<B>>().and_then(Option::take)
}

/// A value as what it is.
fn same_mut<A: 'static, B: 'static>(value: &mut A) -> Option<&mut B> {
    (value as &mut dyn Any).downcast_mut()
}

/// What an error of the host is or was made of.
fn in_object_mut<E: Display + Debug + Send + Sync + 'static>(object: &mut dyn Object) -> Option<&mut E> {
    match (&*object as &dyn Any).is::<E>() {
        true => (object as &mut dyn Any).downcast_mut(),
        false => (object as &mut dyn Any).downcast_mut::<Message<E>>().map(|message| &mut message.0),
    }
}

/// What an error of the host is or was made of.
fn in_object<E: Display + Debug + Send + Sync + 'static>(object: &dyn Object) -> Option<&E> {
    let any: &dyn Any = object;
    let found = any.downcast_ref();
    let found = found.or_else(|| any.downcast_ref::<Message<E>>().map(|message| &message.0));
    #[cfg(feature = "anyhow")]
    let found = found.or_else(|| any.downcast_ref::<convert::Anyhow>()?.0.downcast_ref());
    found.or_else(|| among_causes(object.as_error()))
}

/// What Epsilon itself said, among the causes of another error. The types of other causes cannot be told without more
/// than `E` promises.
fn among_causes<'a, E: 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut causes = Chain(Some(error));
    causes.find_map(|cause| {
        let code = cause.downcast_ref::<TrapCode>().and_then(|code| (code as &dyn Any).downcast_ref::<E>());
        let exception =
            || cause.downcast_ref::<Exception>().and_then(|exception| (exception as &dyn Any).downcast_ref::<E>());
        code.or_else(exception)
    })
}

/// An error that Epsilon knows, taken out of `error`.
fn known<E: 'static>(error: &mut Option<E>) -> Option<Error> {
    let any: &mut dyn Any = error;
    if let Some(code) = any.downcast_mut::<Option<TrapCode>>() {
        return code.take().map(Error::of_trap);
    }
    if let Some(exception) = any.downcast_mut::<Option<Exception>>() {
        return exception.take().map(|exception| Error::of_kind(ErrorKind::Exception(exception)));
    }
    if let Some(kind) = any.downcast_mut::<Option<ErrorKind>>() {
        return kind.take().map(Error::of_kind);
    }
    if let Some(error) = any.downcast_mut::<Option<crate::code::link::LinkError>>() {
        return error.take().map(|error| match error {
            crate::code::link::LinkError::Full { .. } | crate::code::link::LinkError::NoMemory(_) => {
                Error::limit(error.to_string())
            }
            error => Error::module(error),
        });
    }
    any.downcast_mut::<Option<StdError>>().and_then(Option::take).map(|error| error.0)
}

impl Error {
    /// A trap. A call through an element beyond the end of its table is an access out of its bounds, in the words that
    /// the specification's suite has for the call.
    #[cold]
    fn of_trap(code: TrapCode) -> Self {
        match code {
            TrapCode::UndefinedElement => {
                Self::of_kind(ErrorKind::Trap(TrapCode::TableOutOfBounds)).with_note(code.message().into())
            }
            code => Self::of_kind(ErrorKind::Trap(code)),
        }
    }
}

/// The error of an activation further in, which a host function has wrapped.
fn inner_error<'a>(source: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    Chain(Some(source)).find_map(|error| error.downcast_ref::<StdError>()).map(|error| &error.0)
}

/// An error and its causes, outermost first.
#[derive(Clone, Debug)]
pub struct Chain<'a>(Option<&'a (dyn std::error::Error + 'static)>);

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn std::error::Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let error = self.0?;
        self.0 = error.source();
        Some(error)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&*self.0, f)?;
        if f.alternate() {
            self.chain().skip(1).try_for_each(|cause| write!(f, ": {cause}"))?;
        }
        Ok(())
    }
}

impl Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&*self.0, f)?;
        self.chain().skip(1).try_for_each(|cause| write!(f, "\ncaused by: {cause}"))?;
        match &self.0.backtrace {
            Some(backtrace) => write!(f, "\n{backtrace}"),
            None => Ok(()),
        }
    }
}

/// An [`Error`] of a message, with arguments as for `format!`, or of a value that is an error or can be shown.
///
/// ```
/// assert_eq!(epsilon::format_err!("{} of {}", 1, 2).to_string(), "1 of 2");
/// assert!(epsilon::format_err!(std::fmt::Error).is::<std::fmt::Error>());
/// ```
#[macro_export]
macro_rules! format_err {
    ($message:literal $(,)?) => { $crate::Error::msg(::std::format!($message)) };
    ($format:literal, $($arguments:tt)*) => { $crate::Error::msg(::std::format!($format, $($arguments)*)) };
    ($error:expr $(,)?) => {{
        #[allow(unused_imports)]
        use $crate::error_macros::*;
        match $error {
            error => (&error).epsilon_kind().error(error),
        }
    }};
}

/// Returns early with the error that [`format_err`](crate::format_err) makes of the arguments.
#[macro_export]
macro_rules! bail {
    ($($arguments:tt)*) => { return ::std::result::Result::Err($crate::format_err!($($arguments)*)) };
}

/// Returns early with an error if a condition does not hold.
#[macro_export]
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        if !$condition {
            return ::std::result::Result::Err($crate::Error::msg(::std::concat!(
                "condition failed: `",
                ::std::stringify!($condition),
                "`"
            )))
        }
    };
    ($condition:expr, $($arguments:tt)*) => {
        if !$condition {
            $crate::bail!($($arguments)*)
        }
    };
}
