//! Calls on names: `path_create_directory`, `path_filestat_get`, `path_filestat_set_times`, `path_link`,
//! `path_open`, `path_readlink`, `path_remove_directory`, `path_rename`, `path_symlink`, `path_unlink_file`.
//!
//! Every name is looked up below a directory that the guest has been given, by `cap-std`, which lets no name and no
//! link lead out of it: such a name is `perm`. This file never joins paths and never asks the host for a path.

#![allow(clippy::too_many_arguments, reason = "the signatures are the specification's")]

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, SystemTimeSpec};
use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use cap_std::time::{SystemClock, SystemTime};
use rustix::fs::{FileType as HostType, OFlags};

use crate::calls::fd::{NewTime, TimesToSet, fd_flags, host_stat};
use crate::wire::errno::{Errno, Outcome, Stop};
use crate::wire::memory::GuestMemory;
use crate::wire::types::{FdFlags, FileStat, FileType, LookupFlags, OpenFlags, Rights, Version};
use crate::world::clock::nanoseconds;
use crate::world::ctx::WasiCtx;
use crate::world::directory::{Access, Directory, filetype_of_mode};
use crate::world::reserve::with_spare;
use crate::world::table::{Descriptor, Kind, OpenFile};

/// witx: "Create a directory. Note: This is similar to `mkdirat` in POSIX."
pub(crate) fn path_create_directory(
    ctx: &mut WasiCtx,
    memory: GuestMemory<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let path = memory.path(path, path_len)?;
    let directory = ctx.table.writable_directory(fd, Rights::PATH_CREATE_DIRECTORY)?;
    Ok(with_spare(|| directory.dir.create_dir(&path))?)
}

/// witx: "Return the attributes of a file or directory. Note: This is similar to `stat` in POSIX."
pub(crate) fn path_filestat_get(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    version: Version,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    out: u32,
) -> Outcome {
    let follow = follows(flags)?;
    let path = memory.path(path, path_len)?;
    let directory = ctx.table.directory(fd, Rights::PATH_FILESTAT_GET)?;
    let stat = match stat_below(directory, &path, follow) {
        // A directory that may not be searched can be asked itself.
        Err(Errno::Acces) if names_itself(&path) => host_stat(directory.dir.as_fd())?,
        result => result?,
    };
    let (record, size_bytes) = stat.encode(version);
    Ok(memory.write(out, &record[..size_bytes])?)
}

fn stat_below(directory: &Directory, path: &str, follow: bool) -> Result<FileStat, Errno> {
    let metadata = match slash_names_directory(directory, path)? {
        Some(metadata) => metadata,
        None if follow => with_spare(|| directory.dir.metadata(path))?,
        None => with_spare(|| directory.dir.symlink_metadata(path))?,
    };
    Ok(stat_of(&metadata))
}

fn stat_of(metadata: &Metadata) -> FileStat {
    FileStat {
        dev: metadata.dev(),
        ino: metadata.ino(),
        filetype: filetype_of_mode(metadata.mode() as _),
        nlink: metadata.nlink(),
        size: metadata.size(),
        atim: nanoseconds(metadata.atime(), metadata.atime_nsec()),
        mtim: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctim: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// witx: "Adjust the timestamps of a file or directory. Note: This is similar to `utimensat` in POSIX."
pub(crate) fn path_filestat_set_times(
    ctx: &mut WasiCtx,
    memory: GuestMemory<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    atim: u64,
    mtim: u64,
    fst_flags: u32,
) -> Outcome {
    let follow = follows(flags)?;
    let times = TimesToSet::new(atim, mtim, fst_flags)?;
    let path = memory.path(path, path_len)?;
    let directory = ctx.table.writable_directory(fd, Rights::PATH_FILESTAT_SET_TIMES)?;
    if slash_names_directory(directory, &path)?.is_some() || follow {
        with_spare(|| directory.dir.set_times(&path, time_spec(times.access)?, time_spec(times.modification)?))?;
    } else {
        with_spare(|| {
            directory.dir.set_symlink_times(&path, time_spec(times.access)?, time_spec(times.modification)?)
        })?;
    }
    Ok(())
}

fn time_spec(time: NewTime) -> io::Result<Option<SystemTimeSpec>> {
    Ok(match time {
        NewTime::Keep => None,
        NewTime::Now => Some(SystemTimeSpec::SymbolicNow),
        NewTime::At { ns } => {
            let time = SystemClock::UNIX_EPOCH.checked_add(Duration::from_nanos(ns));
            Some(SystemTimeSpec::Absolute(time.map(|time: SystemTime| time).ok_or(rustix::io::Errno::OVERFLOW)?))
        }
    })
}

/// witx: "Create a hard link. Note: This is similar to `linkat` in POSIX."
///
/// Linking what a symbolic link leads to is `inval`, as with other runtimes. A file below a read-only directory
/// cannot get a second name: by that name it could be written.
pub(crate) fn path_link(
    ctx: &mut WasiCtx,
    memory: GuestMemory<'_>,
    old_fd: u32,
    old_flags: u32,
    old_path: u32,
    old_path_len: u32,
    new_fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Outcome {
    let follow = follows(old_flags)?;
    let old_path = memory.path(old_path, old_path_len)?;
    let new_path = memory.path(new_path, new_path_len)?;
    let old = ctx.table.writable_directory(old_fd, Rights::PATH_LINK_SOURCE)?;
    let new = ctx.table.writable_directory(new_fd, Rights::PATH_LINK_TARGET)?;
    if follow {
        return Err(Errno::Inval.into());
    }
    Ok(with_spare(|| old.dir.hard_link(&old_path, &new.dir, &new_path))?)
}

/// What a guest asks of `path_open`.
struct OpenRequest {
    path: String,
    follow: bool,
    open: OpenFlags,
    flags: FdFlags,
    read: bool,
    write: bool,
}

/// witx: "Open a file or directory. The returned file descriptor is not guaranteed to be the lowest-numbered file
/// descriptor not currently open [...]. Note: This is similar to `openat` in POSIX."
///
/// Of the rights asked for, reading and writing decide how the file is opened. The descriptor has every other right
/// that its kind can have and its directory can pass on, as is practice today.
pub(crate) fn path_open(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    dirflags: u32,
    path: u32,
    path_len: u32,
    oflags: u32,
    rights_base: u64,
    _rights_inheriting: u64,
    fdflags: u32,
    opened_fd: u32,
) -> Outcome {
    let follow = follows(dirflags)?;
    let open = u16::try_from(oflags).ok().and_then(OpenFlags::from_bits).ok_or(Errno::Inval)?;
    let flags = fd_flags(fdflags)?;
    let path = memory.path(path, path_len)?;
    memory.check(opened_fd, 4)?;
    ctx.table.next()?;

    let mut needs = Rights::PATH_OPEN;
    needs.set(Rights::PATH_CREATE_FILE, open.contains(OpenFlags::CREAT));
    needs.set(Rights::PATH_FILESTAT_SET_SIZE, open.contains(OpenFlags::TRUNC));
    ctx.table.directory(fd, needs)?;
    let inheriting = ctx.table.get(fd)?.inheriting;
    let asked = Rights::from_bits_truncate(rights_base) & inheriting;
    let (read, write) = (asked.contains(Rights::FD_READ), asked.contains(Rights::FD_WRITE));
    let request = OpenRequest { path, follow, open, flags, read, write };
    let kind = loop {
        let directory = ctx.table.directory(fd, needs)?;
        match open_below(directory, &request) {
            // A pipe that nobody reads: its reader is waited for.
            Err(Errno::Nxio) if !flags.contains(FdFlags::NONBLOCK) && is_fifo(directory, &request) => {
                ctx.wait_a_moment()?;
            }
            result => break result?,
        }
    };
    await_writer(ctx, &kind, flags)?;

    let mut descriptor = Descriptor::new(kind);
    descriptor.flags = flags;
    if matches!(descriptor.kind, Kind::Directory(_)) {
        descriptor.dropped = ctx.table.get(fd)?.dropped;
        descriptor.inheriting = inheriting;
    } else {
        descriptor.dropped = descriptor.rights() & !inheriting;
    }
    let number = ctx.table.insert(descriptor)?;
    Ok(memory.write_u32(opened_fd, number)?)
}

/// Whether a name that was to be opened is that of a pipe.
fn is_fifo(directory: &Directory, request: &OpenRequest) -> bool {
    let metadata = with_spare(|| match request.follow {
        true => directory.dir.metadata(&request.path),
        false => directory.dir.symlink_metadata(&request.path),
    });
    metadata.is_ok_and(|metadata| HostType::from_raw_mode(metadata.mode() as _) == HostType::Fifo)
}

/// Waits for the writer of a pipe that was opened for reading. Where threads share the context the first read does.
#[cfg(target_os = "linux")]
fn await_writer(ctx: &WasiCtx, kind: &Kind, flags: FdFlags) -> Result<(), Stop> {
    let Kind::File(open) = kind else { return Ok(()) };
    if open.filetype == FileType::Unknown && !open.writable && !flags.contains(FdFlags::NONBLOCK) && !ctx.is_shared {
        while !crate::world::fifo::has_writer(open.file.as_fd()) {
            ctx.wait_a_moment()?;
        }
    }
    Ok(())
}

/// The same where the host cannot be asked: the first read waits.
#[cfg(not(target_os = "linux"))]
fn await_writer(_: &WasiCtx, _: &Kind, _: FdFlags) -> Result<(), Stop> {
    Ok(())
}

/// Files are opened so that the host never blocks: waiting happens in `poll`, where it can be interrupted.
fn open_below(directory: &Directory, request: &OpenRequest) -> Result<Kind, Errno> {
    if request.open.contains(OpenFlags::DIRECTORY) {
        if request.open != OpenFlags::DIRECTORY {
            return Err(Errno::Inval);
        }
        let (dir, listable) = open_directory(directory, request)?;
        // POSIX `open`: "[EISDIR] The named file is a directory and oflag includes O_WRONLY or O_RDWR."
        return if request.write { Err(Errno::IsDir) } else { Ok(below(directory, dir, listable)) };
    }
    let file = match directory.access {
        Access::ReadWrite => open_file(&directory.dir, request)?,
        Access::ReadOnly => open_read_only(&directory.dir, request)?,
    };
    let filetype = host_stat(file.as_fd())?.filetype;
    if filetype == FileType::Directory {
        return Ok(below(directory, Dir::from_std_file(file.into_std()), true));
    }
    Ok(Kind::File(OpenFile {
        file: file.into_std(),
        filetype,
        readable: request.read,
        writable: request.write,
        access: directory.access,
    }))
}

/// A directory, and whether it can be listed by its descriptor: the right to read it is enough for that.
fn open_directory(directory: &Directory, request: &OpenRequest) -> Result<(Dir, bool), Errno> {
    let mut options = OpenOptions::new();
    let follow = if request.follow { FollowSymlinks::Yes } else { FollowSymlinks::No };
    options.read(true).custom_flags((OFlags::DIRECTORY | OFlags::NONBLOCK).bits() as i32).follow(follow);
    let opened = directory.dir.open_with(&request.path, &options);
    match opened.map_err(Errno::from) {
        Ok(file) => Ok((Dir::from_std_file(file.into_std()), true)),
        Err(Errno::Acces) if names_itself(&request.path) => Ok((directory.dir.try_clone()?, directory.listable)),
        // What may not be listed can have files that may be opened.
        Err(Errno::Acces) if request.follow => Ok((directory.dir.open_dir(&request.path)?, false)),
        Err(Errno::Acces) => Ok((directory.dir.open_dir_nofollow(&request.path)?, false)),
        Err(errno) => Err(errno),
    }
}

/// Whether a name is that of the directory which it is looked up in.
fn names_itself(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && path.split('/').all(|part| matches!(part, "" | "."))
}

fn below(directory: &Directory, dir: Dir, listable: bool) -> Kind {
    Kind::Directory(Directory { dir, listable, preopen: None, access: directory.access, listing: None })
}

/// The flags go to the host as they are: `cap-std`'s own options refuse combinations that POSIX has, such as
/// creating a file that is then only read.
fn open_file(dir: &Dir, request: &OpenRequest) -> Result<File, Errno> {
    let mut flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    flags.set(OFlags::CREATE, request.open.contains(OpenFlags::CREAT));
    flags.set(OFlags::EXCL, request.open.contains(OpenFlags::CREAT | OpenFlags::EXCL));
    flags.set(OFlags::TRUNC, request.open.contains(OpenFlags::TRUNC));
    flags.set(OFlags::APPEND, request.flags.contains(FdFlags::APPEND));
    let write = request.write || request.open.contains(OpenFlags::TRUNC);
    let mut options = OpenOptions::new();
    options.read(request.read || !write).write(write).custom_flags(flags.bits() as i32).follow(if request.follow {
        FollowSymlinks::Yes
    } else {
        FollowSymlinks::No
    });
    Ok(dir.open_with(&request.path, &options)?)
}

/// On a read-only file system, what exists can be opened with `creat`, and what does not exist cannot be made.
fn open_read_only(dir: &Dir, request: &OpenRequest) -> Result<File, Errno> {
    if request.write || request.open.contains(OpenFlags::TRUNC) {
        return Err(Errno::Rofs);
    }
    let plain = OpenRequest { open: OpenFlags::empty(), path: request.path.clone(), ..*request };
    match open_file(dir, &plain) {
        Ok(_) if request.open.contains(OpenFlags::CREAT | OpenFlags::EXCL) => Err(Errno::Exist),
        Err(Errno::Noent) if request.open.contains(OpenFlags::CREAT) => Err(Errno::Rofs),
        other => other,
    }
}

/// witx: "Read the contents of a symbolic link. Note: This is similar to `readlinkat` in POSIX." As there, contents
/// that do not fit are cut.
pub(crate) fn path_readlink(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
    buf: u32,
    buf_len: u32,
    bufused: u32,
) -> Outcome {
    let path = memory.path(path, path_len)?;
    memory.check(bufused, 4)?;
    let directory = ctx.table.directory(fd, Rights::PATH_READLINK)?;
    let target = with_spare(|| directory.dir.read_link(&path))?;
    let target = target.as_os_str().as_bytes();
    let used = memory.check(buf, buf_len.into())?.len().min(target.len());
    memory.write(buf, &target[..used])?;
    Ok(memory.write_u32(bufused, used as u32)?)
}

/// witx: "Remove a directory. Return `errno::notempty` if the directory is not empty."
pub(crate) fn path_remove_directory(
    ctx: &mut WasiCtx,
    memory: GuestMemory<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let path = memory.path(path, path_len)?;
    let directory = ctx.table.writable_directory(fd, Rights::PATH_REMOVE_DIRECTORY)?;
    Ok(with_spare(|| directory.dir.remove_dir(without_slashes(&path)))?)
}

/// witx: "Rename a file or directory. Note: This is similar to `renameat` in POSIX."
pub(crate) fn path_rename(
    ctx: &mut WasiCtx,
    memory: GuestMemory<'_>,
    fd: u32,
    old_path: u32,
    old_path_len: u32,
    new_fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Outcome {
    let old_path = memory.path(old_path, old_path_len)?;
    let new_path = memory.path(new_path, new_path_len)?;
    let old = ctx.table.writable_directory(fd, Rights::PATH_RENAME_SOURCE)?;
    let new = ctx.table.writable_directory(new_fd, Rights::PATH_RENAME_TARGET)?;
    let (old_name, new_name) = (without_slashes(&old_path), without_slashes(&new_path));
    let names_directory = old_name != old_path || new_name != new_path;
    if names_directory && !with_spare(|| old.dir.symlink_metadata(old_name))?.is_dir() {
        return Err(Errno::NotDir.into());
    }
    Ok(with_spare(|| old.dir.rename(old_name, &new.dir, new_name))?)
}

/// witx: "Create a symbolic link. Note: This is similar to `symlinkat` in POSIX." An absolute target is `perm`: it
/// could only lead outside.
pub(crate) fn path_symlink(
    ctx: &mut WasiCtx,
    memory: GuestMemory<'_>,
    old_path: u32,
    old_path_len: u32,
    fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Outcome {
    let old_path = memory.path(old_path, old_path_len)?;
    let new_path = memory.path(new_path, new_path_len)?;
    let directory = ctx.table.writable_directory(fd, Rights::PATH_SYMLINK)?;
    Ok(with_spare(|| directory.dir.symlink(&old_path, &new_path))?)
}

/// witx: "Unlink a file. Return `errno::isdir` if the path refers to a directory."
pub(crate) fn path_unlink_file(
    ctx: &mut WasiCtx,
    memory: GuestMemory<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let path = memory.path(path, path_len)?;
    let directory = ctx.table.writable_directory(fd, Rights::PATH_UNLINK_FILE)?;
    Ok(with_spare(|| directory.dir.remove_file(&path))?)
}

/// A slash or a dot at the end asks for a directory, behind a link if need be. `cap-std` does not always heed it.
fn slash_names_directory(directory: &Directory, path: &str) -> Result<Option<Metadata>, Errno> {
    let mut name = without_slashes(path);
    while let Some(before) = name.strip_suffix("/.").filter(|before| !before.is_empty()) {
        name = without_slashes(before);
    }
    if name == path {
        return Ok(None);
    }
    let metadata = with_spare(|| directory.dir.metadata(name))?;
    if metadata.is_dir() { Ok(Some(metadata)) } else { Err(Errno::NotDir) }
}

/// The name without the slashes at its end, for calls that take a directory anyway.
fn without_slashes(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => path,
        name => name,
    }
}

fn follows(flags: u32) -> Result<bool, Errno> {
    let flags = LookupFlags::from_bits(flags).ok_or(Errno::Inval)?;
    Ok(flags.contains(LookupFlags::SYMLINK_FOLLOW))
}
