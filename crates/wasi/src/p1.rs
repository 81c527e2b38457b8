//! Preview 1 by the names that embedders of Wasmtime know: a context for a store, and its linker.

use crate::shared::{LendCtx, SharedCtx};
use crate::world::ctx::{WasiCtx, WasiCtxBuilder};
use epsilon::{Linker, Result};

/// The world of one guest, for the data of a store. It is a [`WasiCtx`], which it gives and takes.
#[derive(Debug)]
pub struct WasiP1Ctx(WasiCtx);

impl From<WasiCtx> for WasiP1Ctx {
    fn from(ctx: WasiCtx) -> Self {
        Self(ctx)
    }
}

impl std::ops::Deref for WasiP1Ctx {
    type Target = WasiCtx;
    fn deref(&self) -> &WasiCtx {
        &self.0
    }
}

impl std::ops::DerefMut for WasiP1Ctx {
    fn deref_mut(&mut self) -> &mut WasiCtx {
        &mut self.0
    }
}

impl LendCtx for WasiP1Ctx {
    fn with<R>(&mut self, run: impl FnOnce(&mut WasiCtx) -> R) -> R {
        run(&mut self.0)
    }

    fn shared(&self) -> Option<SharedCtx> {
        None
    }
}

/// Defines all calls of `wasi_snapshot_preview1`, and of the older `wasi_unstable`. The same as
/// [`add_to_linker`](crate::add_to_linker).
///
/// ```
/// use epsilon::{Engine, Linker, Store};
/// use epsilon_wasi::WasiCtxBuilder;
/// use epsilon_wasi::p1::{self, WasiP1Ctx};
///
/// # fn main() -> epsilon::Result<()> {
/// let engine = Engine::default();
/// let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
/// p1::add_to_linker_sync(&mut linker, |ctx| ctx)?;
/// let store = Store::new(&engine, WasiCtxBuilder::new().inherit_stdio().arg("name").build_p1());
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If a name is defined already.
pub fn add_to_linker_sync<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiP1Ctx + Copy + Send + Sync + 'static,
) -> Result<()> {
    crate::add_to_linker(linker, get)
}

/// What a guest may do in a directory that it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirPerms(u8);

impl DirPerms {
    /// Reading it: opening and listing what it has.
    pub const READ: Self = Self(1);
    /// Changing it: making, renaming and removing what it has.
    pub const MUTATE: Self = Self(2);

    /// Everything.
    pub const fn all() -> Self {
        Self(3)
    }

    /// Whether these are among them.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl std::ops::BitOr for DirPerms {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a guest may do with the files of a directory that it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilePerms(u8);

impl FilePerms {
    /// Reading them.
    pub const READ: Self = Self(1);
    /// Writing them.
    pub const WRITE: Self = Self(2);

    /// Everything.
    pub const fn all() -> Self {
        Self(3)
    }

    /// Whether these are among them.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl std::ops::BitOr for FilePerms {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl WasiCtxBuilder {
    /// A world with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds the context, for the data of a store.
    pub fn build_p1(&mut self) -> WasiP1Ctx {
        WasiP1Ctx(self.build())
    }

    /// Gives the guest the standard input of this process.
    pub fn inherit_stdin(&mut self) -> &mut Self {
        self.stdin(crate::InputStream::inherit())
    }

    /// Gives the guest the standard output of this process.
    pub fn inherit_stdout(&mut self) -> &mut Self {
        self.stdout(crate::OutputStream::inherit())
    }

    /// Gives the guest the standard error of this process.
    pub fn inherit_stderr(&mut self) -> &mut Self {
        self.stderr(crate::OutputStream::inherit())
    }

    /// Appends the arguments of this process.
    pub fn inherit_args(&mut self) -> &mut Self {
        use std::os::unix::ffi::OsStrExt;
        for arg in std::env::args_os() {
            self.arg(arg.as_bytes());
        }
        self
    }

    /// Sets the environment variables of this process.
    pub fn inherit_env(&mut self) -> &mut Self {
        use std::os::unix::ffi::OsStrExt;
        for (name, value) in std::env::vars_os() {
            self.env(name.as_bytes(), value.as_bytes());
        }
        self
    }

    /// Sets environment variables.
    ///
    /// # Panics
    /// As [`WasiCtxBuilder::env`].
    pub fn envs(&mut self, variables: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Gives the guest a directory of the host, under the name by which the guest finds it. A guest that may not do all
    /// there may only read: [`Access::ReadOnly`](crate::Access).
    ///
    /// # Errors
    /// If the directory cannot be opened, or the name has a zero byte.
    pub fn preopened_dir(
        &mut self,
        host: impl AsRef<std::path::Path>,
        guest: impl AsRef<[u8]>,
        dir_perms: DirPerms,
        file_perms: FilePerms,
    ) -> Result<&mut Self> {
        let may_write = dir_perms.contains(DirPerms::MUTATE) && file_perms.contains(FilePerms::WRITE);
        let access = if may_write { crate::Access::ReadWrite } else { crate::Access::ReadOnly };
        Ok(self.directory(host, guest, access)?)
    }
}
