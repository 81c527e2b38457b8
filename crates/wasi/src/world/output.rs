//! Where a guest's standard output and error go, and the buffer in between.
//!
//! A guest that prints line by line makes one call per line; the buffer turns many calls into one write. The first few
//! writes go through at once: a guest that prints little needs no buffer and no thread behind it. What is held back
//! must not be noticed: it is written before the guest waits for anything, before anything is written to
//! the error stream, after a moment even if the guest does nothing (a thread sees to that), and at the end. Terminals
//! and captured streams are written at once.

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use epsilon::ForkMutex;

use crate::world::channel::Channel;
use crate::world::interrupt::Interrupt;
use crate::world::terminal::Filter;

/// Writes of at least this size go past the buffer if it is empty.
const DIRECT_BYTES: usize = 16 * 1024;
/// So many writes of a guest go past the buffer before it is used.
const PROMPT_WRITES: u32 = 8;
/// How long output may be held back while the guest computes.
const DELAY: Duration = Duration::from_millis(20);
/// How often a guest may write to a reader that has gone before it counts as not listening.
const DEAF_AFTER: u32 = 1000;
/// What a pipe that is ready for writing takes without waiting.
const PIPE_STEP_BYTES: usize = 4096;
/// How much is filtered for a terminal before it is written.
const TERMINAL_STEP_BYTES: usize = 64 << 10;

/// What a guest has written, kept for the embedder. Clones share the same bytes.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Behind the gate of `fork`, because it is never held for long. The locks of streams and contexts are not: they are
    /// held while an embedder's stream is called, which may wait for a thread that is about to fork. So a child must not go
    /// on with a guest of which another thread was in a call; guests of its own run.
    bytes: Arc<ForkMutex<Vec<u8>>>,
    limit_bytes: usize,
}

impl Captured {
    /// Keeps up to 64 MiB.
    pub fn new() -> Captured {
        Captured::with_limit(64 << 20)
    }

    /// Keeps up to so many bytes; a guest that writes more receives `nospc`.
    pub fn with_limit(limit_bytes: usize) -> Captured {
        Captured { bytes: Arc::default(), limit_bytes }
    }

    /// What has been written so far.
    pub fn contents(&self) -> Vec<u8> {
        self.bytes.lock_sound().clone()
    }

    /// Takes what has been written so far, which makes room for more.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes.lock_sound())
    }

    fn write(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock_sound();
        let mut written = 0;
        for buffer in buffers {
            let part = &buffer[..buffer.len().min(self.limit_bytes.saturating_sub(bytes.len()))];
            bytes.extend_from_slice(part);
            written += part.len();
        }
        let asked: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if written == 0 && asked > 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(written) }
    }
}

impl Default for Captured {
    fn default() -> Self {
        Captured::new()
    }
}

/// A stream of the process that the context lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostStream {
    Stdout,
    Stderr,
}

impl HostStream {
    pub fn fd(self) -> BorrowedFd<'static> {
        match self {
            HostStream::Stdout => rustix::stdio::stdout(),
            HostStream::Stderr => rustix::stdio::stderr(),
        }
    }

    /// Brings out what the process itself has printed before.
    fn settle(self) {
        if self == HostStream::Stdout {
            // An error here belongs to the process's own output; the guest's comes with the guest's write.
            let _ = io::stdout().flush();
        }
    }
}

pub(crate) enum Sink {
    Host(HostStream, Channel),
    Terminal(HostStream, Filter),
    Captured(Captured),
    Stream(Box<dyn Write + Send>),
    Discard,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sink::Host(..) => "Host",
            Sink::Terminal(..) => "Terminal",
            Sink::Captured(_) => "Captured",
            Sink::Stream(_) => "Stream",
            Sink::Discard => "Discard",
        })
    }
}

#[derive(Debug)]
struct State {
    sink: Sink,
    held: Vec<u8>,
    /// How much is held back before it is written; nothing where output is to be seen at once.
    buffer_bytes: usize,
    /// Writes that may still go past the empty buffer whatever their size.
    prompt_writes: u32,
    /// The thread that writes after a moment could be started, or was never needed.
    flusher: Flusher,
    /// A write after the fact has failed; the next call of the guest learns of it.
    late_error: Option<io::Error>,
    /// The reader has gone. It does not come back.
    broken: bool,
    /// How often the guest has been told so.
    told_broken: u32,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flusher {
    NotYet,
    Running,
    Impossible,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    interrupt: Interrupt,
}

/// An output stream of a guest.
#[derive(Debug)]
pub(crate) struct Output {
    shared: Arc<Shared>,
}

impl Output {
    pub fn new(sink: Sink, buffer_bytes: usize, interrupt: Interrupt) -> Output {
        let state = State {
            sink,
            held: Vec::new(),
            buffer_bytes,
            prompt_writes: PROMPT_WRITES,
            flusher: Flusher::NotYet,
            late_error: None,
            broken: false,
            told_broken: 0,
            closed: false,
        };
        Output { shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), interrupt }) }
    }

    /// The host's descriptor, where there is one behind this stream.
    pub fn host(&self) -> Option<BorrowedFd<'static>> {
        match lock(&self.shared.state).sink {
            Sink::Host(stream, _) | Sink::Terminal(stream, _) => Some(stream.fd()),
            _ => None,
        }
    }

    /// Takes what the guest writes. With `nonblocking`, as much of it as can be had without waiting.
    pub fn write(&self, buffers: &[IoSlice<'_>], nonblocking: bool) -> io::Result<usize> {
        let mut state = lock(&self.shared.state);
        state.tell_late_error()?;
        let size_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if size_bytes == 0 {
            return Ok(0);
        }
        let is_direct = size_bytes >= DIRECT_BYTES.min(state.buffer_bytes);
        if state.held.is_empty() && (is_direct || state.prompt_writes > 0) {
            state.prompt_writes = state.prompt_writes.saturating_sub(1);
            return state.write_through(buffers, nonblocking, &self.shared.interrupt);
        }
        let mut taken_bytes = size_bytes;
        if state.held.len() + size_bytes > state.buffer_bytes {
            if nonblocking {
                state.write_some_held()?;
                taken_bytes = size_bytes.min(state.buffer_bytes.saturating_sub(state.held.len()));
                if taken_bytes == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            } else {
                state.write_held(&self.shared.interrupt)?;
                if is_direct {
                    return state.write_through(buffers, false, &self.shared.interrupt);
                }
            }
        }
        let was_empty = state.held.is_empty();
        state.hold(buffers, taken_bytes);
        if was_empty {
            self.see_to_it(&mut state)?;
        }
        Ok(taken_bytes)
    }

    /// Writes what is held back.
    pub fn flush(&self) -> io::Result<()> {
        let mut state = lock(&self.shared.state);
        state.tell_late_error()?;
        state.write_held(&self.shared.interrupt)?;
        match &mut state.sink {
            Sink::Stream(stream) => stream.flush(),
            _ => Ok(()),
        }
    }

    /// Writes what is held back; the guest learns of a failure at its next write.
    pub fn flush_late(&self) {
        let mut state = lock(&self.shared.state);
        if let Err(error) = state.write_held(&self.shared.interrupt) {
            state.late_error = Some(error);
        }
    }

    /// Writes of what is held back as much as the reader takes now; likewise.
    pub fn flush_some(&self) {
        let mut state = lock(&self.shared.state);
        if let Err(error) = state.write_some_held() {
            state.late_error = Some(error);
        }
    }

    /// Whether the guest goes on writing although its reader has gone and it has been told often enough.
    pub fn is_deaf(&self) -> bool {
        lock(&self.shared.state).told_broken >= DEAF_AFTER
    }

    /// Whether writes may be held back.
    pub fn is_buffered(&self) -> bool {
        lock(&self.shared.state).buffer_bytes > 0
    }

    pub fn is_holding(&self) -> bool {
        !lock(&self.shared.state).held.is_empty()
    }

    /// Makes sure that what is held back is written even if the guest makes no further call.
    fn see_to_it(&self, state: &mut State) -> io::Result<()> {
        if state.flusher == Flusher::NotYet {
            let shared = Arc::clone(&self.shared);
            // The writer of an embedder may need as much stack as on any other thread.
            let thread = std::thread::Builder::new().name("wasi-output".into());
            let started = thread.spawn(move || flush_after_a_moment(&shared));
            state.flusher = if started.is_ok() { Flusher::Running } else { Flusher::Impossible };
        }
        match state.flusher {
            Flusher::Running => self.shared.changed.notify_one(),
            _ => state.write_held(&self.shared.interrupt)?,
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.flush_late();
        lock(&self.shared.state).closed = true;
        self.shared.changed.notify_one();
    }
}

impl State {
    fn tell_late_error(&mut self) -> io::Result<()> {
        match self.late_error.take() {
            Some(error) => Err(error),
            None if self.broken => {
                self.told_broken = self.told_broken.saturating_add(1);
                Err(io::ErrorKind::BrokenPipe.into())
            }
            None => Ok(()),
        }
    }

    fn hold(&mut self, buffers: &[IoSlice<'_>], mut size_bytes: usize) {
        for buffer in buffers {
            let part = buffer.len().min(size_bytes);
            self.held.extend_from_slice(&buffer[..part]);
            size_bytes -= part;
        }
    }

    fn write_through(
        &mut self,
        buffers: &[IoSlice<'_>],
        nonblocking: bool,
        interrupt: &Interrupt,
    ) -> io::Result<usize> {
        let result = self.sink.write(buffers, nonblocking, interrupt);
        self.broken |= matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        result
    }

    fn write_held(&mut self, interrupt: &Interrupt) -> io::Result<()> {
        // Taken first: if an embedder's stream panics, what it was given is not given to it again by a destructor.
        let mut held = std::mem::take(&mut self.held);
        let mut done = 0;
        let mut result = Ok(());
        while done < held.len() && result.is_ok() {
            match self.sink.write(&[IoSlice::new(&held[done..])], false, interrupt) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) => result = Err(error),
            }
        }
        self.broken |= matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        // After an error the rest is given up: the guest is told, and decides whether to write it again.
        held.clear();
        self.held = held;
        result
    }

    /// Writes what can be written without waiting.
    fn write_some_held(&mut self) -> io::Result<()> {
        let Sink::Host(stream, channel) = &mut self.sink else {
            return self.write_held(&Interrupt::default());
        };
        stream.settle();
        let mut done = 0;
        let mut result = Ok(());
        while done < self.held.len() {
            let end = self.held.len().min(done + PIPE_STEP_BYTES);
            match channel.write_all(stream.fd(), &[IoSlice::new(&self.held[done..end])], true, &Interrupt::default()) {
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // As with any error, the rest is given up.
                    done = self.held.len();
                    self.broken |= error.kind() == io::ErrorKind::BrokenPipe;
                    result = Err(error);
                }
            }
        }
        self.held.drain(..done);
        result
    }
}

impl Sink {
    fn write(&mut self, buffers: &[IoSlice<'_>], nonblocking: bool, interrupt: &Interrupt) -> io::Result<usize> {
        match self {
            Sink::Host(stream, channel) => {
                stream.settle();
                channel.write_all(stream.fd(), buffers, nonblocking, interrupt)
            }
            Sink::Terminal(stream, filter) => {
                stream.settle();
                write_filtered(filter, buffers, |passed| {
                    Channel::Other.write_all(stream.fd(), &[IoSlice::new(passed)], false, interrupt)
                })
            }
            Sink::Captured(captured) => captured.write(buffers),
            Sink::Stream(stream) => loop {
                match stream.write_vectored(buffers) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted && !interrupt.is_set() => {}
                    other => return other,
                }
            },
            Sink::Discard => Ok(buffers.iter().map(|buffer| buffer.len()).sum()),
        }
    }
}

/// Writes what may pass, a step at a time: a guest's list of buffers can name the same bytes a thousand times.
fn write_filtered(
    filter: &mut Filter,
    buffers: &[IoSlice<'_>],
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let (mut passed, mut taken_bytes, mut done_bytes) = (Vec::new(), 0, 0);
    let mut parts = buffers.iter().flat_map(|buffer| buffer.chunks(TERMINAL_STEP_BYTES)).peekable();
    while let Some(part) = parts.next() {
        filter.pass(part, &mut passed);
        taken_bytes += part.len();
        if passed.len() >= TERMINAL_STEP_BYTES || parts.peek().is_none() {
            match write(&passed) {
                Err(error) if done_bytes == 0 => return Err(error),
                Err(_) => break,
                Ok(_) => done_bytes = taken_bytes,
            }
            passed.clear();
        }
    }
    Ok(done_bytes)
}

/// The thread behind a buffer: sleeps until something is held back, gives the guest a moment, then writes it.
///
/// It never waits for the reader while it has the lock, so the guest can always be stopped.
fn flush_after_a_moment(shared: &Shared) {
    let mut state = lock(&shared.state);
    loop {
        while state.held.is_empty() && !state.closed {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return;
        }
        (state, _) = shared.changed.wait_timeout(state, DELAY).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            continue;
        }
        // A panic of an embedder's stream would end this thread, and with it what everyone relies on.
        let written = catch_unwind(AssertUnwindSafe(|| state.write_some_held()));
        let written = written.unwrap_or_else(|_| Err(io::Error::other("the stream has panicked")));
        if let Err(error) = written {
            state.late_error = Some(error);
        }
    }
}

/// A panic of an embedder's stream leaves the state as usable as an error would.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_gets_is_copied_in_steps() {
        let text = vec![b'x'; 3 * TERMINAL_STEP_BYTES - 1];
        let buffers: Vec<IoSlice<'_>> = (0..5).map(|_| IoSlice::new(&text)).collect();
        let (mut written, mut largest) = (0, 0);
        let mut count = |passed: &[u8]| {
            (written, largest) = (written + passed.len(), largest.max(passed.len()));
            Ok(passed.len())
        };
        assert_eq!(write_filtered(&mut Filter::default(), &buffers, &mut count).unwrap(), 5 * text.len());
        assert_eq!(written, 5 * text.len());
        assert!(largest < 2 * TERMINAL_STEP_BYTES, "{largest} bytes at once");
    }

    #[test]
    fn an_error_of_a_terminal_does_not_hide_what_it_has_got() {
        let text = vec![b'x'; 2 * TERMINAL_STEP_BYTES];
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let mut steps = 0;
        let second_fails = |passed: &[u8]| {
            steps += 1;
            if steps == 2 { Err(gone()) } else { Ok(passed.len()) }
        };
        let written = write_filtered(&mut Filter::default(), &[IoSlice::new(&text)], second_fails);
        assert_eq!(written.unwrap(), TERMINAL_STEP_BYTES);
        let written = write_filtered(&mut Filter::default(), &[IoSlice::new(&text)], |_| Err(gone()));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
