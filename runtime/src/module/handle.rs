//! Handles of an engine's runtime and of a linked module, for the API outside of this crate. They can be handed back to
//! this crate, which makes stores and instances of them, and give nothing of what they hold: with that, code that no
//! compiler made could be linked.

use crate::module::linked::{LinkedModule, Runtime};
use std::rc::Rc;
use std::sync::Arc;

/// The runtime of an engine, closed.
#[derive(Clone, Debug)]
pub struct EngineHandle(Arc<Runtime>);

impl EngineHandle {
    /// A handle of this runtime.
    pub fn new(runtime: &Arc<Runtime>) -> Self {
        Self(runtime.clone())
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.0
    }
}

/// A linked module, closed.
#[derive(Clone, Debug)]
pub struct ModuleHandle(Arc<LinkedModule>);

impl ModuleHandle {
    /// A handle of this module.
    pub fn new(module: &Arc<LinkedModule>) -> Self {
        Self(module.clone())
    }

    pub(crate) fn module(&self) -> &Arc<LinkedModule> {
        &self.0
    }
}

/// An engine, or a pointer to one: what stores and shared memories are made with.
pub trait AsEngine {
    #[doc(hidden)]
    fn as_engine(&self) -> &EngineHandle;
}

impl AsEngine for EngineHandle {
    fn as_engine(&self) -> &EngineHandle {
        self
    }
}

/// A module, or a pointer to one: what instances are made of.
pub trait AsModule {
    #[doc(hidden)]
    fn as_module(&self) -> &ModuleHandle;
}

impl AsModule for ModuleHandle {
    fn as_module(&self) -> &ModuleHandle {
        self
    }
}

macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<E: AsEngine + ?Sized> AsEngine for $pointer {
            fn as_engine(&self) -> &EngineHandle {
                E::as_engine(self)
            }
        }

        impl<E: AsModule + ?Sized> AsModule for $pointer {
            fn as_module(&self) -> &ModuleHandle {
                E::as_module(self)
            }
        }
    )*};
}

through_pointers!(&E, &mut E, Box<E>, Rc<E>, Arc<E>);
