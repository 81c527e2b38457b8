//! The clocks of a guest.

use std::fmt;

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

use crate::wire::errno::Errno;
use crate::wire::types::{CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME};

/// The clocks of a guest. Replace them for runs that must not depend on when they happen.
///
/// Clock numbers are those of the specification; one that is not known returns [`Errno::Inval`].
pub trait Clocks: Send + fmt::Debug {
    /// The time in nanoseconds; for the clock of the day, since 1970.
    fn now_ns(&mut self, clock: u32) -> Result<u64, Errno>;

    /// The smallest step of the clock, in nanoseconds.
    fn resolution_ns(&self, clock: u32) -> Result<u64, Errno>;

    /// Lets time pass. True: it has, the clocks say so, and no one need wait. False: wait for real.
    fn pass_ns(&mut self, ns: u64) -> bool {
        let _ = ns;
        false
    }
}

/// The clocks of the host.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClocks(());

impl SystemClocks {
    /// The clocks of the host.
    pub fn new() -> SystemClocks {
        SystemClocks(())
    }
}

fn host_clock(clock: u32) -> Result<ClockId, Errno> {
    match clock {
        CLOCK_REALTIME => Ok(ClockId::Realtime),
        CLOCK_MONOTONIC => Ok(ClockId::Monotonic),
        CLOCK_PROCESS_CPUTIME => Ok(ClockId::ProcessCPUTime),
        CLOCK_THREAD_CPUTIME => Ok(ClockId::ThreadCPUTime),
        _ => Err(Errno::Inval),
    }
}

/// A host time in nanoseconds; times before 1970 count as 1970, and none overflows before the year 2554. Nanoseconds
/// count forward from the second: half a second before 1970 is second -1 and 500,000,000 of them.
pub(crate) fn nanoseconds(seconds: i64, subsec_ns: i64) -> u64 {
    let Ok(seconds) = u64::try_from(seconds) else { return 0 };
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(subsec_ns).unwrap_or(0))
}

impl Clocks for SystemClocks {
    fn now_ns(&mut self, clock: u32) -> Result<u64, Errno> {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(host_clock(clock)?);
        #[allow(clippy::unnecessary_cast, reason = "the widths differ between hosts")]
        Ok(nanoseconds(tv_sec as i64, tv_nsec as i64))
    }

    fn resolution_ns(&self, clock: u32) -> Result<u64, Errno> {
        let Timespec { tv_sec, tv_nsec } = clock_getres(host_clock(clock)?);
        #[allow(clippy::unnecessary_cast, reason = "the widths differ between hosts")]
        Ok(nanoseconds(tv_sec as i64, tv_nsec as i64).max(1))
    }
}

/// Clocks that start where they are told, move a step each time they are read, and jump when the guest sleeps.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClocks {
    realtime_start_ns: u64,
    elapsed_ns: u64,
    step_ns: u64,
}

impl VirtualClocks {
    /// Starts the clock of the day at `realtime_ns` and all others at zero; each reading takes `step_ns`.
    pub fn new(realtime_ns: u64, step_ns: u64) -> VirtualClocks {
        VirtualClocks { realtime_start_ns: realtime_ns, elapsed_ns: 0, step_ns }
    }
}

impl Clocks for VirtualClocks {
    fn now_ns(&mut self, clock: u32) -> Result<u64, Errno> {
        host_clock(clock)?;
        let start_ns = if clock == CLOCK_REALTIME { self.realtime_start_ns } else { 0 };
        let now_ns = start_ns.saturating_add(self.elapsed_ns);
        self.elapsed_ns = self.elapsed_ns.saturating_add(self.step_ns);
        Ok(now_ns)
    }

    fn resolution_ns(&self, clock: u32) -> Result<u64, Errno> {
        host_clock(clock)?;
        Ok(self.step_ns.max(1))
    }

    fn pass_ns(&mut self, ns: u64) -> bool {
        self.elapsed_ns = self.elapsed_ns.saturating_add(ns);
        true
    }
}
