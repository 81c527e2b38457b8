//! Calls on a descriptor that move no data: `fd_advise`, `fd_allocate`, `fd_close`, `fd_datasync`, `fd_fdstat_*`,
//! `fd_filestat_*`, `fd_renumber`, `fd_seek`, `fd_sync`, `fd_tell`.
//!
//! Reading, writing and listing have files of their own.

use std::os::fd::BorrowedFd;

use rustix::fs::{OFlags, SeekFrom, Timespec, Timestamps};

use crate::wire::errno::{Errno, Outcome};
use crate::wire::memory::GuestMemory;
use crate::wire::types::{FdFlags, FileStat, FileType, Rights, TimeFlags, Version};
use crate::world::clock::nanoseconds;
use crate::world::ctx::WasiCtx;
use crate::world::directory::{Access, filetype_of_mode};
use crate::world::table::{Descriptor, Kind};

/// witx: "Provide file advisory information on a file descriptor." It is advice: hosts that take none succeed.
pub(crate) fn fd_advise(
    ctx: &mut WasiCtx,
    _memory: GuestMemory<'_>,
    fd: u32,
    offset: u64,
    len: u64,
    advice: u32,
) -> Outcome {
    let descriptor = ctx.table.with(fd, Rights::FD_ADVISE)?;
    if advice > 5 || i64::try_from(offset).is_err() || i64::try_from(len).is_err() {
        return Err(Errno::Inval.into());
    }
    match &descriptor.kind {
        Kind::Directory(_) => Err(Errno::Badf.into()),
        Kind::File(open) => {
            #[cfg(target_os = "linux")]
            {
                use rustix::fs::Advice;
                // witx `advice`: normal, sequential, random, willneed, dontneed, noreuse.
                let advice = [
                    Advice::Normal,
                    Advice::Sequential,
                    Advice::Random,
                    Advice::WillNeed,
                    Advice::DontNeed,
                    Advice::NoReuse,
                ][advice as usize];
                rustix::fs::fadvise(&open.file, offset, std::num::NonZeroU64::new(len), advice)?;
            }
            let _ = open;
            Ok(())
        }
        _ => Err(Errno::Spipe.into()),
    }
}

/// witx: "Force the allocation of space in a file."
pub(crate) fn fd_allocate(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, fd: u32, offset: u64, len: u64) -> Outcome {
    let descriptor = ctx.table.with(fd, Rights::FD_ALLOCATE)?;
    let open = match &descriptor.kind {
        Kind::File(open) if open.writable => open,
        Kind::File(_) | Kind::Directory(_) => return Err(Errno::Badf.into()),
        _ => return Err(Errno::Spipe.into()),
    };
    if len == 0 || i64::try_from(offset).is_err() || i64::try_from(len).is_err() {
        return Err(Errno::Inval.into());
    }
    if i64::try_from(offset + len).is_err() {
        return Err(Errno::Fbig.into());
    }
    #[cfg(target_os = "linux")]
    let result =
        ctx.interrupt.retry(|| rustix::fs::fallocate(&open.file, rustix::fs::FallocateFlags::empty(), offset, len));
    #[cfg(not(target_os = "linux"))]
    let result: std::io::Result<()> = {
        let _ = open;
        Err(std::io::ErrorKind::Unsupported.into())
    };
    Ok(result?)
}

/// witx: "Close a file descriptor." Preopened directories and standard streams can be closed too.
pub(crate) fn fd_close(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, fd: u32) -> Outcome {
    match ctx.table.remove(fd)?.kind {
        // The last chance to hear that what was written before did not arrive. The descriptor is closed either way.
        Kind::Output(output) => Ok(output.flush()?),
        _ => Ok(()),
    }
}

/// witx: "Synchronize the data of a file to disk."
pub(crate) fn fd_datasync(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, fd: u32) -> Outcome {
    sync(ctx.table.with(fd, Rights::FD_DATASYNC)?, false)
}

/// witx: "Synchronize the data and metadata of a file to disk."
pub(crate) fn fd_sync(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, fd: u32) -> Outcome {
    sync(ctx.table.with(fd, Rights::FD_SYNC)?, true)
}

fn sync(descriptor: &Descriptor, metadata: bool) -> Outcome {
    match &descriptor.kind {
        Kind::Output(output) => Ok(output.flush()?),
        Kind::File(open) if metadata => Ok(open.file.sync_all()?),
        Kind::File(open) => Ok(open.file.sync_data()?),
        Kind::Directory(directory) => Ok(directory.with_opened(|fd| rustix::fs::fsync(fd))?),
        Kind::Input(_) => Ok(()),
        Kind::Listener(_) | Kind::Stream(_) => Err(Errno::Inval.into()),
    }
}

/// witx: "Get the attributes of a file descriptor."
///
/// ```text
/// 0 filetype u8   2 flags u16   8 rights_base u64   16 rights_inheriting u64   24
/// ```
pub(crate) fn fd_fdstat_get(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, fd: u32, out: u32) -> Outcome {
    let descriptor = ctx.table.get(fd)?;
    let mut record = [0; 24];
    record[0] = descriptor.filetype() as u8;
    record[2..4].copy_from_slice(&descriptor.flags.bits().to_le_bytes());
    record[8..16].copy_from_slice(&descriptor.rights().bits().to_le_bytes());
    record[16..24].copy_from_slice(&descriptor.inheriting.bits().to_le_bytes());
    Ok(memory.write(out, &record)?)
}

/// witx: "Adjust the flags associated with a file descriptor."
///
/// Flags of streams that the embedder's process shares with others stay with the guest; those of synchronised
/// writing are honoured by the calls that write.
pub(crate) fn fd_fdstat_set_flags(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, fd: u32, flags: u32) -> Outcome {
    let descriptor = ctx.table.get_mut(fd)?;
    descriptor.require(Rights::FD_FDSTAT_SET_FLAGS)?;
    let flags = fd_flags(flags)?;
    if matches!(descriptor.kind, Kind::Directory(_)) {
        return Err(Errno::Badf.into());
    }
    if matches!(descriptor.kind, Kind::File(_) | Kind::Listener(_) | Kind::Stream(_)) {
        let mut host = OFlags::empty();
        host.set(OFlags::APPEND, flags.contains(FdFlags::APPEND));
        let never_waits = match &descriptor.kind {
            Kind::File(open) => open.never_waits(),
            kind => matches!(kind, Kind::Listener(_)),
        };
        host.set(OFlags::NONBLOCK, never_waits || flags.contains(FdFlags::NONBLOCK));
        if let Some(fd) = descriptor.host() {
            rustix::fs::fcntl_setfl(fd, host)?;
        }
    }
    descriptor.flags = flags;
    Ok(())
}

/// The flags in a guest's word; unknown ones are `inval`.
pub(crate) fn fd_flags(bits: u32) -> Result<FdFlags, Errno> {
    u16::try_from(bits).ok().and_then(FdFlags::from_bits).ok_or(Errno::Inval)
}

/// witx: "Adjust the rights associated with a file descriptor. This can only be used to remove rights, and returns
/// `errno::notcapable` if called in a way that would attempt to add rights."
pub(crate) fn fd_fdstat_set_rights(
    ctx: &mut WasiCtx,
    _memory: GuestMemory<'_>,
    fd: u32,
    base: u64,
    inheriting: u64,
) -> Outcome {
    let descriptor = ctx.table.get_mut(fd)?;
    let (had, had_inheriting) = (descriptor.rights(), descriptor.inheriting);
    if base & !had.bits() != 0 || inheriting & !had_inheriting.bits() != 0 {
        return Err(Errno::NotCapable.into());
    }
    descriptor.dropped |= had & !Rights::from_bits_truncate(base);
    descriptor.inheriting &= Rights::from_bits_truncate(inheriting);
    Ok(())
}

/// witx: "Return the attributes of an open file."
pub(crate) fn fd_filestat_get(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    version: Version,
    fd: u32,
    out: u32,
) -> Outcome {
    let descriptor = ctx.table.with(fd, Rights::FD_FILESTAT_GET)?;
    if let Kind::Output(output) = &descriptor.kind {
        output.flush_late();
    }
    let mut stat = match descriptor.host() {
        Some(host) => host_stat(host)?,
        None => FileStat::bare(descriptor.filetype()),
    };
    stat.filetype = descriptor.filetype();
    if matches!(descriptor.kind, Kind::Input(_) | Kind::Output(_)) && stat.filetype != FileType::RegularFile {
        // When others used the process's terminal or pipe is not the guest's business.
        (stat.atim, stat.mtim, stat.ctim) = (0, 0, 0);
    }
    let (record, size_bytes) = stat.encode(version);
    Ok(memory.write(out, &record[..size_bytes])?)
}

#[allow(clippy::unnecessary_cast, reason = "the widths of the host's record differ between hosts")]
pub(crate) fn host_stat(fd: BorrowedFd<'_>) -> Result<FileStat, Errno> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(FileStat {
        dev: stat.st_dev as u64,
        ino: stat.st_ino as u64,
        filetype: filetype_of_mode(stat.st_mode),
        nlink: stat.st_nlink as u64,
        size: stat.st_size as u64,
        atim: nanoseconds(stat.st_atime as i64, stat.st_atime_nsec as i64),
        mtim: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        ctim: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
    })
}

/// witx: "Adjust the size of an open file. If this increases the file's size, the extra bytes are filled with
/// zeros."
pub(crate) fn fd_filestat_set_size(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, fd: u32, size: u64) -> Outcome {
    let descriptor = ctx.table.with(fd, Rights::FD_FILESTAT_SET_SIZE)?;
    match &descriptor.kind {
        Kind::File(open) if open.writable && i64::try_from(size).is_ok() => Ok(open.file.set_len(size)?),
        Kind::Directory(_) => Err(Errno::Badf.into()),
        _ => Err(Errno::Inval.into()),
    }
}

/// witx: "Adjust the timestamps of an open file or directory."
pub(crate) fn fd_filestat_set_times(
    ctx: &mut WasiCtx,
    _memory: GuestMemory<'_>,
    fd: u32,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Outcome {
    let times = TimesToSet::new(atim, mtim, flags)?;
    let descriptor = ctx.table.with(fd, Rights::FD_FILESTAT_SET_TIMES)?;
    let timestamps = Timestamps { last_access: times.access.host(), last_modification: times.modification.host() };
    match &descriptor.kind {
        Kind::File(open) if open.access == Access::ReadOnly => Err(Errno::Rofs.into()),
        Kind::File(open) => Ok(rustix::fs::futimens(&open.file, &timestamps)?),
        Kind::Directory(directory) if directory.access == Access::ReadOnly => Err(Errno::Rofs.into()),
        Kind::Directory(directory) => Ok(directory.with_opened(|fd| rustix::fs::futimens(fd, &timestamps))?),
        _ => Err(Errno::Inval.into()),
    }
}

/// One time to set, as a guest asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewTime {
    Keep,
    Now,
    At { ns: u64 },
}

impl NewTime {
    fn host(self) -> Timespec {
        match self {
            NewTime::Keep => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
            NewTime::Now => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
            NewTime::At { ns } => Timespec { tv_sec: (ns / 1_000_000_000) as _, tv_nsec: (ns % 1_000_000_000) as _ },
        }
    }
}

/// Both times that a guest may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimesToSet {
    pub access: NewTime,
    pub modification: NewTime,
}

impl TimesToSet {
    /// A time cannot be set to a value and to now at once: `inval`.
    pub fn new(atim: u64, mtim: u64, flags: u32) -> Result<TimesToSet, Errno> {
        let flags = u16::try_from(flags).ok().and_then(TimeFlags::from_bits).ok_or(Errno::Inval)?;
        let choose = |value: TimeFlags, now: TimeFlags, ns: u64| match (flags.contains(value), flags.contains(now)) {
            (false, false) => Ok(NewTime::Keep),
            (false, true) => Ok(NewTime::Now),
            (true, false) => Ok(NewTime::At { ns }),
            (true, true) => Err(Errno::Inval),
        };
        Ok(TimesToSet {
            access: choose(TimeFlags::ATIM, TimeFlags::ATIM_NOW, atim)?,
            modification: choose(TimeFlags::MTIM, TimeFlags::MTIM_NOW, mtim)?,
        })
    }
}

/// witx: "Atomically replace a file descriptor by renumbering another file descriptor." Both must be open.
pub(crate) fn fd_renumber(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, from: u32, to: u32) -> Outcome {
    ctx.table.renumber(from, to)?;
    Ok(())
}

/// witx: "Move the offset of a file descriptor."
pub(crate) fn fd_seek(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    version: Version,
    fd: u32,
    offset: i64,
    whence: u32,
    out: u32,
) -> Outcome {
    // witx `whence`: set, cur, end; in the unstable version: cur, end, set.
    let to = match (version, whence) {
        (Version::Preview1, 0) | (Version::Unstable, 2) => {
            SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?)
        }
        (Version::Preview1, 1) | (Version::Unstable, 0) => SeekFrom::Current(offset),
        (Version::Preview1, 2) | (Version::Unstable, 1) => SeekFrom::End(offset),
        _ => return Err(Errno::Inval.into()),
    };
    // Asking where one is needs less than moving.
    let needs = if to == SeekFrom::Current(0) { Rights::FD_TELL } else { Rights::FD_SEEK };
    let position = seek(ctx.table.with(fd, needs)?, to)?;
    Ok(memory.write_u64(out, position)?)
}

/// witx: "Return the current offset of a file descriptor."
pub(crate) fn fd_tell(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, fd: u32, out: u32) -> Outcome {
    let position = seek(ctx.table.with(fd, Rights::FD_TELL)?, SeekFrom::Current(0))?;
    Ok(memory.write_u64(out, position)?)
}

fn seek(descriptor: &Descriptor, to: SeekFrom) -> Result<u64, Errno> {
    match &descriptor.kind {
        Kind::Directory(_) => return Err(Errno::Badf),
        Kind::Output(output) => output.flush_late(),
        _ => {}
    }
    let host = descriptor.host().ok_or(Errno::Spipe)?;
    Ok(rustix::fs::seek(host, to)?)
}
