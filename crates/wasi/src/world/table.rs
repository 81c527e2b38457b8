//! The descriptors of a guest: what each number stands for, and what may be done with it.
//!
//! Numbers are the guest's own and say nothing of the host's. The lowest free one is given out, as POSIX has it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::directory::{Access, Directory, filetype_of_mode};
use crate::wire::errno::Errno;
use crate::wire::types::{FdFlags, FileType, Rights};
use crate::world::channel::Channel;
use crate::world::input::Input;
use crate::world::output::Output;

/// A file opened by the guest.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub file: File,
    pub filetype: FileType,
    pub readable: bool,
    pub writable: bool,
    pub access: Access,
}

impl OpenFile {
    pub fn channel(&self) -> Channel {
        match self.filetype {
            FileType::RegularFile | FileType::BlockDevice => Channel::File,
            FileType::SocketStream => Channel::Socket,
            _ => Channel::Other,
        }
    }

    /// Whether the host's descriptor never blocks, whatever the guest wants: waiting happens in `poll`, where it can be
    /// interrupted.
    pub fn never_waits(&self) -> bool {
        self.filetype != FileType::RegularFile
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    Input(Input),
    Output(Output),
    File(OpenFile),
    Directory(Directory),
    /// A socket that listens.
    Listener(OwnedFd),
    /// A connection.
    Stream(OwnedFd),
}

/// What stands behind one number.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub kind: Kind,
    /// What the guest has given up with `fd_fdstat_set_rights`, or its directory had when this was opened.
    pub dropped: Rights,
    /// What descriptors opened below this one may do.
    pub inheriting: Rights,
    pub flags: FdFlags,
}

impl Descriptor {
    pub fn new(kind: Kind) -> Descriptor {
        let inheriting = match kind {
            Kind::Directory(_) => Rights::DIRECTORY | Rights::FILE | Rights::WRITABLE | Rights::FD_READ,
            Kind::Listener(_) => SOCKET,
            _ => Rights::empty(),
        };
        Descriptor { kind, dropped: Rights::empty(), inheriting, flags: FdFlags::empty() }
    }

    /// Fails if the guest has given up any of these rights.
    ///
    /// Reading and writing without the right is `badf`, as it is where a file was not opened for it.
    pub fn require(&self, rights: Rights) -> Result<(), Errno> {
        let missing = self.dropped & rights;
        if missing.is_empty() {
            Ok(())
        } else if missing.intersects(Rights::FD_READ | Rights::FD_WRITE) {
            Err(Errno::Badf)
        } else {
            Err(Errno::NotCapable)
        }
    }

    /// The host's descriptor, where there is one.
    pub fn host(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Input(input) => input.host(),
            Kind::Output(output) => output.host(),
            Kind::File(open) => Some(open.file.as_fd()),
            Kind::Directory(directory) => Some(directory.dir.as_fd()),
            Kind::Listener(listener) => Some(listener.as_fd()),
            Kind::Stream(stream) => Some(stream.as_fd()),
        }
    }

    pub fn filetype(&self) -> FileType {
        match &self.kind {
            Kind::Input(_) | Kind::Output(_) => self.host().map_or(FileType::Unknown, host_filetype),
            Kind::File(open) => open.filetype,
            Kind::Directory(_) => FileType::Directory,
            Kind::Listener(socket) | Kind::Stream(socket) => match rustix::net::sockopt::socket_type(socket) {
                Ok(rustix::net::SocketType::DGRAM) => FileType::SocketDgram,
                _ => FileType::SocketStream,
            },
        }
    }

    /// The rights to report. Nothing else decides by them, but programs do: a character device that cannot seek is
    /// a terminal to them.
    pub fn rights(&self) -> Rights {
        let kind = match &self.kind {
            Kind::Input(_) => self.stream_rights() | Rights::FD_READ,
            Kind::Output(_) => self.stream_rights() | Rights::FD_WRITE,
            Kind::File(open) => {
                let mut rights = self.stream_rights();
                rights.set(Rights::FD_READ, open.readable);
                rights.set(Rights::WRITABLE, open.writable);
                rights
            }
            Kind::Directory(_) => Rights::DIRECTORY,
            Kind::Listener(_) => Rights::STREAM | Rights::SOCK_ACCEPT,
            Kind::Stream(_) => SOCKET,
        };
        kind & !self.dropped
    }

    fn stream_rights(&self) -> Rights {
        let seekable = match self.filetype() {
            FileType::RegularFile | FileType::BlockDevice => true,
            FileType::CharacterDevice => !self.host().is_some_and(rustix::termios::isatty),
            _ => false,
        };
        if seekable { Rights::FILE } else { Rights::STREAM }
    }
}

/// What a connection can do.
const SOCKET: Rights = Rights::STREAM.union(Rights::FD_READ).union(Rights::FD_WRITE).union(Rights::SOCK_SHUTDOWN);

/// What the host says a descriptor is.
pub(crate) fn host_filetype(fd: BorrowedFd<'_>) -> FileType {
    rustix::fs::fstat(fd).map_or(FileType::Unknown, |stat| filetype_of_mode(stat.st_mode))
}

/// The table from numbers to descriptors.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Option<Descriptor>>,
    /// No slot below this one is free.
    lowest_free: usize,
    limit: usize,
}

impl Table {
    pub fn new(limit: usize) -> Table {
        Table { slots: Vec::new(), lowest_free: 0, limit }
    }

    pub fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    pub fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    /// The descriptor, if the guest still has the right.
    pub fn with(&self, fd: u32, rights: Rights) -> Result<&Descriptor, Errno> {
        let descriptor = self.get(fd)?;
        descriptor.require(rights)?;
        Ok(descriptor)
    }

    /// The directory behind a number, if the guest still has the right.
    pub fn directory(&self, fd: u32, rights: Rights) -> Result<&Directory, Errno> {
        let descriptor = self.get(fd)?;
        let Kind::Directory(directory) = &descriptor.kind else {
            return Err(Errno::NotDir);
        };
        descriptor.require(rights)?;
        Ok(directory)
    }

    /// The same, for a call that changes what is below the directory.
    pub fn writable_directory(&self, fd: u32, rights: Rights) -> Result<&Directory, Errno> {
        let directory = self.directory(fd, rights)?;
        match directory.access {
            Access::ReadWrite => Ok(directory),
            Access::ReadOnly => Err(Errno::Rofs),
        }
    }

    /// The number that the next descriptor gets, or `mfile`.
    pub fn next(&mut self) -> Result<usize, Errno> {
        while self.slots.get(self.lowest_free).is_some_and(Option::is_some) {
            self.lowest_free += 1;
        }
        if self.lowest_free >= self.limit { Err(Errno::Mfile) } else { Ok(self.lowest_free) }
    }

    pub fn insert(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let slot = self.next()?;
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[slot] = Some(descriptor);
        Ok(slot as u32)
    }

    pub fn remove(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        let descriptor = self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::Badf)?;
        self.lowest_free = self.lowest_free.min(fd as usize);
        Ok(descriptor)
    }

    /// Moves a descriptor over another one, which it returns.
    pub fn renumber(&mut self, from: u32, to: u32) -> Result<Option<Descriptor>, Errno> {
        self.get(to)?;
        self.get(from)?;
        if from == to {
            return Ok(None);
        }
        let moved = self.remove(from)?;
        Ok(self.slots[to as usize].replace(moved))
    }

    /// Every descriptor there is.
    pub fn iter(&self) -> impl Iterator<Item = &Descriptor> {
        self.slots.iter().flatten()
    }
}
