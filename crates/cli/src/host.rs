//! What a guest is given: arguments, environment, directories, sockets, and limits; and the data of its store.

use crate::options::{Options, WasiOptions};
use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use epsilon::{Error, ResourceLimiter, Store};
use epsilon_wasi::{Access, Interrupt, SharedCtx, Threads, WasiCtx};
use std::ffi::{OsStr, OsString};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// What the command line gives to a guest.
#[derive(Args)]
pub struct GuestOptions {
    /// Give the guest a directory, under its own name or another one; may be repeated
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = OsStringValueParser::new().map(Directory::parse))]
    dirs: Vec<Directory>,
    /// As --dir, but nothing in it can be changed
    #[arg(long = "dir-ro", value_name = "HOST[::GUEST]", value_parser = OsStringValueParser::new().map(Directory::parse))]
    read_only_dirs: Vec<Directory>,
    /// Set a variable of the guest's environment, or inherit it; may be repeated
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().try_map(Variable::parse))]
    env: Vec<Variable>,
    /// The name that the guest is told to have; its file name by default
    #[arg(long, value_name = "NAME")]
    argv0: Option<OsString>,
    /// Give the guest a socket that listens; may be repeated
    #[arg(long = "listen", visible_alias = "tcplisten", value_name = "ADDRESS:PORT|unix:PATH")]
    listen: Vec<String>,
    #[command(flatten)]
    wasi: WasiOptions,
}

/// A directory and the name under which the guest finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Directory {
    host: PathBuf,
    guest: OsString,
}

impl Directory {
    fn parse(text: OsString) -> Self {
        let bytes = text.as_bytes();
        match bytes.windows(2).position(|pair| pair == b"::") {
            Some(at) => {
                Self { host: OsStr::from_bytes(&bytes[..at]).into(), guest: OsStr::from_bytes(&bytes[at + 2..]).into() }
            }
            None => Self { host: text.clone().into(), guest: text },
        }
    }
}

/// An environment variable; without a value it is inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    name: OsString,
    value: Option<OsString>,
}

impl Variable {
    fn parse(text: OsString) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let end = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
        if end == 0 {
            return Err("write NAME=VALUE, or NAME to inherit the variable".into());
        }
        let value = bytes.get(end + 1..).map(|value| OsString::from_vec(value.to_vec()));
        Ok(Self { name: OsString::from_vec(bytes[..end].to_vec()), value })
    }
}

impl GuestOptions {
    /// What the flags about WASI set.
    pub fn set(&self, options: &mut Options) -> Result<()> {
        self.wasi.set(options)
    }

    /// The world of the guest in `path`, started with these arguments.
    pub fn wasi(&self, path: &Path, args: &[OsString], options: &Options) -> Result<WasiCtx> {
        let mut builder = WasiCtx::builder();
        builder.inherit_stdio();
        let limits = epsilon_wasi::Limits::default();
        let descriptors = options.max_descriptors.unwrap_or(limits.descriptors);
        builder.limits(epsilon_wasi::Limits { descriptors, ..limits });
        let name = self.argv0.as_deref().or_else(|| path.file_name()).unwrap_or(path.as_os_str());
        builder.try_arg(name.as_bytes())?.try_args(args.iter().map(|arg| arg.as_bytes()))?;
        for variable in &self.env {
            // A variable that is to be inherited, and is not there, is not there for the guest either.
            if let Some(value) = variable.value.clone().or_else(|| std::env::var_os(&variable.name)) {
                builder.try_env(variable.name.as_bytes(), value.as_bytes())?;
            }
        }
        let dirs = self.dirs.iter().map(|dir| (dir, Access::ReadWrite));
        for (dir, access) in dirs.chain(self.read_only_dirs.iter().map(|dir| (dir, Access::ReadOnly))) {
            builder.directory(&dir.host, dir.guest.as_bytes(), access)?;
        }
        for address in &self.listen {
            let listener = match address.strip_prefix("unix:") {
                Some(path) => UnixListener::bind(path).map(OwnedFd::from),
                None => TcpListener::bind(address).map(OwnedFd::from),
            };
            builder.listener(listener.with_context(|| format!("cannot listen on `{address}`"))?);
        }
        builder.interrupt(Interrupt::new());
        Ok(builder.build())
    }
}

/// The data of the store that the guest runs in; of several, if it has threads.
#[derive(Clone, Debug)]
pub struct Host {
    /// The guest's world.
    pub wasi: SharedCtx,
    /// How much memory it may have.
    pub limits: Limits,
    /// Its threads.
    pub threads: Threads<Host>,
}

impl Host {
    /// For a guest without threads yet.
    pub fn new(wasi: WasiCtx, options: &Options) -> Self {
        let threads = Threads::new(wasi.interrupt().clone(), |store: &mut Store<Self>| {
            store.limiter(|host| &mut host.limits);
        });
        Self { wasi: SharedCtx::new(wasi), limits: Limits::new(options), threads }
    }
}

/// Limits on what the guest may allocate.
#[derive(Clone, Debug)]
pub struct Limits {
    memory_size_bytes: Option<usize>,
    table_elements: Option<usize>,
    trap_on_grow_failure: bool,
}

impl Limits {
    /// The limits of the command line.
    pub fn new(options: &Options) -> Self {
        Self {
            memory_size_bytes: options.max_memory_size_bytes,
            table_elements: options.max_table_elements,
            trap_on_grow_failure: options.trap_on_grow_failure,
        }
    }

    fn decide(&self, what: &str, desired: usize, limit: Option<usize>, key: &str) -> epsilon::Result<bool> {
        match limit.filter(|limit| desired > *limit) {
            Some(limit) if self.trap_on_grow_failure => {
                Err(Error::limit(format!("a {what} cannot grow to {desired}: `{key}` is {limit}")))
            }
            beyond => Ok(beyond.is_none()),
        }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> epsilon::Result<bool> {
        self.decide("memory", desired, self.memory_size_bytes, "max-memory-size")
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> epsilon::Result<bool> {
        self.decide("table", desired, self.table_elements, "max-table-elements")
    }

    fn memory_grow_failed(&mut self, error: Error) -> epsilon::Result<()> {
        if self.trap_on_grow_failure { Err(error) } else { Ok(()) }
    }

    fn table_grow_failed(&mut self, error: Error) -> epsilon::Result<()> {
        self.memory_grow_failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::{Directory, Variable};

    #[test]
    fn a_directory_may_have_another_name_for_the_guest() {
        let parse = |text: &str| {
            let dir = Directory::parse(text.into());
            (dir.host.to_str().unwrap().to_owned(), dir.guest.to_str().unwrap().to_owned())
        };
        assert_eq!(parse("."), (".".into(), ".".into()));
        assert_eq!(parse("a/b::/data"), ("a/b".into(), "/data".into()));
        assert_eq!(parse("a:b::c::d"), ("a:b".into(), "c::d".into()));
    }

    #[test]
    fn a_variable_has_a_name_and_perhaps_a_value() {
        let parse = |text: &str| Variable::parse(text.into());
        assert_eq!(parse("A=b=c"), Ok(Variable { name: "A".into(), value: Some("b=c".into()) }));
        assert_eq!(parse("A="), Ok(Variable { name: "A".into(), value: Some("".into()) }));
        assert_eq!(parse("A"), Ok(Variable { name: "A".into(), value: None }));
        assert!(parse("=b").is_err());
        assert!(parse("").is_err());
    }
}
