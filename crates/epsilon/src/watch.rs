//! [`Watch`]: long compilations tell how far they are, and can be ended from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Ends compilations from another thread. Cloning gives the same token.
///
/// A cancelled compilation ends with [`CompileError::Cancelled`](crate::CompileError::Cancelled) when the functions that
/// are being compiled are done; what it has compiled is kept by the cache.
///
/// ```
/// use epsilon::{CancelToken, Engine, ErrorKind, Module, Watch};
///
/// let cancel = CancelToken::new();
/// cancel.cancel(); // from any thread, at any time
/// let watch = Watch::new().cancelled_by(&cancel);
/// let error = Module::new_watched(&Engine::default(), "(module (func))", watch).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Module(_)));
/// assert!(error.to_string().contains("cancelled"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the compilations that watch the token, and those that will.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`CancelToken::cancel`] has been called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How far a compilation is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Progress {
    /// Functions that have code.
    pub compiled: usize,
    /// Functions that the module defines.
    pub functions: usize,
}

/// What a long compilation reports to, and what ends it.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    cancel: Option<&'a CancelToken>,
    progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl<'a> Watch<'a> {
    /// Nobody watches.
    pub fn new() -> Self {
        Self::default()
    }

    /// The compilation ends when the token says so.
    pub fn cancelled_by(self, token: &'a CancelToken) -> Self {
        Self { cancel: Some(token), ..self }
    }

    /// Is called after each function, on the thread that compiled it.
    pub fn progress(self, progress: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self { progress: Some(progress), ..self }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(CancelToken::is_cancelled)
    }

    pub(crate) fn report(&self, progress: Progress) {
        if let Some(tell) = self.progress {
            tell(progress);
        }
    }
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// A watch over the compiler's work on a whole module.
pub(crate) struct Counting<'a> {
    watch: Watch<'a>,
    compiled: AtomicUsize,
    functions: usize,
}

impl<'a> Counting<'a> {
    pub(crate) fn new(watch: Watch<'a>, functions: usize) -> Self {
        Self { watch, compiled: AtomicUsize::new(0), functions }
    }
}

impl epsilon_compiler::Watch for Counting<'_> {
    fn is_cancelled(&self) -> bool {
        self.watch.is_cancelled()
    }

    fn compiled_one(&self) {
        let compiled = self.compiled.fetch_add(1, Ordering::Relaxed) + 1;
        self.watch.report(Progress { compiled, functions: self.functions });
    }
}
