//! Directories of a guest, and listing them. A cookie is the host's own position in the directory, so listing goes on correctly while names come
//! and go, and the context holds what one call to the host gave at most. Listing takes no descriptor but the directory's own.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType as HostType, Mode, OFlags, SeekFrom};

use super::reserve::with_spare;
use crate::wire::errno::Errno;
use crate::wire::types::FileType;

/// Room for what one call to the host gives: a name of the greatest length fits.
const FETCH_BYTES: usize = 4096;
/// How many entries are fetched at once where they do not come as bytes.
#[cfg(not(target_os = "linux"))]
const FETCH_ENTRIES: usize = 128;

/// What a guest may do with the files below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whatever the host allows the process.
    ReadWrite,
    /// Nothing that changes a file, a name or a time; such calls return `rofs`.
    ReadOnly,
}

/// A directory: given beforehand (then it has a name), or opened by the guest below one.
#[derive(Debug)]
pub(crate) struct Directory {
    pub dir: Dir,
    /// Whether the descriptor itself can be listed, synchronised and dated: it was opened for reading.
    pub listable: bool,
    pub preopen: Option<Vec<u8>>,
    pub access: Access,
    pub listing: Option<Listing>,
}

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
pub(crate) struct Entry {
    pub next: u64,
    pub ino: u64,
    pub filetype: FileType,
    pub name: Vec<u8>,
}

/// How far the guest has listed a directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The cookie of what comes next.
    pub position: u64,
    /// What comes next, as far as it has been fetched.
    pub fetched: VecDeque<Entry>,
    /// The directory once more, if its own descriptor cannot be listed.
    reopened: Option<OwnedFd>,
}

impl Listing {
    pub fn seek(&mut self, cookie: u64) {
        self.fetched.clear();
        self.position = cookie;
    }

    pub fn next(&mut self, directory: &Directory) -> Result<Option<Entry>, Errno> {
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
    for (entry, n) in directory.by_ref().skip(skipped).take(FETCH_ENTRIES).zip(cookie + 1..) {
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

/// The type in a host's mode word.
pub(crate) fn filetype_of_mode(mode: rustix::fs::RawMode) -> FileType {
    use rustix::fs::FileType as Host;
    match Host::from_raw_mode(mode) {
        Host::RegularFile => FileType::RegularFile,
        Host::Directory => FileType::Directory,
        Host::Symlink => FileType::SymbolicLink,
        Host::CharacterDevice => FileType::CharacterDevice,
        Host::BlockDevice => FileType::BlockDevice,
        Host::Socket => FileType::SocketStream,
        _ => FileType::Unknown,
    }
}
