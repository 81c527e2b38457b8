//! [`Watch`]: progress of a long compilation, and its cancellation.

use crate::error::CompileError;

/// Is told how far a compilation is, and can end it. Called on all threads that compile.
pub trait Watch: Sync {
    /// Whether to end the compilation, with [`CompileError::Cancelled`]. Looked at before each function.
    fn is_cancelled(&self) -> bool;

    /// One more function has been compiled.
    fn compiled_one(&self);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn compiled_one(&self) {}
}

/// An error if the compilation is to end.
pub(crate) fn go_on(watch: &dyn Watch) -> Result<(), CompileError> {
    if watch.is_cancelled() { Err(CompileError::Cancelled) } else { Ok(()) }
}
