//! Every call by name: one list per interface, from which the table of calls and the linker's bindings are made.
//!
//! A new call is a line here and a function in the file of its topic.

use super::{
    args_env::*, clock::*, dir::*, fd::*, fd_io::*, path::*, poll::poll_oneoff, proc::*, random::random_get, sock::*,
};
use crate::wire::errno::{Outcome, Stop};
use crate::wire::memory::GuestMemory;
use crate::wire::types::Version;
use crate::world::ctx::WasiCtx;

/// Hands the calls that both interfaces have in common to a macro.
macro_rules! shared_calls {
    ($then:ident $($context:tt)*) => {
        $then! { $($context)*
            args_get(argv: u32, argv_buf: u32);
            args_sizes_get(count: u32, size: u32);
            environ_get(environ: u32, environ_buf: u32);
            environ_sizes_get(count: u32, size: u32);
            clock_res_get(id: u32, resolution: u32);
            clock_time_get(id: u32, precision: u64, time: u32);
            fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
            fd_allocate(fd: u32, offset: u64, len: u64);
            fd_close(fd: u32);
            fd_datasync(fd: u32);
            fd_fdstat_get(fd: u32, stat: u32);
            fd_fdstat_set_flags(fd: u32, flags: u32);
            fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
            fd_filestat_set_size(fd: u32, size: u64);
            fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, fst_flags: u32);
            fd_pread(fd: u32, iovs: u32, iovs_len: u32, offset: u64, nread: u32);
            fd_prestat_get(fd: u32, prestat: u32);
            fd_prestat_dir_name(fd: u32, path: u32, path_len: u32);
            fd_pwrite(fd: u32, iovs: u32, iovs_len: u32, offset: u64, nwritten: u32);
            fd_read(fd: u32, iovs: u32, iovs_len: u32, nread: u32);
            fd_readdir(fd: u32, buf: u32, buf_len: u32, cookie: u64, bufused: u32);
            fd_renumber(fd: u32, to: u32);
            fd_sync(fd: u32);
            fd_tell(fd: u32, offset: u32);
            fd_write(fd: u32, iovs: u32, iovs_len: u32, nwritten: u32);
            path_create_directory(fd: u32, path: u32, path_len: u32);
            path_filestat_set_times(
                fd: u32, flags: u32, path: u32, path_len: u32, atim: u64, mtim: u64, fst_flags: u32
            );
            path_link(
                old_fd: u32, old_flags: u32, old_path: u32, old_path_len: u32,
                new_fd: u32, new_path: u32, new_path_len: u32
            );
            path_open(
                fd: u32, dirflags: u32, path: u32, path_len: u32, oflags: u32,
                rights_base: u64, rights_inheriting: u64, fdflags: u32, opened_fd: u32
            );
            path_readlink(fd: u32, path: u32, path_len: u32, buf: u32, buf_len: u32, bufused: u32);
            path_remove_directory(fd: u32, path: u32, path_len: u32);
            path_rename(fd: u32, old_path: u32, old_path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
            path_symlink(old_path: u32, old_path_len: u32, fd: u32, new_path: u32, new_path_len: u32);
            path_unlink_file(fd: u32, path: u32, path_len: u32);
            proc_raise(signal: u32);
            sched_yield();
            random_get(buf: u32, buf_len: u32);
            sock_recv(fd: u32, ri_data: u32, ri_data_len: u32, ri_flags: u32, ro_data_len: u32, ro_flags: u32);
            sock_send(fd: u32, si_data: u32, si_data_len: u32, si_flags: u32, so_data_len: u32);
            sock_shutdown(fd: u32, how: u32);
        }
    };
}

/// Hands the calls whose records or numbers differ between the interfaces to a macro; each takes the version.
macro_rules! versioned_calls {
    ($then:ident $($context:tt)*) => {
        $then! { $($context)*
            fd_filestat_get(fd: u32, stat: u32);
            fd_seek(fd: u32, offset: i64, whence: u32, position: u32);
            path_filestat_get(fd: u32, flags: u32, path: u32, path_len: u32, stat: u32);
            poll_oneoff(subscriptions: u32, events: u32, count: u32, nevents: u32);
        }
    };
}

/// Hands the calls that only preview 1 has to a macro.
macro_rules! preview1_calls {
    ($then:ident $($context:tt)*) => {
        $then! { $($context)*
            sock_accept(fd: u32, flags: u32, opened_fd: u32);
        }
    };
}

/// Calls a function of the lists, with the version in front of its arguments if it takes one.
macro_rules! perform {
    ($name:ident [] $ctx:ident $memory:ident $($arg:ident)*) => { $name($ctx, $memory, $($arg),*) };
    ($name:ident [$version:ident] $ctx:ident $memory:ident $($arg:ident)*) => {
        $name($ctx, $memory, $version, $($arg),*)
    };
}

pub(crate) use {perform, preview1_calls, shared_calls, versioned_calls};

/// Calls that return `nosys`: they are there to be imported and do nothing yet.
pub const NOT_YET: &[&str] = &[];

/// The type of a parameter in WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// `i32`
    I32,
    /// `i64`
    I64,
}

/// What a parameter of a call is made from.
pub(crate) trait Argument {
    const PARAM: Param;
    /// What the virtual machine passes.
    type Wasm;
    fn from_wasm(value: Self::Wasm) -> Self;
    fn from_word(word: u64) -> Self;
}

impl Argument for u32 {
    const PARAM: Param = Param::I32;
    type Wasm = i32;
    fn from_wasm(value: i32) -> u32 {
        value as u32
    }
    fn from_word(word: u64) -> u32 {
        word as u32
    }
}

impl Argument for u64 {
    const PARAM: Param = Param::I64;
    type Wasm = i64;
    fn from_wasm(value: i64) -> u64 {
        value as u64
    }
    fn from_word(word: u64) -> u64 {
        word
    }
}

impl Argument for i64 {
    const PARAM: Param = Param::I64;
    type Wasm = i64;
    fn from_wasm(value: i64) -> i64 {
        value
    }
    fn from_word(word: u64) -> i64 {
        word as i64
    }
}

/// A call as data: for embedders that bind calls themselves, and for tests of all calls.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The name under which guests import it.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// Whether it returns an error code. Only `proc_exit` does not.
    pub returns_errno: bool,
    run: fn(Version, &mut WasiCtx, GuestMemory<'_>, &[u64]) -> Outcome,
}

impl Call {
    /// Performs the call. Missing arguments count as zero; of 32-bit ones, the low half counts.
    pub fn run(&self, version: Version, ctx: &mut WasiCtx, memory: GuestMemory<'_>, args: &[u64]) -> Outcome {
        (self.run)(version, ctx, memory, args)
    }
}

/// What a guest sees of an outcome: an error code, or nothing any more.
pub fn errno_of(outcome: Outcome) -> Result<i32, crate::Exit> {
    match outcome {
        Ok(()) => Ok(0),
        Err(Stop::Errno(errno)) => Ok(errno as i32),
        Err(Stop::AwaitInput(_) | Stop::AwaitMoment) => Ok(crate::Errno::Again as i32),
        Err(Stop::Exit(exit)) => Err(exit),
    }
}

macro_rules! table {
    ($calls:ident |$version:ident| $pass:tt $($name:ident($($arg:ident: $ty:ty),*);)*) => {
        $($calls.push(Call {
            name: stringify!($name),
            params: &[$(<$ty as Argument>::PARAM),*],
            returns_errno: true,
            run: |$version, ctx, memory, args| {
                #[allow(unused_mut, reason = "a call without parameters takes no words")]
                let mut words = args.iter().copied();
                $(let $arg = <$ty as Argument>::from_word(words.next().unwrap_or(0));)*
                let _ = ($version, words);
                perform!($name $pass ctx memory $($arg)*)
            },
        });)*
    };
}

/// Every call of an interface.
pub fn calls(version: Version) -> Vec<Call> {
    let mut calls = Vec::with_capacity(46);
    shared_calls!(table calls |version| []);
    versioned_calls!(table calls |version| [version]);
    if version == Version::Preview1 {
        preview1_calls!(table calls |version| []);
    }
    calls.push(Call {
        name: "proc_exit",
        params: &[Param::I32],
        returns_errno: false,
        run: |_, ctx, memory, args| proc_exit(ctx, memory, args.first().copied().unwrap_or(0) as u32),
    });
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_every_call() {
        let page = include_str!("../../CALLS.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let names = |row: &&str| row.split('|').nth(1).map_or(0, |names| names.split(',').count());
        let all = calls(Version::Preview1);
        for call in &all {
            assert!(rows.iter().any(|row| row.contains(&format!("`{}`", call.name))), "{} is missing", call.name);
        }
        assert_eq!(rows.iter().map(names).sum::<usize>(), all.len());
    }
}
