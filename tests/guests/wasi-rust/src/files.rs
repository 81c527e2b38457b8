//! Files: opening, reading, writing, positions, sizes.

use crate::errno::*;
use crate::{cases, code, host};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};

cases! {
    whole_files appending creating_new truncating options_without_access read_only_handles write_only_handles
    seeking seeking_before_the_start vectored_writes vectored_reads set_len sparse_copies many_small_writes
    lines_of_a_file copying synchronising handles_are_independent empty_reads interleaved_reads_and_writes
    unlinked_files read_to_end_from_the_middle closing_reuses_numbers
}

/// POSIX `open` with creation and truncation, `write`, `read`.
fn whole_files() {
    fs::write("/new", b"first contents, longer").unwrap();
    fs::write("/new", b"second").unwrap();
    assert_eq!(fs::read_to_string("/new").unwrap(), "second");
    host!("file new second");
}

/// fdflags `append`: "Data written to the file is always appended to the file's end."
fn appending() {
    let mut a = OpenOptions::new().append(true).open("/digits").unwrap();
    let mut b = OpenOptions::new().append(true).open("/digits").unwrap();
    a.write_all(b"a").unwrap();
    b.write_all(b"b").unwrap();
    a.write_all(b"c").unwrap();
    assert_eq!(a.stream_position().unwrap(), 13);
    host!("file digits 0123456789abc");
}

/// oflags `excl`: "Fail if file already exists."
fn creating_new() {
    assert_eq!(code(File::create_new("/digits")), EXIST);
    assert_eq!(code(File::create_new("/link")), EXIST);
    assert_eq!(code(File::create_new("/dangling")), EXIST);
    File::create_new("/new").unwrap().write_all(b"x").unwrap();
    host!("file new x");
    host!("none nowhere");
}

/// oflags `trunc`: "Truncate file to size 0."
fn truncating() {
    let file = OpenOptions::new().write(true).truncate(true).open("/digits").unwrap();
    assert_eq!(file.metadata().unwrap().len(), 0);
    assert_eq!(code(OpenOptions::new().write(true).truncate(true).open("/dir")), ISDIR);
    host!("file digits ");
}

/// Neither reading nor writing, and creation without writing: refused before the host is asked.
fn options_without_access() {
    assert!(OpenOptions::new().open("/digits").is_err());
    assert!(OpenOptions::new().read(true).create(true).open("/new").is_err());
    host!("none new");
}

/// POSIX `write`: "[EBADF] The fildes argument is not a valid file descriptor open for writing."
fn read_only_handles() {
    let mut file = File::open("/digits").unwrap();
    let error = code(file.write(b"x"));
    assert!([BADF, NOTCAPABLE].contains(&error), "{error}");
    assert!(file.set_len(3).is_err());
    host!("file digits 0123456789");
}

/// POSIX `read`: "[EBADF] The fildes argument is not a valid file descriptor open for reading."
fn write_only_handles() {
    let mut file = OpenOptions::new().write(true).open("/digits").unwrap();
    let error = code(file.read(&mut [0; 4]));
    assert!([BADF, NOTCAPABLE].contains(&error), "{error}");
}

/// whence `set`, `cur`, `end`.
fn seeking() {
    let mut file = File::open("/digits").unwrap();
    let mut byte = [0];
    for (to, position, digit) in
        [(SeekFrom::Start(7), 7, b'7'), (SeekFrom::Current(-3), 5, b'5'), (SeekFrom::End(-1), 9, b'9')]
    {
        assert_eq!(file.seek(to).unwrap(), position);
        file.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], digit);
    }
    assert_eq!(file.seek(SeekFrom::End(100)).unwrap(), 110);
    assert_eq!(file.read(&mut byte).unwrap(), 0);
}

/// POSIX `lseek`: "[EINVAL] [...] the resulting file offset would be negative".
fn seeking_before_the_start() {
    let mut file = File::open("/digits").unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    assert_eq!(code(file.seek(SeekFrom::Current(-5))), INVAL);
    assert_eq!(code(file.seek(SeekFrom::End(-11))), INVAL);
    assert_eq!(code(file.seek(SeekFrom::End(i64::MIN))), INVAL);
    assert_eq!(file.stream_position().unwrap(), 4);
}

/// `fd_write` with several buffers.
fn vectored_writes() {
    let mut file = File::create("/new").unwrap();
    let pieces = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bcd"), IoSlice::new(b"ef")];
    assert_eq!(file.write_vectored(&pieces).unwrap(), 6);
    let many = vec![IoSlice::new(b"."); 1000];
    assert_eq!(file.write_vectored(&many).unwrap(), 1000);
    host!("size new 1006");
}

/// `fd_read` with several buffers.
fn vectored_reads() {
    let mut file = File::open("/digits").unwrap();
    let (mut a, mut b) = ([0; 4], [0; 20]);
    let count = file.read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]).unwrap();
    assert_eq!((count, &a, &b[..6]), (10, b"0123", &b"456789"[..]));
}

/// `fd_filestat_set_size`: "If this increases the file's size, the extra bytes are filled with zeros."
fn set_len() {
    let mut file = OpenOptions::new().read(true).write(true).open("/digits").unwrap();
    file.set_len(4).unwrap();
    file.set_len(40).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, [&b"0123"[..], &[0; 36]].concat());
    host!("size digits 40");
    host!("zeros digits 4 40");
}

/// A hole is read as zeros.
fn sparse_copies() {
    let mut file = File::create("/sparse").unwrap();
    file.seek(SeekFrom::Start(200_000)).unwrap();
    file.write_all(b"tail").unwrap();
    drop(file);
    assert_eq!(fs::copy("/sparse", "/copy").unwrap(), 200_004);
    host!("zeros copy 0 200000");
    host!("size copy 200004");
}

/// Ten thousand writes of one line.
fn many_small_writes() {
    let mut file = File::create("/new").unwrap();
    for i in 0..10_000 {
        file.write_all(format!("{i:05}\n").as_bytes()).unwrap();
    }
    host!("size new 60000");
}

/// Buffered reading finds each line once.
fn lines_of_a_file() {
    let mut out = BufWriter::new(File::create("/new").unwrap());
    for i in 0..5000 {
        writeln!(out, "line {i}").unwrap();
    }
    out.flush().unwrap();
    let lines = BufReader::with_capacity(100, File::open("/new").unwrap()).lines();
    assert!(lines.enumerate().all(|(i, line)| line.unwrap() == format!("line {i}")));
}

/// `fs::copy` onto an existing file replaces its contents.
fn copying() {
    assert_eq!(fs::copy("/hello", "/digits").unwrap(), 13);
    assert_eq!(fs::copy("/fixed/note", "/note").unwrap(), 6);
    assert_eq!(code(fs::copy("/hello", "/fixed/hello")), ROFS);
    assert_eq!(code(fs::copy("/missing", "/new")), NOENT);
    host!("file digits hello, world\\n");
    host!("file note fixed\\n");
    host!("none new");
}

/// `fd_sync`, `fd_datasync`.
fn synchronising() {
    let mut file = File::create("/new").unwrap();
    file.write_all(b"safe").unwrap();
    file.sync_data().unwrap();
    file.sync_all().unwrap();
    File::open("/dir").unwrap().sync_all().unwrap();
    host!("file new safe");
}

/// Two openings of a file share its contents and not the position.
fn handles_are_independent() {
    let (mut a, mut b) = (OpenOptions::new().write(true).open("/digits").unwrap(), File::open("/digits").unwrap());
    a.write_all(b"abc").unwrap();
    let mut text = [0; 5];
    b.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"abc34");
    a.write_all(b"de").unwrap();
    host!("file digits abcde56789");
}

/// At the end, and into no room, nothing is read.
fn empty_reads() {
    let mut file = File::open("/empty").unwrap();
    assert_eq!(file.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(file.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(File::open("/digits").unwrap().read(&mut []).unwrap(), 0);
}

/// One position serves both.
fn interleaved_reads_and_writes() {
    let mut file = OpenOptions::new().read(true).write(true).open("/digits").unwrap();
    let mut two = [0; 2];
    for mark in *b"xyz" {
        file.read_exact(&mut two).unwrap();
        file.write_all(&[mark]).unwrap();
    }
    assert_eq!(&two, b"67");
    host!("file digits 01x34y67z9");
}

/// A file that has lost its name can be used until it is closed.
fn unlinked_files() {
    let mut file = OpenOptions::new().read(true).write(true).open("/digits").unwrap();
    fs::remove_file("/digits").unwrap();
    fs::write("/digits", "another").unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "0123456789");
    host!("file digits another");
}

/// The rest of a file from a position.
fn read_to_end_from_the_middle() {
    let mut file = File::open("/hello").unwrap();
    file.seek(SeekFrom::Start(7)).unwrap();
    let mut text = String::new();
    assert_eq!(file.read_to_string(&mut text).unwrap(), 6);
    assert_eq!(text, "world\n");
}

/// Opening and closing more often than there are descriptors.
fn closing_reuses_numbers() {
    use std::os::fd::AsRawFd;
    let first = File::open("/digits").unwrap().as_raw_fd();
    for _ in 0..5000 {
        assert_eq!(File::open("/digits").unwrap().as_raw_fd(), first);
    }
}
