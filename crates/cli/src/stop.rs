//! What ends a guest from outside: Ctrl-C, a request to terminate, and its time limit.
//!
//! The signals are blocked in every thread, and one thread waits for them. So no handler runs on a stack of wasm, and
//! the thread that waits may do what it likes.
//!
//! ```text
//! no guest ── signal ──► exit 128 + n
//! compiling ── signal ──► message, exit 128 + n
//!          └─ time up ──► message, exit 124
//! guest ── signal ──► interrupted ── ends ──► exit 128 + n
//!       └─ time up ─► interrupted ── ends ──► message, exit 124
//!                         └─ second signal, or no end within GRACE ──► the same, with the guest left as it is
//! ```

use crate::exit::{self, Cause};
use crate::options::TimeLimit;
use crate::report;
use anyhow::{Context as _, Result};
use epsilon::InterruptHandle;
use epsilon_wasi::Interrupt;
use nix::sys::signal::{SigSet, Signal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The signals that end a guest.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// How long an interrupted guest may take to end: calls of the host that cannot be interrupted end with the process.
const GRACE: Duration = Duration::from_secs(2);

/// Ends the guest when it is told to.
#[derive(Clone)]
pub struct Stop(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What is being compiled.
    compiling: Option<String>,
    guest: Option<Guest>,
    cause: Option<Cause>,
    /// How the guest ended is known, and about to be told.
    settled: bool,
}

struct Guest {
    name: String,
    wasm: InterruptHandle,
    wasi: Interrupt,
}

impl Stop {
    /// Begins to wait for signals. Call it before there are other threads.
    pub fn begin() -> Result<Self> {
        let set: SigSet = SIGNALS.into_iter().collect();
        set.thread_block().context("cannot block signals")?;
        let stop = Self(Arc::default());
        let waiting = stop.clone();
        spawn("signals", move || {
            while let Ok(signal) = set.wait() {
                // Looked at only now: a start without signals, as most are, need not ask.
                if !is_in(ignored_signals(), signal) {
                    waiting.interrupt(Cause::Signal(signal as i32));
                }
            }
        })?;
        Ok(stop)
    }

    /// Names the guest that is ended from now on.
    pub fn watch(&self, name: &str, wasm: InterruptHandle, wasi: Interrupt) {
        let mut state = self.state();
        state.guest = Some(Guest { name: name.to_owned(), wasm, wasi });
        state.compiling = None;
    }

    /// Names the module whose compilation is ended from now on, and starts the time of that and of what follows.
    pub fn watch_compilation(&self, name: &str, limit: Option<TimeLimit>) -> Result<()> {
        self.state().compiling = Some(name.to_owned());
        let Some(limit) = limit else { return Ok(()) };
        let waiting = self.clone();
        spawn("timeout", move || {
            thread::sleep(limit.duration);
            waiting.interrupt(Cause::Time(limit));
        })
    }

    /// Why the guest was interrupted, if it was. From now on its time limit does nothing: it may pass while what
    /// happened is being told.
    pub fn settle(&self) -> Option<Cause> {
        let mut state = self.state();
        state.settled = true;
        state.guest = None;
        state.cause.clone()
    }

    /// Changes are single assignments, which no panic leaves half-done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt(&self, cause: Cause) {
        let mut state = self.state();
        let guest = match (&state.guest, &state.cause, &cause) {
            (Some(guest), None, _) => guest,
            (Some(_), Some(_), Cause::Time(_)) => return,
            (None, _, Cause::Time(_)) if state.settled => return,
            _ => {
                // Nothing is left half-made: files get their names when they are whole.
                if let Some(name) = &state.compiling {
                    report::compilation_stopped(name, &cause);
                }
                std::process::exit(cause.exit_code());
            }
        };
        guest.wasi.set();
        guest.wasm.interrupt();
        state.cause = Some(cause);
        drop(state);
        let waiting = self.clone();
        // Should there be no thread to be had, a guest that does not end is left to a second signal.
        let _ = spawn("grace", move || waiting.end_after_grace());
    }

    fn end_after_grace(&self) {
        thread::sleep(GRACE);
        let state = self.state();
        if let (Some(Cause::Time(limit)), Some(guest)) = (&state.cause, &state.guest) {
            report::timeout(&guest.name, &limit.text, None);
        }
        std::process::exit(state.cause.as_ref().map_or(exit::ERROR, Cause::exit_code));
    }
}

/// The signals that the parent process wants to be ignored, as `nohup` does: bit n - 1 for signal n. A blocked
/// signal would arrive nevertheless.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, signal: Signal) -> bool {
    mask >> (signal as i32 - 1) & 1 != 0
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).with_context(|| format!("cannot start the thread for {name}"))?;
    Ok(())
}
