//! The world of one guest: its arguments, environment, descriptors, clocks and random numbers; and the builder.
//!
//! A context belongs to one guest at a time and shares nothing with another one, so a process may have many.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::event::PollFlags;
use rustix::fs::OFlags;

use crate::wire::errno::{Errno, Stop};
use crate::wire::types::FdFlags;
use crate::world::channel::Channel;
use crate::world::clock::{Clocks, SystemClocks};
use crate::world::directory::{Access, Directory};
use crate::world::input::Input;
use crate::world::interrupt::Interrupt;
use crate::world::output::{Captured, HostStream, Output, Sink};
use crate::world::random::{Random, SystemRandom};
use crate::world::reserve;
use crate::world::table::{Descriptor, Kind, Table};
use crate::world::terminal::Filter;

/// How much of the host a guest may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open descriptors, the standard streams included. By default what the process may have now (`RLIMIT_NOFILE`),
    /// without a few that stay with the host: at most 64.
    pub descriptors: usize,
    /// Subscriptions in one `poll_oneoff`.
    pub subscriptions: u32,
    /// How much of what the guest prints is held back before it is written, where that is not a terminal. With 0
    /// every write is a write.
    pub output_buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { descriptors: default_descriptors(), subscriptions: 4096, output_buffer_bytes: 64 << 10 }
    }
}

fn default_descriptors() -> usize {
    let limit = reserve::process_limit().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    limit - (limit / 8).min(64)
}

/// What becomes of control sequences that a guest writes to a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TerminalOutput {
    /// Colours, movement, titles and links pass; what reads or changes more than the screen does not.
    #[default]
    Filtered,
    /// Every byte passes.
    Untouched,
}

/// Where a standard output stream goes.
#[derive(Debug)]
pub struct OutputStream(Destination);

enum Destination {
    Inherit,
    Captured(Captured),
    Stream(Box<dyn Write + Send>),
    Discard,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Destination::Inherit => "Inherit",
            Destination::Captured(_) => "Captured",
            Destination::Stream(_) => "Stream",
            Destination::Discard => "Discard",
        })
    }
}

impl OutputStream {
    /// The stream of this process.
    pub fn inherit() -> OutputStream {
        OutputStream(Destination::Inherit)
    }

    /// Into memory; keep a clone of `captured` to read it.
    pub fn captured(captured: Captured) -> OutputStream {
        OutputStream(Destination::Captured(captured))
    }

    /// To a writer of the embedder's.
    pub fn stream(writer: impl Write + Send + 'static) -> OutputStream {
        OutputStream(Destination::Stream(Box::new(writer)))
    }

    /// Nowhere.
    pub fn discard() -> OutputStream {
        OutputStream(Destination::Discard)
    }
}

/// Where standard input comes from.
#[derive(Debug)]
pub struct InputStream(Input);

impl InputStream {
    /// The standard input of this process.
    pub fn inherit() -> InputStream {
        InputStream(Input::Host(Channel::of(rustix::stdio::stdin())))
    }

    /// Nothing: the end is there at once.
    pub fn empty() -> InputStream {
        InputStream::bytes(Vec::new())
    }

    /// These bytes, then the end.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> InputStream {
        InputStream(Input::Bytes(bytes.into(), 0))
    }

    /// A reader of the embedder's.
    pub fn stream(reader: impl Read + Send + 'static) -> InputStream {
        InputStream(Input::Stream(Box::new(reader)))
    }
}

/// Why a context cannot be built as asked.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An argument or environment variable with a zero byte, which no guest could tell from its end.
    #[error("{what} {text:?} contains a zero byte")]
    ZeroByte {
        /// What it was meant to be.
        what: &'static str,
        /// The text, as far as it is text.
        text: String,
    },
    /// The name of an environment variable that is empty or contains `=`.
    #[error("{0:?} cannot name an environment variable: it is empty or contains '='")]
    VariableName(String),
    /// A directory to give to the guest that cannot be opened.
    #[error("cannot open directory {path:?}")]
    Directory {
        /// The directory on the host.
        path: PathBuf,
        /// What the host says.
        source: io::Error,
    },
}

/// The state of WASI for one guest.
#[derive(Debug)]
pub struct WasiCtx {
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) table: Table,
    pub(crate) clocks: Box<dyn Clocks>,
    pub(crate) random: Box<dyn Random>,
    pub(crate) limits: Limits,
    pub(crate) interrupt: Interrupt,
    /// Threads share it, so nobody is to wait with it in hand.
    pub(crate) is_shared: bool,
}

impl WasiCtx {
    /// A builder for a context with nothing in it: no arguments, no files, input at its end, output discarded.
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::default()
    }

    /// Writes what is held back of the guest's output. Calls do so when the guest ends itself, and dropping the
    /// context does; call it after a trap if the context lives on, or to see the error.
    pub fn flush(&self) -> io::Result<()> {
        let mut result = Ok(());
        for descriptor in self.table.iter() {
            if let Kind::Output(output) = &descriptor.kind
                && let Err(error) = output.flush()
            {
                result = Err(error);
            }
        }
        result
    }

    /// The flag that ends calls which wait.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Before the guest waits for anything: what it has written must be seen.
    pub(crate) fn before_waiting(&self) {
        for descriptor in self.table.iter() {
            if let Kind::Output(output) = &descriptor.kind
                && output.is_holding()
            {
                if descriptor.flags.contains(FdFlags::NONBLOCK) {
                    output.flush_some();
                } else {
                    output.flush_late();
                }
            }
        }
    }

    /// Waits a moment, for what no descriptor tells of.
    pub(crate) fn wait_a_moment(&self) -> Result<(), Stop> {
        self.before_waiting();
        if self.is_shared {
            return Err(Stop::AwaitMoment);
        }
        Ok(self.interrupt.wait_a_moment()?)
    }

    /// Waits until there may be something to read.
    pub(crate) fn wait_for_input(&self, fd: u32) -> Result<(), Stop> {
        // Where there is no descriptor of the host's to ask, the guest has to come again.
        let host = self.table.get(fd)?.host().ok_or(Errno::Again)?;
        self.before_waiting();
        if self.is_shared {
            return Err(Stop::AwaitInput(fd));
        }
        Ok(self.interrupt.wait_for(host, PollFlags::IN)?)
    }
}

/// Builds a [`WasiCtx`].
///
/// ```
/// use epsilon_wasi::{
///     Access, Captured, InputStream, Limits, OutputStream, SeededRandom, SystemClocks, VirtualClocks, WasiCtx,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (data, scratch) = (dir.path(), dir.path());
/// // A run that is the same each time: its input, its clocks and its random numbers are given.
/// let output = Captured::with_limit(1 << 20);
/// let repeatable = WasiCtx::builder()
///     .args(["report", "--short"])
///     .env("LANG", "C")
///     .stdin(InputStream::bytes("one\ntwo\n"))
///     .stdout(OutputStream::captured(output.clone()))
///     .clocks(VirtualClocks::new(1_700_000_000_000_000_000, 1_000))
///     .random(SeededRandom::new(7))
///     .directory(data, "/data", Access::ReadOnly)?
///     .build();
///
/// // Another guest in the same process, which shares nothing with the first.
/// let limits = Limits { descriptors: 64, output_buffer_bytes: 4096, ..Limits::default() };
/// let other = WasiCtx::builder()
///     .inherit_stdio()
///     .stderr(OutputStream::stream(std::io::sink()))
///     .clocks(SystemClocks::new())
///     .directory(scratch, ".", Access::ReadWrite)?
///     .limits(limits)
///     .build();
/// # drop((repeatable, other));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    stdin: InputStream,
    stdout: OutputStream,
    stderr: OutputStream,
    directories: Vec<Directory>,
    sockets: Vec<Kind>,
    clocks: Box<dyn Clocks>,
    random: Box<dyn Random>,
    limits: Limits,
    interrupt: Interrupt,
    terminal: TerminalOutput,
}

impl Default for WasiCtxBuilder {
    fn default() -> Self {
        WasiCtxBuilder {
            args: Vec::new(),
            env: Vec::new(),
            stdin: InputStream::empty(),
            stdout: OutputStream::discard(),
            stderr: OutputStream::discard(),
            directories: Vec::new(),
            sockets: Vec::new(),
            clocks: Box::new(SystemClocks::new()),
            random: Box::new(SystemRandom),
            limits: Limits::default(),
            interrupt: Interrupt::new(),
            terminal: TerminalOutput::default(),
        }
    }
}

impl WasiCtxBuilder {
    /// Appends an argument; the first is by custom the program's name.
    ///
    /// # Panics
    /// If it has a zero byte, which [`WasiCtxBuilder::try_arg`] gives as an error.
    pub fn arg(&mut self, arg: impl AsRef<[u8]>) -> &mut Self {
        self.try_arg(arg).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Appends arguments.
    ///
    /// # Panics
    /// As [`WasiCtxBuilder::arg`].
    pub fn args<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        self.try_args(args).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sets an environment variable; setting one again replaces it.
    ///
    /// # Panics
    /// If no environment can have it, which [`WasiCtxBuilder::try_env`] gives as an error.
    pub fn env(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.try_env(name, value).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`WasiCtxBuilder::arg`].
    ///
    /// # Errors
    /// If it has a zero byte.
    pub fn try_arg(&mut self, arg: impl AsRef<[u8]>) -> Result<&mut Self, BuildError> {
        self.args.push(without_zero("the argument", arg.as_ref())?);
        Ok(self)
    }

    /// As [`WasiCtxBuilder::args`].
    ///
    /// # Errors
    /// If one has a zero byte.
    pub fn try_args<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> Result<&mut Self, BuildError> {
        for arg in args {
            self.try_arg(arg)?;
        }
        Ok(self)
    }

    /// As [`WasiCtxBuilder::env`].
    ///
    /// # Errors
    /// If no environment can have it: without a name, with `=` in the name, with a zero byte.
    pub fn try_env(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<&mut Self, BuildError> {
        let name = name.as_ref();
        if name.is_empty() || name.contains(&b'=') {
            return Err(BuildError::VariableName(String::from_utf8_lossy(name).into_owned()));
        }
        let entry = without_zero("the variable", &[name, b"=", value.as_ref()].concat())?;
        self.env.retain(|other| !other.starts_with(&entry[..=name.len()]));
        self.env.push(entry);
        Ok(self)
    }

    /// Gives the guest the three standard streams of this process.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.stdin(InputStream::inherit()).stdout(OutputStream::inherit()).stderr(OutputStream::inherit())
    }

    /// Sets where standard input comes from.
    pub fn stdin(&mut self, stream: InputStream) -> &mut Self {
        self.stdin = stream;
        self
    }

    /// Sets where standard output goes.
    pub fn stdout(&mut self, stream: OutputStream) -> &mut Self {
        self.stdout = stream;
        self
    }

    /// Sets where standard error goes.
    pub fn stderr(&mut self, stream: OutputStream) -> &mut Self {
        self.stderr = stream;
        self
    }

    /// Sets what becomes of control sequences on the way to a terminal.
    pub fn terminal_output(&mut self, terminal: TerminalOutput) -> &mut Self {
        self.terminal = terminal;
        self
    }

    /// Gives the guest a directory of the host, under the name by which the guest finds it.
    ///
    /// # Errors
    /// If the directory cannot be opened, or the name has a zero byte.
    pub fn directory(
        &mut self,
        host: impl AsRef<Path>,
        guest: impl AsRef<[u8]>,
        access: Access,
    ) -> Result<&mut Self, BuildError> {
        let path = host.as_ref();
        let (dir, listable) =
            open_dir(path).map_err(|source| BuildError::Directory { path: path.to_owned(), source })?;
        let name = without_zero("the directory name", guest.as_ref())?;
        self.directories.push(Directory { dir, listable, preopen: Some(name), access, listing: None });
        Ok(self)
    }

    /// Gives the guest a socket that listens, of TCP or of the Unix domain. Sockets come after the directories.
    ///
    /// The socket is made non-blocking, with all descriptors that share it: a connection may vanish between the moment
    /// when the host tells of it and the call that accepts it, and a guest must not wait there for the next one. What
    /// the guest sees of it waits unless the guest wants otherwise.
    pub fn listener(&mut self, listener: impl Into<OwnedFd>) -> &mut Self {
        let listener = listener.into();
        // A descriptor that fails here is not a socket; calls on it will say so.
        let _ = rustix::io::ioctl_fionbio(&listener, true);
        self.sockets.push(Kind::Listener(listener));
        self
    }

    /// Gives the guest a connection, of TCP or of the Unix domain. Sockets come after the directories.
    pub fn connection(&mut self, stream: impl Into<OwnedFd>) -> &mut Self {
        self.sockets.push(Kind::Stream(stream.into()));
        self
    }

    /// Replaces the clocks.
    pub fn clocks(&mut self, clocks: impl Clocks + 'static) -> &mut Self {
        self.clocks = Box::new(clocks);
        self
    }

    /// Replaces the source of random numbers.
    pub fn random(&mut self, random: impl Random + 'static) -> &mut Self {
        self.random = Box::new(random);
        self
    }

    /// Replaces the limits.
    pub fn limits(&mut self, limits: Limits) -> &mut Self {
        self.limits = limits;
        self
    }

    /// Shares the flag that ends calls which wait.
    pub fn interrupt(&mut self, interrupt: Interrupt) -> &mut Self {
        self.interrupt = interrupt;
        self
    }

    /// Builds the context. Descriptors 0 to 2 are the standard streams, directories follow from 3, then sockets.
    pub fn build(&mut self) -> WasiCtx {
        let this = std::mem::take(self);
        if !this.directories.is_empty() {
            reserve::keep();
        }
        let output = |stream: OutputStream, host: HostStream| {
            let (sink, buffered) = match stream.0 {
                Destination::Inherit => host_sink(host, this.terminal),
                Destination::Captured(captured) => (Sink::Captured(captured), false),
                Destination::Stream(writer) => (Sink::Stream(writer), true),
                Destination::Discard => (Sink::Discard, false),
            };
            let is_held = buffered && host == HostStream::Stdout;
            let buffer_bytes = if is_held { this.limits.output_buffer_bytes } else { 0 };
            Kind::Output(Output::new(sink, buffer_bytes, this.interrupt.clone()))
        };
        let mut kinds = vec![Kind::Input(this.stdin.0)];
        kinds.push(output(this.stdout, HostStream::Stdout));
        kinds.push(output(this.stderr, HostStream::Stderr));
        kinds.extend(this.directories.into_iter().map(Kind::Directory));
        kinds.extend(this.sockets);
        // What the embedder gives counts, but is never refused.
        let mut table = Table::new(this.limits.descriptors.max(kinds.len()));
        for kind in kinds {
            let _ = table.insert(Descriptor::new(kind));
        }
        WasiCtx {
            args: this.args,
            env: this.env,
            table,
            clocks: this.clocks,
            random: this.random,
            limits: this.limits,
            interrupt: this.interrupt,
            is_shared: false,
        }
    }
}

/// Opens a directory of the host's, and says whether it can be listed by the descriptor.
fn open_dir(path: &Path) -> io::Result<(Dir, bool)> {
    let mut options = std::fs::File::options();
    match options.read(true).custom_flags(OFlags::DIRECTORY.bits() as i32).open(path) {
        Ok(file) => Ok((Dir::from_std_file(file), true)),
        // What may not be listed can have files that may be opened.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok((Dir::open_ambient_dir(path, ambient_authority())?, false))
        }
        Err(error) => Err(error),
    }
}

/// A stream of this process: filtered and at once to a terminal, buffered otherwise.
fn host_sink(host: HostStream, terminal: TerminalOutput) -> (Sink, bool) {
    if !rustix::termios::isatty(host.fd()) {
        return (Sink::Host(host, Channel::of(host.fd())), true);
    }
    match terminal {
        TerminalOutput::Filtered => (Sink::Terminal(host, Filter::default()), false),
        TerminalOutput::Untouched => (Sink::Host(host, Channel::Other), false),
    }
}

fn without_zero(what: &'static str, text: &[u8]) -> Result<Vec<u8>, BuildError> {
    if text.contains(&0) {
        return Err(BuildError::ZeroByte { what, text: String::from_utf8_lossy(text).into_owned() });
    }
    Ok(text.to_vec())
}
