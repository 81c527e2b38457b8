//! The numbers of WASI: rights, flags, file types, clock ids and record layouts, as the witx files give them.
//!
//! This file knows no host type and does nothing; `errno.rs` holds the error codes.

use bitflags::bitflags;

bitflags! {
    /// What may be done with a descriptor (`rights`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Rights: u64 {
        /// `fd_datasync`
        const FD_DATASYNC = 1 << 0;
        /// `fd_read`, `sock_recv`, and with `FD_SEEK` `fd_pread`
        const FD_READ = 1 << 1;
        /// `fd_seek`
        const FD_SEEK = 1 << 2;
        /// `fd_fdstat_set_flags`
        const FD_FDSTAT_SET_FLAGS = 1 << 3;
        /// `fd_sync`
        const FD_SYNC = 1 << 4;
        /// `fd_tell`
        const FD_TELL = 1 << 5;
        /// `fd_write`, `sock_send`, and with `FD_SEEK` `fd_pwrite`
        const FD_WRITE = 1 << 6;
        /// `fd_advise`
        const FD_ADVISE = 1 << 7;
        /// `fd_allocate`
        const FD_ALLOCATE = 1 << 8;
        /// `path_create_directory`
        const PATH_CREATE_DIRECTORY = 1 << 9;
        /// `path_open` with `creat`
        const PATH_CREATE_FILE = 1 << 10;
        /// `path_link`, for the directory of the old name
        const PATH_LINK_SOURCE = 1 << 11;
        /// `path_link`, for the directory of the new name
        const PATH_LINK_TARGET = 1 << 12;
        /// `path_open`
        const PATH_OPEN = 1 << 13;
        /// `fd_readdir`
        const FD_READDIR = 1 << 14;
        /// `path_readlink`
        const PATH_READLINK = 1 << 15;
        /// `path_rename`, for the directory of the old name
        const PATH_RENAME_SOURCE = 1 << 16;
        /// `path_rename`, for the directory of the new name
        const PATH_RENAME_TARGET = 1 << 17;
        /// `path_filestat_get`
        const PATH_FILESTAT_GET = 1 << 18;
        /// `path_open` with `trunc`
        const PATH_FILESTAT_SET_SIZE = 1 << 19;
        /// `path_filestat_set_times`
        const PATH_FILESTAT_SET_TIMES = 1 << 20;
        /// `fd_filestat_get`
        const FD_FILESTAT_GET = 1 << 21;
        /// `fd_filestat_set_size`
        const FD_FILESTAT_SET_SIZE = 1 << 22;
        /// `fd_filestat_set_times`
        const FD_FILESTAT_SET_TIMES = 1 << 23;
        /// `path_symlink`
        const PATH_SYMLINK = 1 << 24;
        /// `path_remove_directory`
        const PATH_REMOVE_DIRECTORY = 1 << 25;
        /// `path_unlink_file`
        const PATH_UNLINK_FILE = 1 << 26;
        /// `poll_oneoff`
        const POLL_FD_READWRITE = 1 << 27;
        /// `sock_shutdown`
        const SOCK_SHUTDOWN = 1 << 28;
        /// `sock_accept`
        const SOCK_ACCEPT = 1 << 29;
    }

    /// How a descriptor behaves (`fdflags`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FdFlags: u16 {
        /// Every write goes to the end.
        const APPEND = 1 << 0;
        /// Data reaches the disk before a write returns.
        const DSYNC = 1 << 1;
        /// Calls fail with `again` instead of waiting.
        const NONBLOCK = 1 << 2;
        /// Like `SYNC`, for reads.
        const RSYNC = 1 << 3;
        /// Data and metadata reach the disk before a write returns.
        const SYNC = 1 << 4;
    }

    /// How `path_open` opens (`oflags`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct OpenFlags: u16 {
        /// Create the file if there is none.
        const CREAT = 1 << 0;
        /// Fail if it is not a directory.
        const DIRECTORY = 1 << 1;
        /// With `CREAT`: fail if it exists.
        const EXCL = 1 << 2;
        /// Cut the file to no length.
        const TRUNC = 1 << 3;
    }

    /// How a path is looked up (`lookupflags`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LookupFlags: u32 {
        /// Follow a symbolic link in the last component.
        const SYMLINK_FOLLOW = 1 << 0;
    }

    /// Which times to set (`fstflags`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct TimeFlags: u16 {
        /// Set the time of last access to the value given.
        const ATIM = 1 << 0;
        /// Set the time of last access to now.
        const ATIM_NOW = 1 << 1;
        /// Set the time of last change to the value given.
        const MTIM = 1 << 2;
        /// Set the time of last change to now.
        const MTIM_NOW = 1 << 3;
    }
}

impl Rights {
    /// What makes sense on a directory itself. Seeking and sizes do not.
    pub(crate) const DIRECTORY: Rights = Rights::FD_FDSTAT_SET_FLAGS
        .union(Rights::FD_SYNC)
        .union(Rights::FD_DATASYNC)
        .union(Rights::FD_ADVISE)
        .union(Rights::PATH_CREATE_DIRECTORY)
        .union(Rights::PATH_CREATE_FILE)
        .union(Rights::PATH_LINK_SOURCE)
        .union(Rights::PATH_LINK_TARGET)
        .union(Rights::PATH_OPEN)
        .union(Rights::FD_READDIR)
        .union(Rights::PATH_READLINK)
        .union(Rights::PATH_RENAME_SOURCE)
        .union(Rights::PATH_RENAME_TARGET)
        .union(Rights::PATH_FILESTAT_GET)
        .union(Rights::PATH_FILESTAT_SET_SIZE)
        .union(Rights::PATH_FILESTAT_SET_TIMES)
        .union(Rights::FD_FILESTAT_GET)
        .union(Rights::FD_FILESTAT_SET_TIMES)
        .union(Rights::PATH_SYMLINK)
        .union(Rights::PATH_REMOVE_DIRECTORY)
        .union(Rights::PATH_UNLINK_FILE)
        .union(Rights::POLL_FD_READWRITE);

    /// What makes sense on any open file, whether it is read or written.
    pub(crate) const FILE: Rights = Rights::FD_SEEK
        .union(Rights::FD_TELL)
        .union(Rights::FD_FDSTAT_SET_FLAGS)
        .union(Rights::FD_SYNC)
        .union(Rights::FD_DATASYNC)
        .union(Rights::FD_ADVISE)
        .union(Rights::FD_FILESTAT_GET)
        .union(Rights::FD_FILESTAT_SET_TIMES)
        .union(Rights::POLL_FD_READWRITE);

    /// What a file open for writing may do on top.
    pub(crate) const WRITABLE: Rights = Rights::FD_WRITE.union(Rights::FD_ALLOCATE).union(Rights::FD_FILESTAT_SET_SIZE);

    /// What makes sense on a stream: a pipe, a terminal, a socket.
    pub(crate) const STREAM: Rights = Rights::FD_FDSTAT_SET_FLAGS
        .union(Rights::FD_SYNC)
        .union(Rights::FD_DATASYNC)
        .union(Rights::FD_FILESTAT_GET)
        .union(Rights::POLL_FD_READWRITE);
}

/// What a descriptor or a name leads to (`filetype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FileType {
    /// None of the others, or not known. Pipes are of this type.
    Unknown = 0,
    /// A block device.
    BlockDevice = 1,
    /// A character device.
    CharacterDevice = 2,
    /// A directory.
    Directory = 3,
    /// A regular file.
    RegularFile = 4,
    /// A datagram socket.
    SocketDgram = 5,
    /// A stream socket.
    SocketStream = 6,
    /// A symbolic link.
    SymbolicLink = 7,
}

/// Which of the two published interfaces a guest speaks: they differ in three records and one enumeration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `wasi_snapshot_preview1`
    Preview1,
    /// `wasi_unstable`, also called preview 0
    Unstable,
}

impl Version {
    /// The module name under which guests import this interface.
    pub const fn module(self) -> &'static str {
        match self {
            Version::Preview1 => "wasi_snapshot_preview1",
            Version::Unstable => "wasi_unstable",
        }
    }
}

/// `clockid`: time of day.
pub const CLOCK_REALTIME: u32 = 0;
/// `clockid`: a clock that never goes back.
pub const CLOCK_MONOTONIC: u32 = 1;
/// `clockid`: processor time of the process.
pub const CLOCK_PROCESS_CPUTIME: u32 = 2;
/// `clockid`: processor time of the thread.
pub const CLOCK_THREAD_CPUTIME: u32 = 3;

/// What `fd_filestat_get` and `path_filestat_get` tell.
///
/// ```text
///             dev ino filetype nlink    size atim mtim ctim  (bytes)
/// preview 1    0   8     16    24 (u64)  32   40   48   56     64
/// unstable     0   8     16    20 (u32)  24   32   40   48     56
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStat {
    pub dev: u64,
    pub ino: u64,
    pub filetype: FileType,
    pub nlink: u64,
    pub size: u64,
    pub atim: u64,
    pub mtim: u64,
    pub ctim: u64,
}

impl FileStat {
    /// The record of something that has no file behind it.
    pub fn bare(filetype: FileType) -> FileStat {
        FileStat { dev: 0, ino: 0, filetype, nlink: 1, size: 0, atim: 0, mtim: 0, ctim: 0 }
    }

    /// The record's bytes; only as many as the version's record has are meant.
    pub fn encode(&self, version: Version) -> ([u8; 64], usize) {
        let mut record = [0; 64];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.dev.to_le_bytes());
        put(8, &self.ino.to_le_bytes());
        put(16, &[self.filetype as u8]);
        let (rest_at, size_bytes) = match version {
            Version::Preview1 => {
                put(24, &self.nlink.to_le_bytes());
                (32, 64)
            }
            Version::Unstable => {
                put(20, &u32::try_from(self.nlink).unwrap_or(u32::MAX).to_le_bytes());
                (24, 56)
            }
        };
        for (i, word) in [self.size, self.atim, self.mtim, self.ctim].into_iter().enumerate() {
            put(rest_at + 8 * i, &word.to_le_bytes());
        }
        (record, size_bytes)
    }
}
