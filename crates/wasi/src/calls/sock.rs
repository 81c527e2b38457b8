//! `sock_accept`, `sock_recv`, `sock_send`, `sock_shutdown`, over sockets that the embedder passes in.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::net::{RecvFlags, Shutdown, SocketFlags, SocketType};

use crate::calls::fd::fd_flags;
use crate::wire::errno::{Errno, Outcome};
use crate::wire::memory::{GuestMemory, io_slices};
use crate::wire::types::{FdFlags, Rights};
use crate::world::channel::{Channel, is_ready};
use crate::world::ctx::WasiCtx;
use crate::world::interrupt::Interrupt;
use crate::world::table::{Descriptor, Kind};

/// witx `riflags`
const RECV_PEEK: u32 = 1;
/// witx `riflags`
const RECV_WAITALL: u32 = 2;

/// witx: "Accept a new incoming connection. Note: This is similar to `accept` in POSIX."
pub(crate) fn sock_accept(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    flags: u32,
    opened_fd: u32,
) -> Outcome {
    let flags = fd_flags(flags)?;
    memory.check(opened_fd, 4)?;
    let stream = loop {
        let descriptor = ctx.table.get(fd)?;
        let listener = match &descriptor.kind {
            Kind::Listener(listener) => listener,
            Kind::Stream(_) => return Err(Errno::Inval.into()),
            _ => return Err(Errno::NotSock.into()),
        };
        descriptor.require(Rights::SOCK_ACCEPT)?;
        // The host's socket never waits: the connection that it has told of may have gone again.
        match ctx.interrupt.retry(|| rustix::net::accept_with(listener, SocketFlags::CLOEXEC)) {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && !descriptor.flags.contains(FdFlags::NONBLOCK) =>
            {
                ctx.wait_for_input(fd)?;
            }
            result => break result?,
        }
    };
    let inheriting = ctx.table.get(fd)?.inheriting;
    let mut host = OFlags::empty();
    host.set(OFlags::NONBLOCK, flags.contains(FdFlags::NONBLOCK));
    rustix::fs::fcntl_setfl(&stream, host)?;

    // A connection that cannot be numbered is closed: the peer sees it end.
    let mut accepted = Descriptor::new(Kind::Stream(stream));
    accepted.flags = flags;
    accepted.dropped = accepted.rights() & !inheriting;
    let number = ctx.table.insert(accepted)?;
    Ok(memory.write_u32(opened_fd, number)?)
}

/// witx: "Receive a message from a socket. Note: This is similar to `recv` in POSIX, though it also supports reading
/// the data into multiple buffers in the manner of `readv`."
#[allow(clippy::too_many_arguments, reason = "the signature is the specification's")]
pub(crate) fn sock_recv(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    ri_data: u32,
    ri_data_len: u32,
    ri_flags: u32,
    ro_data_len: u32,
    ro_flags: u32,
) -> Outcome {
    connection(ctx.table.get(fd)?, Rights::FD_READ)?;
    if ri_flags & !(RECV_PEEK | RECV_WAITALL) != 0 {
        return Err(Errno::Inval.into());
    }
    let buffers = memory.buffers(ri_data, ri_data_len)?;
    memory.check(ro_data_len, 4)?;
    memory.check(ro_flags, 2)?;
    let (peek, all) = (ri_flags & RECV_PEEK != 0, ri_flags & RECV_WAITALL != 0);
    let total = loop {
        let descriptor = ctx.table.get(fd)?;
        let stream = connection(descriptor, Rights::FD_READ)?;
        let waits = !descriptor.flags.contains(FdFlags::NONBLOCK);
        match receive(stream, &mut memory, &buffers, (peek, all && waits), &ctx.interrupt) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && waits => ctx.wait_for_input(fd)?,
            result => break result?,
        }
    };
    memory.write_u32(ro_data_len, total as u32)?;
    Ok(memory.write(ro_flags, &0u16.to_le_bytes())?)
}

/// Receives what is there, or waits for more once there is something, if all of the buffers are to be filled.
fn receive(
    stream: &OwnedFd,
    memory: &mut GuestMemory<'_>,
    buffers: &[Range<usize>],
    (peek, all): (bool, bool),
    interrupt: &Interrupt,
) -> io::Result<usize> {
    // Messages are not joined to fill a buffer.
    let all = all && rustix::net::sockopt::socket_type(stream)? == SocketType::STREAM;
    let mut total = 0;
    for range in buffers {
        let result = memory.fill(range.clone(), |buffer| match (all, peek) {
            (false, _) => receive_now(stream, buffer, peek, interrupt),
            (true, false) => fill(stream, buffer, total > 0, interrupt),
            (true, true) => look_until_full(stream, buffer, interrupt),
        });
        match result {
            Ok(count) => {
                total += count;
                // A second look would see the same again; a second read might wait.
                if count < range.len() || peek || !all {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

fn receive_now(stream: &OwnedFd, buffer: &mut [u8], peek: bool, interrupt: &Interrupt) -> io::Result<usize> {
    let flags = RecvFlags::DONTWAIT | if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
    interrupt.retry(|| rustix::net::recv(stream, &mut *buffer, flags)).map(|(count, _)| count)
}

/// Receives until the buffer is full, the peer has sent its last, or the guest is interrupted. It waits once something is
/// there, or with `begun` from the start.
fn fill(stream: &OwnedFd, buffer: &mut [u8], begun: bool, interrupt: &Interrupt) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let error = match receive_now(stream, &mut buffer[done..], false, interrupt) {
            Ok(0) => break,
            Ok(count) => {
                done += count;
                continue;
            }
            Err(error) => error,
        };
        let waits = error.kind() == io::ErrorKind::WouldBlock && (begun || done > 0);
        match if waits { interrupt.wait_for(stream.as_fd(), PollFlags::IN) } else { Err(error) } {
            Ok(()) => {}
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// As [`fill`], but takes nothing: what is there stays, so `poll` cannot tell when there is more.
fn look_until_full(stream: &OwnedFd, buffer: &mut [u8], interrupt: &Interrupt) -> io::Result<usize> {
    loop {
        let count = receive_now(stream, buffer, true, interrupt)?;
        let is_last = count == buffer.len() || count == 0 || is_ready(stream.as_fd(), LAST);
        if is_last || interrupt.wait_a_moment().is_err() {
            // What came just before the end is there now.
            return receive_now(stream, buffer, true, interrupt);
        }
    }
}

/// The peer sends no more.
#[cfg(target_os = "linux")]
const LAST: PollFlags = PollFlags::RDHUP;
#[cfg(not(target_os = "linux"))]
const LAST: PollFlags = PollFlags::HUP;

/// witx: "Send a message on a socket. Note: This is similar to `send` in POSIX, though it also supports writing the
/// data from multiple buffers in the manner of `writev`."
pub(crate) fn sock_send(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    si_data: u32,
    si_data_len: u32,
    si_flags: u32,
    so_data_len: u32,
) -> Outcome {
    let descriptor = ctx.table.get(fd)?;
    let stream = connection(descriptor, Rights::FD_WRITE)?;
    if si_flags != 0 {
        // witx `siflags`: "As there are currently no flags defined, it must be set to zero."
        return Err(Errno::Inval.into());
    }
    let buffers = memory.buffers(si_data, si_data_len)?;
    memory.check(so_data_len, 4)?;
    ctx.before_waiting();
    let contents = memory.contents_of(&buffers);
    let nonblocking = descriptor.flags.contains(FdFlags::NONBLOCK);
    let slices = io_slices(&contents);
    let count = Channel::Socket.write_all(stream.as_fd(), &slices, nonblocking, &ctx.interrupt)?;
    Ok(memory.write_u32(so_data_len, count as u32)?)
}

/// witx: "Shut down socket send and receive channels. Note: This is similar to `shutdown` in POSIX."
pub(crate) fn sock_shutdown(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, fd: u32, how: u32) -> Outcome {
    let stream = connection(ctx.table.get(fd)?, Rights::SOCK_SHUTDOWN)?;
    // witx `sdflags`: rd, wr.
    let how = match how {
        1 => Shutdown::Read,
        2 => Shutdown::Write,
        3 => Shutdown::Both,
        _ => return Err(Errno::Inval.into()),
    };
    Ok(rustix::net::shutdown(stream, how)?)
}

fn connection(descriptor: &Descriptor, rights: Rights) -> Result<&OwnedFd, Errno> {
    let stream = match &descriptor.kind {
        Kind::Stream(stream) => stream,
        Kind::Listener(_) => return Err(Errno::NotConn),
        _ => return Err(Errno::NotSock),
    };
    descriptor.require(rights)?;
    Ok(stream)
}
