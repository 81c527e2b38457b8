//! `poll_oneoff`: waiting for times and descriptors.
//!
//! ```text
//! subscription   userdata u64 @0   tag u8 @8   and by tag:              (bytes)
//!   clock, preview 1      id u32 @16   timeout u64 @24   precision u64 @32   flags u16 @40    48
//!   clock, unstable       identifier u64 @16   id u32 @24   timeout @32   precision @40   flags @48    56
//!   fd_read, fd_write     descriptor u32 @16
//! event          userdata u64 @0   error u16 @8   type u8 @10   nbytes u64 @16   flags u16 @24    32
//! ```

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::wire::errno::{Errno, Outcome};
use crate::wire::memory::GuestMemory;
use crate::wire::types::{CLOCK_MONOTONIC, CLOCK_REALTIME, FileType, Rights, Version};
use crate::world::ctx::WasiCtx;
use crate::world::table::{Descriptor, Kind, Table};

const EVENT_BYTES: u64 = 32;

/// witx `eventtype`
const CLOCK: u8 = 0;
/// witx `eventtype`
const FD_READ: u8 = 1;
/// witx `eventtype`
const FD_WRITE: u8 = 2;
/// witx `eventrwflags`: "The peer of this socket has closed or disconnected."
const HANGUP: u16 = 1;
/// witx `subclockflags`
const ABSTIME: u16 = 1;

/// The longest single wait: the clock of the day may be set meanwhile, and the guest may have been interrupted just
/// before the wait began.
const WAIT_MAX_NS: u64 = 100_000_000;
/// What a descriptor that is ready for writing takes at least.
const WRITABLE_BYTES: u64 = 4096;

#[derive(Debug, Clone, Copy)]
enum Wish {
    /// Until this clock shows this time.
    Clock {
        id: u32,
        deadline_ns: u64,
    },
    Fd {
        fd: u32,
        tag: u8,
    },
    /// Nothing to wait for: this is wrong with it.
    Wrong {
        tag: u8,
        errno: Errno,
    },
}

#[derive(Debug, Clone, Copy)]
struct Subscription {
    userdata: [u8; 8],
    wish: Wish,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    tag: u8,
    errno: Option<Errno>,
    nbytes: u64,
    flags: u16,
}

impl Event {
    fn plain(tag: u8) -> Event {
        Event { tag, errno: None, nbytes: 0, flags: 0 }
    }
}

/// witx: "Concurrently poll for the occurrence of a set of events. [...] If `nsubscriptions` is 0, returns
/// `errno::inval`."
pub(crate) fn poll_oneoff(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    version: Version,
    subscriptions: u32,
    events: u32,
    count: u32,
    nevents: u32,
) -> Outcome {
    let list = List { subscriptions, events, count, nevents };
    let poll = Poll::begin(ctx, &memory, version, list)?;
    let happened = loop {
        match poll.look(ctx)? {
            Look::Happened(events) => break events,
            Look::Wait(wait_ns) => {
                let mut events = vec![None; poll.subscriptions.len()];
                events_by_descriptor(&ctx.table, &poll.subscriptions, wait_ns, &mut events)?;
                if events.iter().any(Option::is_some) {
                    break events;
                }
            }
        }
    };
    poll.finish(&mut memory, &happened)
}

/// Where a guest has its subscriptions and wants its events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    pub subscriptions: u32,
    pub events: u32,
    pub count: u32,
    pub nevents: u32,
}

/// A `poll_oneoff` in steps, for callers that share a context and must not hold it while they wait.
pub(crate) struct Poll {
    subscriptions: Vec<Subscription>,
    list: List,
}

/// What a look at the subscriptions shows.
pub(crate) enum Look {
    /// Something has happened.
    Happened(Vec<Option<Event>>),
    /// Nothing yet, and no clock will be there for so long.
    Wait(u64),
}

impl Poll {
    /// Reads the subscriptions; writes what the guest has printed.
    pub fn begin(ctx: &mut WasiCtx, memory: &GuestMemory<'_>, version: Version, list: List) -> Result<Poll, Errno> {
        if list.count == 0 || list.count > ctx.limits.subscriptions {
            return Err(Errno::Inval);
        }
        memory.check(list.nevents, 4)?;
        memory.check(list.events, u64::from(list.count) * EVENT_BYTES)?;
        let subscriptions = read_subscriptions(ctx, memory, version, list.subscriptions, list.count)?;
        ctx.before_waiting();
        Ok(Poll { subscriptions, list })
    }

    /// Looks without waiting.
    pub fn look(&self, ctx: &mut WasiCtx) -> Result<Look, Errno> {
        loop {
            let (mut events, next_ns) = events_by_clock(ctx, &self.subscriptions)?;
            events_by_descriptor(&ctx.table, &self.subscriptions, 0, &mut events)?;
            if events.iter().any(Option::is_some) {
                return Ok(Look::Happened(events));
            }
            if ctx.interrupt.is_set() {
                return Err(Errno::Intr);
            }
            // Replaced clocks may jump instead of letting the guest wait.
            if next_ns.is_some_and(|ns| ctx.clocks.pass_ns(ns)) {
                continue;
            }
            return Ok(Look::Wait(next_ns.map_or(WAIT_MAX_NS, |ns| ns.min(WAIT_MAX_NS))));
        }
    }

    /// The host's descriptors that are waited for, as descriptors of their own: another thread may close the guest's
    /// meanwhile.
    pub fn descriptors(&self, ctx: &WasiCtx) -> io::Result<Vec<(OwnedFd, PollFlags)>> {
        let wishes = self.subscriptions.iter().filter_map(|subscription| match subscription.wish {
            Wish::Fd { fd, tag } => pollable(&ctx.table, fd, tag).ok().flatten(),
            _ => None,
        });
        wishes.map(|(host, flags)| Ok((host.try_clone_to_owned()?, flags))).collect()
    }

    /// Tells the guest what has happened.
    pub fn finish(&self, memory: &mut GuestMemory<'_>, happened: &[Option<Event>]) -> Outcome {
        let mut at = self.list.events;
        let mut written = 0;
        for (subscription, event) in self.subscriptions.iter().zip(happened) {
            let Some(event) = event else { continue };
            let mut record = [0; EVENT_BYTES as usize];
            record[0..8].copy_from_slice(&subscription.userdata);
            record[8..10].copy_from_slice(&event.errno.map_or(0, |errno| errno as u16).to_le_bytes());
            record[10] = event.tag;
            record[16..24].copy_from_slice(&event.nbytes.to_le_bytes());
            record[24..26].copy_from_slice(&event.flags.to_le_bytes());
            memory.write(at, &record)?;
            at = at.wrapping_add(EVENT_BYTES as u32);
            written += 1;
        }
        Ok(memory.write_u32(self.list.nevents, written)?)
    }
}

fn read_subscriptions(
    ctx: &mut WasiCtx,
    memory: &GuestMemory<'_>,
    version: Version,
    list: u32,
    count: u32,
) -> Result<Vec<Subscription>, Errno> {
    let (record_bytes, clock_at) = match version {
        Version::Preview1 => (48, 16),
        Version::Unstable => (56, 24),
    };
    let list = memory.slice(list, count.checked_mul(record_bytes).ok_or(Errno::Fault)?)?;
    list.chunks_exact(record_bytes as usize)
        .map(|record| {
            let mut userdata = [0; 8];
            userdata.copy_from_slice(&record[0..8]);
            let tag = record[8];
            let wish = match tag {
                CLOCK => clock_wish(ctx, &record[clock_at..]),
                FD_READ | FD_WRITE => Wish::Fd { fd: word(&record[16..]) as u32, tag },
                _ => return Err(Errno::Inval),
            };
            Ok(Subscription { userdata, wish })
        })
        .collect()
}

/// Up to eight bytes as a number.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The clock part of a subscription: id @0, timeout @8, precision @16, flags @24.
fn clock_wish(ctx: &mut WasiCtx, record: &[u8]) -> Wish {
    let id = word(&record[..4]) as u32;
    let timeout_ns = word(&record[8..16]);
    let flags = word(&record[24..26]) as u16;
    let wrong = |errno| Wish::Wrong { tag: CLOCK, errno };
    if flags & !ABSTIME != 0 {
        return wrong(Errno::Inval);
    }
    match id {
        CLOCK_REALTIME | CLOCK_MONOTONIC => {}
        // Processor time does not pass while the guest waits for it.
        2 | 3 => return wrong(Errno::NotSup),
        _ => return wrong(Errno::Inval),
    }
    if flags & ABSTIME != 0 {
        return Wish::Clock { id, deadline_ns: timeout_ns };
    }
    // A relative wait is not to be stretched or cut when the clock of the day is set.
    match ctx.clocks.now_ns(CLOCK_MONOTONIC) {
        Ok(now_ns) => Wish::Clock { id: CLOCK_MONOTONIC, deadline_ns: now_ns.saturating_add(timeout_ns) },
        Err(errno) => wrong(errno),
    }
}

/// The clocks that show their time already, what is wrong from the start, and how long the next clock needs.
fn events_by_clock(
    ctx: &mut WasiCtx,
    subscriptions: &[Subscription],
) -> Result<(Vec<Option<Event>>, Option<u64>), Errno> {
    // Each clock is read once, so that one instant decides over all.
    let mut shown: [Option<u64>; 2] = [None; 2];
    let mut next_ns: Option<u64> = None;
    let mut events = Vec::with_capacity(subscriptions.len());
    for subscription in subscriptions {
        events.push(match subscription.wish {
            Wish::Clock { id, deadline_ns } => {
                let now_ns = match shown[id as usize] {
                    Some(now_ns) => now_ns,
                    None => *shown[id as usize].insert(ctx.clocks.now_ns(id)?),
                };
                let rest_ns = deadline_ns.saturating_sub(now_ns);
                next_ns = Some(next_ns.map_or(rest_ns, |ns| ns.min(rest_ns)));
                (rest_ns == 0).then(|| Event::plain(CLOCK))
            }
            Wish::Wrong { tag, errno } => Some(Event { errno: Some(errno), ..Event::plain(tag) }),
            Wish::Fd { .. } => None,
        });
    }
    Ok((events, next_ns))
}

/// Waits for descriptors, at most so long, and puts down what happened to them.
fn events_by_descriptor(
    table: &Table,
    subscriptions: &[Subscription],
    wait_ns: u64,
    events: &mut [Option<Event>],
) -> Result<(), Errno> {
    let mut indices = Vec::new();
    let mut fds = Vec::new();
    for (index, subscription) in subscriptions.iter().enumerate() {
        let Wish::Fd { fd, tag } = subscription.wish else { continue };
        match pollable(table, fd, tag) {
            Ok(Some((host, flags))) => {
                indices.push(index);
                fds.push(PollFd::from_borrowed_fd(host, flags));
            }
            Ok(None) => events[index] = Some(always_ready(table, fd, tag)),
            Err(errno) => events[index] = Some(Event { errno: Some(errno), ..Event::plain(tag) }),
        }
    }
    if fds.is_empty() && wait_ns == 0 {
        return Ok(());
    }
    let timeout = Timespec { tv_sec: (wait_ns / 1_000_000_000) as _, tv_nsec: (wait_ns % 1_000_000_000) as _ };
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    for (index, poll_fd) in indices.into_iter().zip(fds) {
        if let Wish::Fd { fd, tag } = subscriptions[index].wish
            && !poll_fd.revents().is_empty()
        {
            events[index] = Some(descriptor_event(table.get(fd)?, tag, poll_fd.revents()));
        }
    }
    Ok(())
}

/// What the host is to look at; nothing where it need not be asked.
fn pollable(table: &Table, fd: u32, tag: u8) -> Result<Option<(BorrowedFd<'_>, PollFlags)>, Errno> {
    let descriptor = table.with(fd, Rights::POLL_FD_READWRITE)?;
    let fits = match &descriptor.kind {
        Kind::Input(_) | Kind::Listener(_) => tag == FD_READ,
        Kind::Output(_) => tag == FD_WRITE,
        Kind::File(open) => {
            if tag == FD_READ {
                open.readable
            } else {
                open.writable
            }
        }
        Kind::Directory(_) => false,
        Kind::Stream(_) => true,
    };
    if !fits {
        return Err(Errno::Badf);
    }
    let flags = if tag == FD_READ { PollFlags::IN } else { PollFlags::OUT };
    Ok(descriptor.host().map(|host| (host, flags)))
}

fn always_ready(table: &Table, fd: u32, tag: u8) -> Event {
    let nbytes = match table.get(fd).map(|descriptor| &descriptor.kind) {
        Ok(Kind::Input(input)) => input.ready_bytes(),
        _ => WRITABLE_BYTES,
    };
    Event { nbytes, ..Event::plain(tag) }
}

fn descriptor_event(descriptor: &Descriptor, tag: u8, happened: PollFlags) -> Event {
    if happened.contains(PollFlags::NVAL) {
        return Event { errno: Some(Errno::Badf), ..Event::plain(tag) };
    }
    let nbytes = if tag == FD_READ { readable_bytes(descriptor) } else { WRITABLE_BYTES };
    let flags = if happened.contains(PollFlags::HUP) { HANGUP } else { 0 };
    Event { nbytes, flags, ..Event::plain(tag) }
}

fn readable_bytes(descriptor: &Descriptor) -> u64 {
    let Some(host) = descriptor.host() else { return 0 };
    if descriptor.filetype() == FileType::RegularFile {
        let size = rustix::fs::fstat(host).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
        return size.saturating_sub(rustix::fs::tell(host).unwrap_or(0));
    }
    rustix::io::ioctl_fionread(host).unwrap_or(0)
}
