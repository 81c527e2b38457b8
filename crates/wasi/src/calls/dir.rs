//! `fd_readdir`, `fd_prestat_get`, `fd_prestat_dir_name`.
//!
//! How a directory is listed is in `world/directory`.

use std::os::fd::AsFd;

use crate::wire::errno::{Errno, Outcome};
use crate::wire::memory::GuestMemory;
use crate::wire::types::Rights;
use crate::world::ctx::WasiCtx;
use crate::world::directory::{Directory, Entry};
use crate::world::table::Kind;

/// ```text
/// 0 d_next u64   8 d_ino u64   16 d_namlen u32   20 d_type u8   24 the name
/// ```
const HEADER_BYTES: usize = 24;

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
