//! The code cache: compiled functions of modules, kept between runs in a directory of the user's own.
//!
//! Whatever is in that directory, a module that is loaded runs as if it had been compiled anew: what is damaged,
//! foreign or of another version is passed over, compiled again and written anew. Failing to write is one warning.
//!
//! Entries are not flushed to the disk before they are renamed: that takes longer than all else that a first run does.
//! Should the power fail before the system has written one, its hashes tell.
//!
//! | file | what it is |
//! |---|---|
//! | `secret` | 32 random bytes, readable by their owner only, that keys all hashes |
//! | `*.code` | entries (see `entry`); the name is the first half of what the entry is for |
//! | `*.tmp-*` | files being written; renamed when they are complete, removed when they are old |

pub mod entry;
mod module;

pub use module::CacheStatus;
pub(crate) use module::CachedModule;

use entry::{Contents, Entry, Key, Secret};
use epsilon_runtime::ForkMutex;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Where the cache is and how large it may grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    directory: Option<PathBuf>,
    size_limit_bytes: u64,
    min_code_bytes: usize,
    save_after: Duration,
}

/// The default limit.
const SIZE_LIMIT_BYTES: u64 = 1 << 30;

/// Modules with less code than this compile faster than a file is read.
const MIN_CODE_BYTES: usize = 4 << 10;

/// What compiling has to have taken since the last time for an entry to be written while its module is in use.
const SAVE_AFTER: Duration = Duration::from_millis(500);

/// Temporary files older than this were left behind by a process that was killed.
const STALE: Duration = Duration::from_secs(3600);

/// How exactly the time of last use is kept.
const TOUCH_EVERY: Duration = Duration::from_secs(600);

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            directory: None,
            size_limit_bytes: SIZE_LIMIT_BYTES,
            min_code_bytes: MIN_CODE_BYTES,
            save_after: SAVE_AFTER,
        }
    }
}

impl CacheConfig {
    /// In `EPSILON_CACHE_DIR`, else in the user's cache directory; 1 GiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// In this directory, which is made if it does not exist.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// At most so many bytes; entries that were used least recently go first.
    pub fn size_limit(mut self, bytes: u64) -> Self {
        self.size_limit_bytes = bytes;
        self
    }

    /// Modules with fewer bytes of code are not kept. 4 KiB by default: they compile faster than a file is read.
    pub fn min_code_size(mut self, bytes: usize) -> Self {
        self.min_code_bytes = bytes;
        self
    }

    /// When to write an entry while its module is still in use: each time that compiling has taken so much longer, by the
    /// clock and summed over threads, and at least half as long again as before. A process that is killed loses no more than this. Half a second
    /// by default.
    pub fn save_after(mut self, compiled_for: Duration) -> Self {
        self.save_after = compiled_for;
        self
    }

    fn resolve(&self) -> Option<PathBuf> {
        if let Some(directory) = &self.directory {
            return Some(directory.clone());
        }
        if let Some(directory) = std::env::var_os("EPSILON_CACHE_DIR").filter(|value| !value.is_empty()) {
            return Some(directory.into());
        }
        let base = match std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
            Some(base) => base,
            None if cfg!(target_os = "macos") => std::env::home_dir()?.join("Library/Caches"),
            None => std::env::home_dir()?.join(".cache"),
        };
        Some(base.join("epsilon"))
    }
}

/// A cache of compiled modules.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    secret: Secret,
    size_limit_bytes: u64,
    min_code_bytes: usize,
    save_after: Duration,
    warned: AtomicBool,
    /// An estimate, which serves whatever a panic left of it.
    used: ForkMutex<Used>,
}

/// What is known of how full the cache is, so that not every entry that is written has the directory looked through.
#[derive(Debug, Default)]
struct Used {
    /// What there was when the directory was last looked through; `None` before the first time.
    seen_bytes: Option<u64>,
    /// What has been written since.
    written_bytes: u64,
}

impl Used {
    /// Notes what was written; whether it is time to look: there may be too much, or others may have written as well.
    fn is_due(&mut self, bytes: u64, limit_bytes: u64) -> bool {
        self.written_bytes = self.written_bytes.saturating_add(bytes);
        let Some(seen_bytes) = self.seen_bytes else { return true };
        self.written_bytes > limit_bytes / 64 || seen_bytes.saturating_add(self.written_bytes) > limit_bytes
    }
}

/// An entry as `epsilon cache ls` shows it.
#[derive(Clone, Debug)]
pub struct CacheEntryInfo {
    /// The file.
    pub path: PathBuf,
    /// Size in bytes.
    pub size_bytes: u64,
    /// When it was used last.
    pub last_used: SystemTime,
}

impl Cache {
    /// What [`Config::cache`](crate::Config::cache) takes for a cache in the user's directory: [`CacheConfig::new`].
    ///
    /// # Errors
    /// If a file is named: the settings of a cache are methods of [`CacheConfig`].
    pub fn from_file(path: Option<&Path>) -> crate::Result<CacheConfig> {
        match path {
            None => Ok(CacheConfig::new()),
            Some(path) => Err(crate::Error::misuse(format!(
                "`{}` is not read: set up the cache with the methods of `CacheConfig`",
                path.display()
            ))),
        }
    }

    /// Opens the cache, and makes its directory and secret if they are not there.
    ///
    /// # Errors
    /// If there is no place for it, or the directory or secret could be changed by others.
    pub fn open(config: &CacheConfig) -> io::Result<Self> {
        let directory = config.resolve().ok_or_else(|| io::Error::other("no home directory to keep a cache in"))?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        refuse_foreign(&directory, &fs::metadata(&directory)?)?;
        let secret = read_or_make_secret(&directory)?;
        let CacheConfig { size_limit_bytes, min_code_bytes, save_after, .. } = *config;
        Ok(Self {
            directory,
            secret,
            size_limit_bytes,
            min_code_bytes,
            save_after,
            warned: AtomicBool::new(false),
            used: ForkMutex::default(),
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// A key for artifacts that only this user can make and load.
    pub fn artifact_key(&self) -> crate::ArtifactKey {
        crate::ArtifactKey::new(&self.secret).expect("a secret is long enough")
    }

    fn entry_path(&self, key: &Key) -> PathBuf {
        let name: String = key[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(name + ".code")
    }

    /// The entry for a key, if there is an intact one.
    pub(crate) fn load(&self, key: &Key) -> Option<Entry> {
        let entry = Entry::open(&self.entry_path(key), key, &self.secret).ok()?;
        entry.touch(TOUCH_EVERY);
        Some(entry)
    }

    /// Writes an entry, together with what others have added to it meanwhile. Says whether that worked.
    pub(crate) fn store(&self, key: &Key, contents: &Contents, function_count: usize) -> bool {
        let Err(error) = self.try_store(key, contents, function_count) else { return true };
        if !self.warned.swap(true, Ordering::Relaxed) {
            let directory = self.directory.display();
            eprintln!("epsilon: warning: cannot write to the code cache `{directory}`: {error}; going on without");
        }
        false
    }

    fn try_store(&self, key: &Key, contents: &Contents, function_count: usize) -> io::Result<()> {
        let path = self.entry_path(key);
        let old = Entry::open(&path, key, &self.secret).ok();
        let bytes = entry::to_bytes(contents, old.as_ref(), function_count, key, &self.secret);
        if bytes.len() as u64 > self.size_limit_bytes {
            return Ok(());
        }
        replace(&path, &bytes, 0o600, Flush::Later)?;
        let mut used = self.used.lock_sound();
        if used.is_due(bytes.len() as u64, self.size_limit_bytes) {
            *used = Used { seen_bytes: Some(self.evict()), written_bytes: 0 };
        }
        Ok(())
    }

    /// All entries, the one used last first.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn entries(&self) -> io::Result<Vec<CacheEntryInfo>> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.directory)? {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != "code") {
                continue;
            }
            // Another process may just have removed it.
            if let Ok(metadata) = fs::metadata(&path) {
                let last_used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                entries.push(CacheEntryInfo { path, size_bytes: metadata.len(), last_used });
            }
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.last_used));
        Ok(entries)
    }

    /// Checks every byte of an entry; returns the number of its functions and how many of them are damaged.
    ///
    /// # Errors
    /// If the file cannot be read, or is not an intact entry.
    pub fn verify(&self, info: &CacheEntryInfo) -> io::Result<(usize, usize)> {
        let header = fs::read(&info.path)?;
        let key = header.get(24..56).and_then(|key| Key::try_from(key).ok());
        let key = key.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let entry = Entry::open(&info.path, &key, &self.secret)?;
        Ok((entry.len(), entry.count_damaged()))
    }

    /// Removes all entries; returns how many.
    ///
    /// # Errors
    /// If the directory cannot be read or an entry not be removed.
    pub fn clear(&self) -> io::Result<usize> {
        let entries = self.entries()?;
        for entry in &entries {
            match fs::remove_file(&entry.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(entries.len())
    }

    /// Removes what was used least recently while there is too much, and what killed processes left behind. Returns the
    /// size of what is kept.
    fn evict(&self) -> u64 {
        let (mut total, mut kept): (u64, u64) = (0, 0);
        for entry in self.entries().unwrap_or_default() {
            total = total.saturating_add(entry.size_bytes);
            if total > self.size_limit_bytes {
                let _ = fs::remove_file(&entry.path);
            } else {
                kept = total;
            }
        }
        let Ok(files) = fs::read_dir(&self.directory) else { return kept };
        for file in files.flatten() {
            let stale = |file: &fs::DirEntry| Some(file.metadata().ok()?.modified().ok()?.elapsed().ok()? > STALE);
            if file.file_name().to_string_lossy().contains(".tmp-") && stale(&file) == Some(true) {
                let _ = fs::remove_file(file.path());
            }
        }
        kept
    }
}

/// Refuses what others could have written.
fn refuse_foreign(path: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    let owner = rustix::process::geteuid().as_raw();
    if metadata.uid() != owner {
        return Err(io::Error::other(format!("`{}` belongs to another user", path.display())));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!("`{}` can be written by other users", path.display())));
    }
    Ok(())
}

fn read_or_make_secret(directory: &Path) -> io::Result<Secret> {
    let path = directory.join("secret");
    match read_secret(&path) {
        Ok(secret) => return Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // A damaged secret is made anew; entries made with the old one are then passed over.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => drop(fs::remove_file(&path)),
        Err(error) => return Err(error),
    }
    let mut secret = [0; 32];
    File::open("/dev/urandom").and_then(|mut random| io::Read::read_exact(&mut random, &mut secret))?;
    let temporary = temporary_name(&path);
    write_new(&temporary, &secret, 0o600, Flush::Later)?;
    // A link fails where a rename would replace: if another process was faster, its secret holds.
    let linked = fs::hard_link(&temporary, &path);
    fs::remove_file(&temporary)?;
    match linked {
        Ok(()) => Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_secret(&path),
        Err(error) => Err(error),
    }
}

fn read_secret(path: &Path) -> io::Result<Secret> {
    read_opened_secret(File::open(path)?, path)
}

fn read_opened_secret(mut file: File, path: &Path) -> io::Result<Secret> {
    // Of what was opened: what has the name now may be something else.
    let metadata = file.metadata()?;
    refuse_foreign(path, &metadata)?;
    if metadata.mode() & 0o077 != 0 {
        // A process that knows it can make code that this user runs. Nothing is lost with a new one: entries are made again.
        let reason = format!("`{}` can be read by other users; remove it, and a new one is made", path.display());
        return Err(io::Error::other(reason));
    }
    let mut secret = [0; 32];
    io::Read::read_exact(&mut file, &mut secret)?;
    // What a file system may leave of a file that it had no time to write.
    if secret == [0; 32] {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(secret)
}

fn temporary_name(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let (process, n) = (std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp-{process}-{n}-{nanos}"));
    name.into()
}

/// When a file's contents are on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    /// Before anybody sees it.
    Now,
    /// When the system gets to it: for what is checked whenever it is read.
    Later,
}

fn write_new(path: &Path, bytes: &[u8], mode: u32, flush: Flush) -> io::Result<()> {
    // Writing more than the process may (`ulimit -f`) would send it SIGXFSZ, which ends it.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    if limit.is_some_and(|limit| limit < bytes.len() as u64) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    if flush == Flush::Now { file.sync_data() } else { Ok(()) }
}

/// Writes a file so that others see all of it or nothing, whatever happens.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace(path, bytes, mode, Flush::Now)
}

/// Writes a file so that other processes see all of it or nothing.
fn replace(path: &Path, bytes: &[u8], mode: u32, flush: Flush) -> io::Result<()> {
    let temporary = temporary_name(path);
    let written = write_new(&temporary, bytes, mode, flush).and_then(|()| fs::rename(&temporary, path));
    // A file that was there already is somebody else's.
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_is_what_was_opened() {
        let directory = std::env::temp_dir().join(format!("epsilon-secret-{}", std::process::id()));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).expect("a directory");
        let path = directory.join("secret");
        write_new(&path, &[1; 32], 0o666, Flush::Later).expect("written");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("permissions");
        let opened = File::open(&path).expect("opened");
        fs::remove_file(&path).expect("removed");
        write_new(&path, &[2; 32], 0o600, Flush::Later).expect("written");
        read_opened_secret(opened, &path).expect_err("others can read what was opened");
        assert_eq!(read_secret(&path).expect("the next one is good"), [2; 32]);
        fs::remove_dir_all(&directory).expect("removed");
    }

    #[test]
    fn the_directory_is_looked_through_when_it_may_be_full() {
        let mut used = Used::default();
        assert!(used.is_due(10, 6400), "the first time");
        let mut used = Used { seen_bytes: Some(1000), written_bytes: 0 };
        assert!((0..10).all(|_| !used.is_due(10, 6400)) && used.is_due(10, 6400), "others may have written too");
        let mut used = Used { seen_bytes: Some(6350), written_bytes: 0 };
        assert!((0..5).all(|_| !used.is_due(10, 6400)) && used.is_due(10, 6400), "it is full");
    }
}
