//! `fd_readdir`, `fd_prestat_get`, `fd_prestat_dir_name`.
//!
//! A cookie is the host's own position in the directory, so listing goes on correctly while names come and go, and
//! the context holds one entry at most. A guest that asks for what follows what it has read costs no seek.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use epsilon::seeded;
use rustix::fs::{AtFlags, Dir, DirEntry, FileType as HostType, Mode, OFlags};

use crate::ctx::WasiCtx;
use crate::errno::{Errno, Outcome};
use crate::memory::GuestMemory;
use crate::table::{Directory, Kind, filetype_of_mode};
use crate::types::{FileType, Rights};

/// ```text
/// 0 d_next u64   8 d_ino u64   16 d_namlen u32   20 d_type u8   24 the name
/// ```
const HEADER_BYTES: usize = 24;

impl Directory {
    /// The directory once more, as a descriptor that can be listed, synchronised and dated.
    pub fn reopen(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.dir, c".", flags, Mode::empty())?)
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
#[derive(Debug)]
pub(crate) struct Listing {
    stream: Dir,
    /// The cookie of what comes next.
    position: u64,
    /// What comes next, if it has been fetched and did not fit.
    pending: Option<Entry>,
}

impl Listing {
    fn open(directory: &Directory) -> io::Result<Listing> {
        Ok(Listing { stream: Dir::new(directory.reopen()?)?, position: 0, pending: None })
    }

    fn seek(&mut self, cookie: u64) -> Result<(), Errno> {
        self.pending = None;
        self.position = cookie;
        if cookie == 0 {
            self.stream.rewind();
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        self.stream.seek(i64::try_from(cookie).map_err(|_| Errno::Inval)?)?;
        #[cfg(not(target_os = "linux"))]
        {
            self.stream.rewind();
            for _ in 0..cookie {
                if self.stream.read().is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Entry>, Errno> {
        if let Some(entry) = self.pending.take() {
            return Ok(Some(entry));
        }
        let Some(entry) = self.stream.read() else {
            return Ok(None);
        };
        let entry = entry?;
        let name = entry.file_name().to_bytes().to_vec();
        #[cfg(target_os = "linux")]
        let next = entry.offset() as u64;
        #[cfg(not(target_os = "linux"))]
        let next = self.position + 1;
        Ok(Some(Entry { next, ino: entry.ino(), filetype: self.filetype(&entry), name }))
    }

    fn filetype(&self, entry: &DirEntry) -> FileType {
        match entry.file_type() {
            HostType::RegularFile => FileType::RegularFile,
            HostType::Directory => FileType::Directory,
            HostType::Symlink => FileType::SymbolicLink,
            HostType::CharacterDevice => FileType::CharacterDevice,
            HostType::BlockDevice => FileType::BlockDevice,
            HostType::Socket => FileType::SocketStream,
            HostType::Fifo => FileType::Unknown,
            // Some file systems do not tell in the listing.
            HostType::Unknown => self
                .stream
                .fd()
                .and_then(|fd| rustix::fs::statat(fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW))
                .map_or(FileType::Unknown, |stat| filetype_of_mode(stat.st_mode)),
        }
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
    let mut listing = match directory.listing.take() {
        Some(listing) => listing,
        None => Listing::open(directory)?,
    };
    if cookie == 0 || cookie != listing.position {
        listing.seek(cookie)?;
    }
    // The parent of a directory given to the guest is outside: the directory stands for it, as at the root.
    let parent_ino = match directory.preopen {
        Some(_) => Some(rustix::fs::fstat(directory.dir.as_fd())?.st_ino),
        None => None,
    };
    let used = memory.fill(range, |room| {
        let mut used = 0;
        while used < room.len() {
            let Some(mut entry) = listing.next()? else {
                break;
            };
            if let (Some(ino), b"..") = (parent_ino, &entry.name[..]) {
                entry.ino = ino;
            }
            let (count, whole) = encode(&entry, &mut room[used..]);
            used += count;
            if whole {
                listing.position = entry.next;
            } else {
                listing.pending = Some(entry).filter(|_| !seeded::bug("readdir-cookie"));
            }
        }
        Ok::<_, Errno>(used)
    })?;
    directory.listing = Some(listing);
    Ok(memory.write_u32(bufused, used as u32)?)
}

/// Writes as much of an entry as there is room for.
fn encode(entry: &Entry, room: &mut [u8]) -> (usize, bool) {
    let mut header = [0; HEADER_BYTES];
    header[0..8].copy_from_slice(&entry.next.to_le_bytes());
    header[8..16].copy_from_slice(&entry.ino.to_le_bytes());
    header[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
    header[20] = entry.filetype as u8;
    let header_bytes = room.len().min(HEADER_BYTES);
    room[..header_bytes].copy_from_slice(&header[..header_bytes]);
    let name_room = &mut room[header_bytes..];
    let name_bytes = name_room.len().min(entry.name.len());
    name_room[..name_bytes].copy_from_slice(&entry.name[..name_bytes]);
    (header_bytes + name_bytes, header_bytes + name_bytes == HEADER_BYTES + entry.name.len())
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
