//! `fd_readdir`, `fd_prestat_get`, `fd_prestat_dir_name`.
//!
//! A cookie is the host's own position in the directory, so listing goes on correctly while names come and go, and
//! the context holds what one call to the host gave at most. Listing takes no descriptor but the directory's own.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType as HostType, Mode, OFlags, SeekFrom};

use crate::ctx::WasiCtx;
use crate::errno::{Errno, Outcome};
use crate::memory::GuestMemory;
use crate::reserve::with_spare;
use crate::table::{Directory, Kind, filetype_of_mode};
use crate::types::{FileType, Rights};

/// ```text
/// 0 d_next u64   8 d_ino u64   16 d_namlen u32   20 d_type u8   24 the name
/// ```
const HEADER_BYTES: usize = 24;
/// Room for what one call to the host gives: a name of the greatest length fits.
const FETCH_BYTES: usize = 4096;

impl Directory {
    /// The directory once more, as a descriptor that can be listed, synchronised and dated. It takes the right to search
    /// the directory, which the descriptor that it is opened by does not.
    fn reopen(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        with_spare(|| Ok(rustix::fs::openat(&self.dir, c".", flags, Mode::empty())?))
    }

    /// Does something with a descriptor that can be listed, synchronised and dated.
    pub fn with_opened<R>(&self, act: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<R>) -> io::Result<R> {
        if self.listable { Ok(act(self.dir.as_fd())?) } else { Ok(act(self.reopen()?.as_fd())?) }
    }
}

/// An entry on its way to the guest.
#[derive(Debug)]
struct Entry {
    next: u64,
    ino: u64,
    filetype: FileType,
    name: Vec<u8>,
}

/// How far the guest has listed a directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The cookie of what comes next.
    position: u64,
    /// What comes next, as far as it has been fetched.
    fetched: VecDeque<Entry>,
    /// The directory once more, if its own descriptor cannot be listed.
    reopened: Option<OwnedFd>,
}

impl Listing {
    fn seek(&mut self, cookie: u64) {
        self.fetched.clear();
        self.position = cookie;
    }

    fn next(&mut self, directory: &Directory) -> Result<Option<Entry>, Errno> {
        if self.fetched.is_empty() {
            if directory.listable {
                fetch(directory.dir.as_fd(), self.position, &mut self.fetched)?;
            } else {
                let reopened = match self.reopened.take() {
                    Some(reopened) => reopened,
                    None => directory.reopen()?,
                };
                fetch(self.reopened.insert(reopened).as_fd(), self.position, &mut self.fetched)?;
            }
        }
        Ok(self.fetched.pop_front())
    }
}

/// Fetches some of the entries that follow a cookie; none at the end. Descriptors that share their position, as copies
/// do, may have moved it: it is set each time.
#[cfg(target_os = "linux")]
fn fetch(host: BorrowedFd<'_>, cookie: u64, fetched: &mut VecDeque<Entry>) -> Result<(), Errno> {
    i64::try_from(cookie).map_err(|_| Errno::Inval)?;
    rustix::fs::seek(host, SeekFrom::Start(cookie))?;
    let mut buffer = [MaybeUninit::uninit(); FETCH_BYTES];
    let mut directory = rustix::fs::RawDir::new(host, &mut buffer);
    while let Some(entry) = directory.next() {
        let entry = match entry {
            // A directory that has been removed has no entries.
            Err(rustix::io::Errno::NOENT) => break,
            entry => entry?,
        };
        fetched.push_back(Entry {
            next: entry.next_entry_cookie(),
            ino: entry.ino(),
            filetype: filetype(host, entry.file_type(), entry.file_name()),
            name: entry.file_name().to_bytes().to_vec(),
        });
        if directory.is_buffer_empty() {
            break;
        }
    }
    Ok(())
}

/// The same where cookies are not the host's: they count entries.
#[cfg(not(target_os = "linux"))]
fn fetch(host: BorrowedFd<'_>, cookie: u64, fetched: &mut VecDeque<Entry>) -> Result<(), Errno> {
    let mut directory = rustix::fs::Dir::read_from(host)?;
    let skipped = usize::try_from(cookie).map_err(|_| Errno::Inval)?;
    for (entry, n) in directory.by_ref().skip(skipped).take(FETCH_BYTES / HEADER_BYTES).zip(cookie + 1..) {
        let entry = entry?;
        fetched.push_back(Entry {
            next: n,
            ino: entry.ino(),
            filetype: filetype(host, entry.file_type(), entry.file_name()),
            name: entry.file_name().to_bytes().to_vec(),
        });
    }
    Ok(())
}

fn filetype(directory: BorrowedFd<'_>, host: HostType, name: &CStr) -> FileType {
    match host {
        HostType::RegularFile => FileType::RegularFile,
        HostType::Directory => FileType::Directory,
        HostType::Symlink => FileType::SymbolicLink,
        HostType::CharacterDevice => FileType::CharacterDevice,
        HostType::BlockDevice => FileType::BlockDevice,
        HostType::Socket => FileType::SocketStream,
        HostType::Fifo => FileType::Unknown,
        // Some file systems do not tell in the listing.
        HostType::Unknown => rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |stat| filetype_of_mode(stat.st_mode)),
    }
}

/// witx: "Read directory entries from a directory. When successful, the contents of the output buffer consist of a
/// sequence of directory entries. [...] This function fills the output buffer as much as possible, potentially
/// truncating the last directory entry."
pub(crate) fn fd_readdir(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    buf: u32,
    buf_len: u32,
    cookie: u64,
    bufused: u32,
) -> Outcome {
    let descriptor = ctx.table.get_mut(fd)?;
    let granted = descriptor.require(Rights::FD_READDIR);
    let Kind::Directory(directory) = &mut descriptor.kind else {
        return Err(if matches!(descriptor.kind, Kind::File(_)) { Errno::NotDir } else { Errno::Badf }.into());
    };
    granted?;
    memory.check(bufused, 4)?;
    let range = memory.check(buf, buf_len.into())?;
    let mut listing = directory.listing.take().unwrap_or_default();
    if cookie == 0 || cookie != listing.position {
        listing.seek(cookie);
    }
    // The parent of a directory given to the guest is outside: the directory stands for it, as at the root.
    let parent_ino = match directory.preopen {
        Some(_) => Some(rustix::fs::fstat(directory.dir.as_fd())?.st_ino),
        None => None,
    };
    // Entry by entry: a copy of all the room would be as large as the guest likes, where threads share the memory.
    let (mut used, mut record) = (0, Vec::new());
    while used < range.len() {
        let Some(mut entry) = listing.next(directory)? else {
            break;
        };
        if let (Some(ino), b"..") = (parent_ino, &entry.name[..]) {
            entry.ino = ino;
        }
        encode(&entry, &mut record);
        let count = record.len().min(range.len() - used);
        memory.write((range.start + used) as u32, &record[..count])?;
        used += count;
        if count == record.len() {
            listing.position = entry.next;
        } else {
            listing.fetched.push_front(entry);
        }
    }
    directory.listing = Some(listing);
    Ok(memory.write_u32(bufused, used as u32)?)
}

/// An entry as the guest gets it.
fn encode(entry: &Entry, record: &mut Vec<u8>) {
    let mut header = [0; HEADER_BYTES];
    header[0..8].copy_from_slice(&entry.next.to_le_bytes());
    header[8..16].copy_from_slice(&entry.ino.to_le_bytes());
    header[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
    header[20] = entry.filetype as u8;
    record.clear();
    record.extend_from_slice(&header);
    record.extend_from_slice(&entry.name);
}

/// witx: "Return a description of the given preopened file descriptor."
///
/// ```text
/// 0 tag u8 (0: a directory)   4 length of its name u32   8
/// ```
pub(crate) fn fd_prestat_get(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, fd: u32, out: u32) -> Outcome {
    let name = preopened_name(ctx, fd)?;
    let mut record = [0; 8];
    record[4..8].copy_from_slice(&(name.len() as u32).to_le_bytes());
    Ok(memory.write(out, &record)?)
}

/// witx: "Return a description of the given preopened file descriptor." A name does not fit: `nametoolong`.
pub(crate) fn fd_prestat_dir_name(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let name = preopened_name(ctx, fd)?;
    if (path_len as usize) < name.len() {
        return Err(Errno::NameTooLong.into());
    }
    Ok(memory.write(path, name)?)
}

/// Guests find their directories by asking for 3, 4 and so on until they hear `badf`.
fn preopened_name(ctx: &WasiCtx, fd: u32) -> Result<&[u8], Errno> {
    match &ctx.table.get(fd)?.kind {
        Kind::Directory(Directory { preopen: Some(name), .. }) => Ok(name),
        _ => Err(Errno::Badf),
    }
}
