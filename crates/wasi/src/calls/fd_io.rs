//! Calls on a descriptor that move data: `fd_read`, `fd_pread`, `fd_write`, `fd_pwrite`.
//!
//! Lists of buffers are served in order. Writes hand the whole list to the host at once. Reads go buffer by buffer,
//! because a guest's buffers may overlap, and stop at the first one that is not filled, or after the first one where
//! going on might wait.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;

use crate::wire::errno::{Errno, I32Exit, Outcome, Stop};
use crate::wire::memory::{GuestMemory, io_slices};
use crate::wire::types::{FdFlags, Rights};
use crate::world::channel::Channel;
use crate::world::ctx::WasiCtx;
use crate::world::input::Input;
use crate::world::interrupt::Interrupt;
use crate::world::table::{Descriptor, Kind};

/// How a shell shows that SIGPIPE has ended a process.
const EXIT_PIPE: i32 = 128 + 13;

/// witx: "Read from a file descriptor. Note: This is similar to `readv` in POSIX."
pub(crate) fn fd_read(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nread: u32,
) -> Outcome {
    let descriptor = ctx.table.with(fd, Rights::FD_READ)?;
    match &descriptor.kind {
        Kind::Output(_) | Kind::Directory(_) => return Err(Errno::Badf.into()),
        Kind::File(open) if !open.readable => return Err(Errno::Badf.into()),
        Kind::Listener(_) => return Err(Errno::NotConn.into()),
        _ => {}
    }
    let buffers = memory.buffers(iovs, iovs_len)?;
    memory.check(nread, 4)?;
    if matches!(descriptor.kind, Kind::Input(Input::Stream(_))) && !buffers.is_empty() {
        // Nobody can tell whether a reader of the embedder's is going to wait.
        ctx.before_waiting();
    }
    let interrupt = ctx.interrupt.clone();
    loop {
        let descriptor = ctx.table.get_mut(fd)?;
        let nonblocking = descriptor.flags.contains(FdFlags::NONBLOCK);
        let waits = may_wait(&descriptor.kind);
        let kind = &mut descriptor.kind;
        match read_buffers(&mut memory, &buffers, waits, |buffer| read_now(kind, buffer, nonblocking, &interrupt)) {
            Err(Errno::Again) if !nonblocking => ctx.wait_for_input(fd)?,
            result => return Ok(memory.write_u32(nread, result?)?),
        }
    }
}

/// Reads without waiting where that can be had.
fn read_now(kind: &mut Kind, buffer: &mut [u8], nonblocking: bool, interrupt: &Interrupt) -> io::Result<usize> {
    match kind {
        Kind::Input(input) => Ok(input.read(buffer, interrupt)?.min(buffer.len())),
        // The flag is set on the host's descriptor, which is the guest's alone.
        Kind::File(open) if nonblocking => interrupt.retry(|| rustix::io::read(&open.file, &mut *buffer)),
        Kind::File(open) => interrupt.retry(|| open.channel().read(open.file.as_fd(), &mut *buffer)),
        Kind::Stream(stream) => interrupt.retry(|| Channel::Socket.read(stream.as_fd(), &mut *buffer)),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// witx: "Read from a file descriptor, without using and updating the file descriptor's offset."
pub(crate) fn fd_pread(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    offset: u64,
    nread: u32,
) -> Outcome {
    let descriptor = ctx.table.with(fd, Rights::FD_READ)?;
    let host = match &descriptor.kind {
        Kind::File(open) if open.readable => descriptor.host(),
        Kind::Input(input) => input.host(),
        Kind::Listener(_) | Kind::Stream(_) => None,
        _ => return Err(Errno::Badf.into()),
    };
    descriptor.require(Rights::FD_SEEK)?;
    let host = host.ok_or(Errno::Spipe)?;
    let start = file_offset(offset)?;
    let buffers = memory.buffers(iovs, iovs_len)?;
    memory.check(nread, 4)?;
    let mut position = start;
    let count = read_buffers(&mut memory, &buffers, false, |buffer| {
        let count = ctx.interrupt.retry(|| rustix::io::pread(host, &mut *buffer, position))?;
        position += count as u64;
        Ok(count)
    })?;
    Ok(memory.write_u32(nread, count)?)
}

/// witx: "Write to a file descriptor. Note: This is similar to `writev` in POSIX."
pub(crate) fn fd_write(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nwritten: u32,
) -> Outcome {
    let descriptor = ctx.table.with(fd, Rights::FD_WRITE)?;
    match &descriptor.kind {
        Kind::Input(_) | Kind::Directory(_) => return Err(Errno::Badf.into()),
        Kind::File(open) if !open.writable => return Err(Errno::Badf.into()),
        Kind::Listener(_) => return Err(Errno::NotConn.into()),
        _ => {}
    }
    let buffers = memory.buffers(iovs, iovs_len)?;
    memory.check(nwritten, 4)?;
    let contents = memory.contents_of(&buffers);
    let slices = io_slices(&contents);
    let nonblocking = descriptor.flags.contains(FdFlags::NONBLOCK);
    let count = match &descriptor.kind {
        Kind::Output(output) => {
            if !output.is_buffered() {
                // What was printed earlier must come out earlier, whichever stream it went to.
                ctx.before_waiting();
            }
            match output.write(&slices, nonblocking) {
                // A process would have been ended by the first one.
                Err(_) if output.is_deaf() => return Err(Stop::Exit(I32Exit(EXIT_PIPE))),
                result => result?,
            }
        }
        Kind::File(open) => {
            let mut channel = if nonblocking { Channel::File } else { open.channel() };
            let count = channel.write_all(open.file.as_fd(), &slices, nonblocking, &ctx.interrupt)?;
            finish_write(descriptor, &open.file)?;
            count
        }
        Kind::Stream(stream) => {
            ctx.before_waiting();
            Channel::Socket.write_all(stream.as_fd(), &slices, nonblocking, &ctx.interrupt)?
        }
        _ => return Err(Errno::Badf.into()),
    };
    Ok(memory.write_u32(nwritten, count as u32)?)
}

/// witx: "Write to a file descriptor, without using and updating the file descriptor's offset."
///
/// On a descriptor that appends, the host decides whether the offset counts: Linux appends, POSIX would not.
pub(crate) fn fd_pwrite(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    offset: u64,
    nwritten: u32,
) -> Outcome {
    let descriptor = ctx.table.with(fd, Rights::FD_WRITE)?;
    let host = match &descriptor.kind {
        Kind::File(open) if open.writable => descriptor.host(),
        Kind::Output(output) => {
            output.flush_late();
            output.host()
        }
        Kind::Listener(_) | Kind::Stream(_) => None,
        _ => return Err(Errno::Badf.into()),
    };
    descriptor.require(Rights::FD_SEEK)?;
    let host = host.ok_or(Errno::Spipe)?;
    let start = file_offset(offset)?;
    let buffers = memory.buffers(iovs, iovs_len)?;
    memory.check(nwritten, 4)?;
    let mut count = 0;
    for range in buffers {
        let buffer = &*memory.at(range);
        match ctx.interrupt.retry(|| rustix::io::pwrite(host, buffer, start.saturating_add(count))) {
            Ok(part) => {
                count += part as u64;
                if part < buffer.len() {
                    break;
                }
            }
            Err(error) if count == 0 => return Err(error.into()),
            Err(_) => break,
        }
    }
    if let Kind::File(open) = &descriptor.kind {
        finish_write(descriptor, &open.file)?;
    }
    Ok(memory.write_u32(nwritten, count as u32)?)
}

/// Synchronised writing, for descriptors that have it.
fn finish_write(descriptor: &Descriptor, file: &std::fs::File) -> io::Result<()> {
    if descriptor.flags.intersects(FdFlags::SYNC | FdFlags::RSYNC) {
        file.sync_all()
    } else if descriptor.flags.contains(FdFlags::DSYNC) {
        file.sync_data()
    } else {
        Ok(())
    }
}

/// Reads into one buffer after the other. With `waits`, only into the first.
fn read_buffers(
    memory: &mut GuestMemory<'_>,
    buffers: &[Range<usize>],
    waits: bool,
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> Result<u32, Errno> {
    let mut total = 0;
    for range in buffers {
        match memory.fill(range.clone(), &mut read) {
            Ok(count) => {
                total += count;
                if count < range.len() || waits {
                    break;
                }
            }
            // What has been read must not be lost; the error comes again.
            Err(_) if total > 0 => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(total as u32)
}

/// Whether a read may have to wait for somebody.
fn may_wait(kind: &Kind) -> bool {
    match kind {
        Kind::File(open) => open.channel().may_wait(),
        Kind::Input(Input::Host(channel)) => channel.may_wait(),
        Kind::Input(Input::Bytes(..)) => false,
        _ => true,
    }
}

/// An offset that a host's signed offsets can express.
fn file_offset(offset: u64) -> Result<u64, Errno> {
    i64::try_from(offset).map_err(|_| Errno::Inval)?;
    Ok(offset)
}
