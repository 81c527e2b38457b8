//! WASI preview 1 for Epsilon: all calls of `wasi_snapshot_preview1`, and of the older `wasi_unstable`.
//!
//! A [`WasiCtx`] is the world of one guest; [`WasiCtx::builder`] makes one. What the guest is not given, it does not
//! have: no files but below the directories given to it, no sockets but those passed in. [`reference`](mod@reference) lists the calls.
//!
//! Where the specification and today's practice part, this crate follows practice:
//!
//! - **Rights** are reported as programs expect them, and what a guest gives up with `fd_fdstat_set_rights` stays
//!   given up. `path_open` looks at the rights to read and to write only; a descriptor gets every other right that
//!   its kind can have. What protects something is not a right: below a directory given as [`Access::ReadOnly`],
//!   nothing can be changed (`rofs`).
//! - A name or link that leads out of its directory is `perm`, and so is making or reading an absolute link.
//! - Reading, writing or seeking on a directory is `badf`, and so is advising on one or setting its flags. So is
//!   reading a file that was not opened for it.
//! - A directory that is opened for writing is `isdir`, with the flag `directory` and without.
//! - Names of files are UTF-8 when a guest gives them (`ilseq` otherwise). Listings show names as they are.
//! - `path_link` does not follow links (`inval` if asked to).
//! - `fd_pwrite` on a descriptor that appends does what the host does; Linux appends.
//! - A name that ends in a slash or in `/.` means a directory, behind a link if need be, as POSIX has it; for what is
//!   none it is `notdir`.
//! - Preopened directories and standard streams can be closed and renumbered like all others.
//!
//! Three suites hold it to this. `tests/calls` performs the calls one by one, also 120,000 of them with arguments that
//! no honest program would pass, and 20,000 random ones on names while directories become links and back
//! (`EPSILON_WASI_SANDBOX_CALLS=1000000` was run once and nothing outside was read or changed). The repository's
//! `tests/wasi` sees them as guests in C, Rust and WebAssembly text do, and `tests/programs.rs` runs whole programs.
//!
//! The crate has no unsafe code. `wire/` is what guests see of a call, `world/` what they have been given; `calls/list.rs`
//! lists the calls, the other files of `calls/` hold them by topic. `linker.rs` and `threads.rs` know the virtual machine;
//! others use only its `ForkMutex`.

#![forbid(unsafe_code)]

mod calls;
mod linker;
pub mod p1;
mod shared;
mod threads;
mod wire;
mod world;

#[doc = include_str!("../CALLS.md")]
pub mod reference {}

pub use calls::list::{Call, NOT_YET, Param, calls, errno_of};
pub use linker::add_to_linker;
pub use p1::{DirPerms, FilePerms};
pub use shared::{LendCtx, SharedCtx};
pub use threads::{Threads, add_threads_to_linker};
/// Another name of [`I32Exit`].
pub use wire::errno::I32Exit as Exit;
pub use wire::errno::{Errno, I32Exit, Outcome, Stop};
pub use wire::memory::{GuestMemory, SharedBytes};
pub use wire::types::{
    CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME, FdFlags, FileType, LookupFlags,
    OpenFlags, Rights, TimeFlags, Version,
};
pub use world::clock::{Clocks, SystemClocks, VirtualClocks};
pub use world::ctx::{BuildError, InputStream, Limits, OutputStream, TerminalOutput, WasiCtx, WasiCtxBuilder};
pub use world::directory::Access;
pub use world::interrupt::Interrupt;
pub use world::output::Captured;
pub use world::random::{Random, SeededRandom, SystemRandom};
