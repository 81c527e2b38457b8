//! Faults that tests ask for: the n-th step of linking fails or panics, a function panics the compiler. An engine without
//! one pays a comparison a step.

use epsilon_abi::DefinedFuncIndex;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a test makes go wrong. Steps count from 1, over all modules of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A step of making room for code or of linking gives an error.
    LinkStepFails(usize),
    /// A step of making room for code or of linking panics.
    LinkStepPanics(usize),
    /// Compiling the function of this number panics, whichever thread does it.
    CompilerPanics(u32),
}

/// An engine's fault, and how far it is from happening.
#[derive(Debug, Default)]
pub struct Faults {
    fault: Option<Fault>,
    steps: AtomicUsize,
}

impl Faults {
    /// This one, or none.
    pub fn new(fault: Option<Fault>) -> Self {
        Self { fault, steps: AtomicUsize::new(0) }
    }

    /// One step of linking.
    ///
    /// # Errors
    /// If it is the one that a test makes fail.
    #[inline]
    pub fn link_step(&self) -> io::Result<()> {
        if self.fault.is_none() { Ok(()) } else { self.count() }
    }

    #[cold]
    fn count(&self) -> io::Result<()> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fault {
            Some(Fault::LinkStepFails(at)) if at == step => Err(io::Error::other(format!("a test failed step {step}"))),
            Some(Fault::LinkStepPanics(at)) if at == step => panic!("a test panicked at step {step}"),
            _ => Ok(()),
        }
    }

    /// One function to compile.
    #[inline]
    pub fn compile(&self, index: DefinedFuncIndex) {
        assert!(self.fault != Some(Fault::CompilerPanics(index.0)), "a test panicked at function {}", index.0);
    }
}

/// What a panic said, for errors that come of it.
pub fn panic_message(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}
