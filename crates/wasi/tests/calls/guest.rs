//! A guest made of bytes: a context, a memory, and every call by name.
//!
//! Calls go through the public table with words as arguments, as they would from a module. The typed ones here put
//! arguments into the memory and take results out of it, and do nothing else.

use std::collections::HashMap;
use std::path::PathBuf;

use epsilon_wasi::{
    Access, Call, Captured, Errno, Exit, GuestMemory, OutputStream, Version, WasiCtx, WasiCtxBuilder, calls, errno_of,
};
use tempfile::TempDir;

/// The directory that every guest has.
pub const ROOT: u32 = 3;
pub const MEMORY_BYTES: usize = 1 << 20;
/// Arguments and results are put from here on, upwards.
const SCRATCH: u32 = 1024;

pub const READ: u64 = 1 << 1;
pub const WRITE: u64 = 1 << 6;
pub const RW: u64 = READ | WRITE;

pub const CREAT: u64 = 1;
pub const DIRECTORY: u64 = 2;
pub const EXCL: u64 = 4;
pub const TRUNC: u64 = 8;

pub const APPEND: u64 = 1;
pub const NONBLOCK: u64 = 4;

pub const SET: u64 = 0;
pub const CUR: u64 = 1;
pub const END: u64 = 2;

pub type Result<T> = std::result::Result<T, Errno>;

pub struct Guest {
    pub ctx: WasiCtx,
    pub memory: Vec<u8>,
    pub version: Version,
    pub out: Captured,
    pub err: Captured,
    root: TempDir,
    table: HashMap<&'static str, Call>,
    next: u32,
}

/// A `filestat` record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub filetype: u8,
    pub nlink: u64,
    pub size: u64,
    pub atim: u64,
    pub mtim: u64,
    pub ctim: u64,
}

/// An `fdstat` record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdStat {
    pub filetype: u8,
    pub flags: u16,
    pub base: u64,
    pub inheriting: u64,
}

/// A directory entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub next: u64,
    pub ino: u64,
    pub filetype: u8,
    pub name: String,
}

impl Guest {
    /// A guest with a fresh directory as descriptor 3.
    pub fn new() -> Guest {
        Guest::with(|_| {})
    }

    /// The same with more in its context.
    pub fn with(more: impl FnOnce(&mut WasiCtxBuilder)) -> Guest {
        Guest::built(Version::Preview1, Access::ReadWrite, more)
    }

    pub fn built(version: Version, access: Access, more: impl FnOnce(&mut WasiCtxBuilder)) -> Guest {
        let root = TempDir::new().expect("a temporary directory");
        let (out, err) = (Captured::new(), Captured::new());
        let mut builder = WasiCtx::builder();
        builder.stdout(OutputStream::captured(out.clone())).stderr(OutputStream::captured(err.clone()));
        builder.directory(root.path(), "/", access).expect("the directory is there");
        more(&mut builder);
        let ctx = builder.build();
        let table = calls(version).into_iter().map(|call| (call.name, call)).collect();
        Guest { ctx, memory: vec![0; MEMORY_BYTES], version, out, err, root, table, next: SCRATCH }
    }

    /// The host's path of something below the directory.
    pub fn host(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn host_read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.host(name)).expect("the host reads what the guest wrote")
    }

    pub fn host_write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.host(name), bytes).expect("the host writes");
    }

    pub fn host_mkdir(&self, name: &str) {
        std::fs::create_dir_all(self.host(name)).expect("the host makes a directory");
    }

    pub fn host_symlink(&self, target: &str, name: &str) {
        std::os::unix::fs::symlink(target, self.host(name)).expect("the host makes a link");
    }

    /// One call; an end of the guest is a mistake of the test.
    pub fn call(&mut self, name: &str, args: &[u64]) -> Result<()> {
        self.call_or_exit(name, args).expect("the guest goes on")
    }

    pub fn call_or_exit(&mut self, name: &str, args: &[u64]) -> std::result::Result<Result<()>, Exit> {
        self.next = SCRATCH;
        let call = self.table[name];
        assert_eq!(call.params.len(), args.len(), "{name} takes {:?}", call.params);
        let outcome = call.run(self.version, &mut self.ctx, GuestMemory::new(&mut self.memory), args);
        errno_of(outcome).map(|code| match code {
            0 => Ok(()),
            code => Err(Errno::ALL[code as usize - 1]),
        })
    }

    /// Room for an argument or a result of the next call.
    pub fn room(&mut self, len_bytes: usize) -> u64 {
        let at = self.next;
        self.next += len_bytes.next_multiple_of(8) as u32;
        assert!((self.next as usize) < self.memory.len(), "the test's memory is too small");
        at.into()
    }

    /// Bytes in memory, as address and length.
    pub fn bytes(&mut self, bytes: &[u8]) -> (u64, u64) {
        let at = self.room(bytes.len());
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        (at, bytes.len() as u64)
    }

    /// A list of buffers in memory, as address and count.
    pub fn iovs(&mut self, buffers: &[(u64, u64)]) -> (u64, u64) {
        let words: Vec<u8> = buffers
            .iter()
            .flat_map(|(at, len)| [(*at as u32).to_le_bytes(), (*len as u32).to_le_bytes()].concat())
            .collect();
        (self.bytes(&words).0, buffers.len() as u64)
    }

    pub fn u16_at(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.memory[at as usize..at as usize + 2].try_into().unwrap())
    }

    pub fn u32_at(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.memory[at as usize..at as usize + 4].try_into().unwrap())
    }

    pub fn u64_at(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.memory[at as usize..at as usize + 8].try_into().unwrap())
    }

    pub fn slice(&self, at: u64, len: u64) -> &[u8] {
        &self.memory[at as usize..(at + len) as usize]
    }
}

/// The calls, typed.
impl Guest {
    pub fn open(&mut self, path: &str, oflags: u64, rights: u64) -> Result<u32> {
        self.open_at(ROOT, 1, path, oflags, rights, 0)
    }

    pub fn open_nofollow(&mut self, path: &str, oflags: u64, rights: u64) -> Result<u32> {
        self.open_at(ROOT, 0, path, oflags, rights, 0)
    }

    pub fn open_flags(&mut self, path: &str, oflags: u64, rights: u64, fdflags: u64) -> Result<u32> {
        self.open_at(ROOT, 1, path, oflags, rights, fdflags)
    }

    pub fn open_at(&mut self, fd: u32, look: u64, path: &str, oflags: u64, rights: u64, fdflags: u64) -> Result<u32> {
        let (ptr, len) = self.bytes(path.as_bytes());
        let out = self.room(4);
        self.call("path_open", &[fd.into(), look, ptr, len, oflags, rights, rights, fdflags, out])?;
        Ok(self.u32_at(out))
    }

    /// Makes a file with these contents, through the guest.
    pub fn create(&mut self, path: &str, bytes: &[u8]) {
        let fd = self.open(path, CREAT | TRUNC, RW).expect("a file can be made");
        assert_eq!(self.write(fd, bytes), Ok(bytes.len() as u32));
        self.close(fd).expect("a file can be closed");
    }

    pub fn close(&mut self, fd: u32) -> Result<()> {
        self.call("fd_close", &[fd.into()])
    }

    pub fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<u32> {
        let buffer = self.bytes(bytes);
        let (iovs, count) = self.iovs(&[buffer]);
        let out = self.room(4);
        self.call("fd_write", &[fd.into(), iovs, count, out])?;
        Ok(self.u32_at(out))
    }

    pub fn pwrite(&mut self, fd: u32, bytes: &[u8], offset: u64) -> Result<u32> {
        let buffer = self.bytes(bytes);
        let (iovs, count) = self.iovs(&[buffer]);
        let out = self.room(4);
        self.call("fd_pwrite", &[fd.into(), iovs, count, offset, out])?;
        Ok(self.u32_at(out))
    }

    pub fn read(&mut self, fd: u32, len: u64) -> Result<Vec<u8>> {
        let at = self.room(len as usize);
        let (iovs, count) = self.iovs(&[(at, len)]);
        let out = self.room(4);
        self.call("fd_read", &[fd.into(), iovs, count, out])?;
        Ok(self.slice(at, self.u32_at(out).into()).to_vec())
    }

    pub fn pread(&mut self, fd: u32, len: u64, offset: u64) -> Result<Vec<u8>> {
        let at = self.room(len as usize);
        let (iovs, count) = self.iovs(&[(at, len)]);
        let out = self.room(4);
        self.call("fd_pread", &[fd.into(), iovs, count, offset, out])?;
        Ok(self.slice(at, self.u32_at(out).into()).to_vec())
    }

    pub fn seek(&mut self, fd: u32, offset: i64, whence: u64) -> Result<u64> {
        let out = self.room(8);
        self.call("fd_seek", &[fd.into(), offset as u64, whence, out])?;
        Ok(self.u64_at(out))
    }

    pub fn tell(&mut self, fd: u32) -> Result<u64> {
        let out = self.room(8);
        self.call("fd_tell", &[fd.into(), out])?;
        Ok(self.u64_at(out))
    }

    pub fn fdstat(&mut self, fd: u32) -> Result<FdStat> {
        let out = self.room(24);
        self.call("fd_fdstat_get", &[fd.into(), out])?;
        Ok(FdStat {
            filetype: self.memory[out as usize],
            flags: self.u16_at(out + 2),
            base: self.u64_at(out + 8),
            inheriting: self.u64_at(out + 16),
        })
    }

    pub fn set_flags(&mut self, fd: u32, flags: u64) -> Result<()> {
        self.call("fd_fdstat_set_flags", &[fd.into(), flags])
    }

    pub fn stat(&mut self, fd: u32) -> Result<Stat> {
        let out = self.room(64);
        self.call("fd_filestat_get", &[fd.into(), out])?;
        Ok(self.stat_at(out))
    }

    pub fn path_stat(&mut self, path: &str, look: u64) -> Result<Stat> {
        let (ptr, len) = self.bytes(path.as_bytes());
        let out = self.room(64);
        self.call("path_filestat_get", &[ROOT.into(), look, ptr, len, out])?;
        Ok(self.stat_at(out))
    }

    fn stat_at(&self, at: u64) -> Stat {
        let (nlink, rest) = match self.version {
            Version::Preview1 => (self.u64_at(at + 24), at + 32),
            Version::Unstable => (self.u32_at(at + 20).into(), at + 24),
        };
        Stat {
            dev: self.u64_at(at),
            ino: self.u64_at(at + 8),
            filetype: self.memory[at as usize + 16],
            nlink,
            size: self.u64_at(rest),
            atim: self.u64_at(rest + 8),
            mtim: self.u64_at(rest + 16),
            ctim: self.u64_at(rest + 24),
        }
    }

    /// A call whose only argument beside the directory is a name.
    pub fn on_path(&mut self, call: &str, path: &str) -> Result<()> {
        let (ptr, len) = self.bytes(path.as_bytes());
        self.call(call, &[ROOT.into(), ptr, len])
    }

    pub fn mkdir(&mut self, path: &str) -> Result<()> {
        self.on_path("path_create_directory", path)
    }

    pub fn rmdir(&mut self, path: &str) -> Result<()> {
        self.on_path("path_remove_directory", path)
    }

    pub fn unlink(&mut self, path: &str) -> Result<()> {
        self.on_path("path_unlink_file", path)
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Result<()> {
        let ((old, old_len), (new, new_len)) = (self.bytes(old.as_bytes()), self.bytes(new.as_bytes()));
        self.call("path_rename", &[ROOT.into(), old, old_len, ROOT.into(), new, new_len])
    }

    pub fn link(&mut self, old: &str, look: u64, new: &str) -> Result<()> {
        let ((old, old_len), (new, new_len)) = (self.bytes(old.as_bytes()), self.bytes(new.as_bytes()));
        self.call("path_link", &[ROOT.into(), look, old, old_len, ROOT.into(), new, new_len])
    }

    pub fn symlink(&mut self, target: &str, name: &str) -> Result<()> {
        let ((old, old_len), (new, new_len)) = (self.bytes(target.as_bytes()), self.bytes(name.as_bytes()));
        self.call("path_symlink", &[old, old_len, ROOT.into(), new, new_len])
    }

    pub fn readlink(&mut self, path: &str, room: u64) -> Result<String> {
        let (ptr, len) = self.bytes(path.as_bytes());
        let (buf, out) = (self.room(room as usize), self.room(4));
        self.call("path_readlink", &[ROOT.into(), ptr, len, buf, room, out])?;
        Ok(String::from_utf8(self.slice(buf, self.u32_at(out).into()).to_vec()).expect("a link is text"))
    }

    /// One `fd_readdir`: the bytes it used.
    pub fn readdir(&mut self, fd: u32, room: u64, cookie: u64) -> Result<Vec<u8>> {
        let (buf, out) = (self.room(room as usize), self.room(4));
        self.call("fd_readdir", &[fd.into(), buf, room, cookie, out])?;
        Ok(self.slice(buf, self.u32_at(out).into()).to_vec())
    }

    /// A whole listing the way a C library does it: again from the last whole entry until a buffer is not filled.
    pub fn list(&mut self, fd: u32, room: u64, mut cookie: u64) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        loop {
            let bytes = self.readdir(fd, room, cookie)?;
            let whole = whole_entries(&bytes);
            cookie = whole.last().map_or(cookie, |entry| entry.next);
            assert!(!whole.is_empty() || bytes.len() < room as usize, "a buffer of {room} bytes holds no entry");
            entries.extend(whole);
            if bytes.len() < room as usize {
                return Ok(entries);
            }
        }
    }

    pub fn names(&mut self, fd: u32) -> Vec<String> {
        let mut names: Vec<_> = self.list(fd, 4096, 0).unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }
}

/// The entries in a buffer that are not cut.
pub fn whole_entries(mut bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while bytes.len() >= 24 {
        let len = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
        let Some(name) = bytes.get(24..24 + len) else { break };
        entries.push(Entry {
            next: u64::from_le_bytes(bytes[0..8].try_into().unwrap()),
            ino: u64::from_le_bytes(bytes[8..16].try_into().unwrap()),
            filetype: bytes[20],
            name: String::from_utf8(name.to_vec()).unwrap(),
        });
        bytes = &bytes[24 + len..];
    }
    entries
}
