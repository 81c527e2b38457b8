//! Attributes and times.

use crate::errno::*;
use crate::{cases, code, host};
use std::fs::{self, File, FileTimes, OpenOptions};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

cases! {
    kinds sizes links_and_their_targets missing_attributes times_to_the_nanosecond modification_moves
    times_before_and_after times_of_read_only_files handles_and_names_agree identities
}

/// witx `filetype`.
fn kinds() {
    assert!(fs::metadata("/hello").unwrap().is_file());
    assert!(fs::metadata("/dir").unwrap().is_dir());
    assert!(fs::metadata("/dirlink").unwrap().is_dir());
    assert!(fs::symlink_metadata("/dirlink").unwrap().is_symlink());
    assert!(fs::symlink_metadata("/loop").unwrap().is_symlink());
}

/// filestat `size`: "For regular files, the file size in bytes. For symbolic links, the length in bytes of the
/// pathname contained in the symbolic link."
fn sizes() {
    assert_eq!(fs::metadata("/hello").unwrap().len(), 13);
    assert_eq!(fs::metadata("/empty").unwrap().len(), 0);
    assert_eq!(fs::symlink_metadata("/link").unwrap().len(), 5);
    assert_eq!(fs::metadata("/link").unwrap().len(), 13);
    assert_eq!(fs::symlink_metadata("/dangling").unwrap().len(), 7);
}

/// lookupflags `symlink_follow`.
fn links_and_their_targets() {
    assert_eq!(code(fs::metadata("/dangling")), NOENT);
    assert_eq!(code(fs::metadata("/loop")), LOOP);
    assert_eq!(code(fs::metadata("/out")), PERM);
    assert_eq!(code(fs::metadata("/abs")), PERM);
    assert_eq!(code(fs::metadata("/outdir/secret")), PERM);
}

/// POSIX `stat`: ENOENT and ENOTDIR.
fn missing_attributes() {
    assert_eq!(code(fs::metadata("/missing")), NOENT);
    assert_eq!(code(fs::metadata("/hello/x")), NOTDIR);
    assert!(!fs::exists("/missing").unwrap());
    assert!(fs::exists("/dir/inner").unwrap());
}

/// `fd_filestat_set_times`; timestamps are "in nanoseconds".
fn times_to_the_nanosecond() {
    let time = UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    let file = OpenOptions::new().write(true).open("/digits").unwrap();
    file.set_times(FileTimes::new().set_modified(time).set_accessed(UNIX_EPOCH)).unwrap();
    assert_eq!(file.metadata().unwrap().modified().unwrap(), time);
    assert_eq!(file.metadata().unwrap().accessed().unwrap(), UNIX_EPOCH);
    host!("mtime digits 1234567890123456789");
}

/// filestat `mtim`: "Last data modification timestamp."
fn modification_moves() {
    let file = OpenOptions::new().write(true).open("/digits").unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    fs::write("/digits", "newer").unwrap();
    let modified = fs::metadata("/digits").unwrap().modified().unwrap();
    let age = SystemTime::now().duration_since(modified).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
}

/// From 1970 to the year 2100.
fn times_before_and_after() {
    let file = OpenOptions::new().write(true).open("/digits").unwrap();
    for seconds in [0, 1, 0x7fff_ffff, 0x8000_0000, 4_102_444_800] {
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
        assert_eq!(fs::metadata("/digits").unwrap().modified().unwrap(), time);
    }
    host!("mtime digits 4102444800000000000");
}

/// Below a read-only directory no time changes.
fn times_of_read_only_files() {
    let file = File::open("/fixed/note").unwrap();
    assert_eq!(code(file.set_modified(UNIX_EPOCH)), ROFS);
}

/// By descriptor and by name, attributes are the same.
fn handles_and_names_agree() {
    for name in ["/hello", "/dir", "/fixed/note"] {
        let (a, b) = (File::open(name).unwrap().metadata().unwrap(), fs::metadata(name).unwrap());
        assert_eq!((a.len(), a.file_type(), a.modified().unwrap()), (b.len(), b.file_type(), b.modified().unwrap()));
    }
}

/// A copy is another file than what it was copied from, though all else may agree; a rename is the same.
fn identities() {
    let modified = fs::metadata("/digits").unwrap().modified().unwrap();
    fs::rename("/digits", "/moved").unwrap();
    assert_eq!(fs::metadata("/moved").unwrap().modified().unwrap(), modified);
    host!("file moved 0123456789");
}
