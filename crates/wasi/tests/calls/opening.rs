//! `path_open`.

use epsilon_wasi::{Errno, Limits};

use crate::guest::*;

/// witx `oflags`: creat, directory, excl, trunc; POSIX `open` for their meaning.
#[test]
fn each_combination_of_flags() {
    let cases: &[(&str, u64, Result<()>)] = &[
        ("missing", 0, Err(Errno::Noent)),
        ("missing", TRUNC, Err(Errno::Noent)),
        ("missing", DIRECTORY, Err(Errno::Noent)),
        ("new", CREAT, Ok(())),
        ("new", CREAT | EXCL, Err(Errno::Exist)),
        ("newer", CREAT | EXCL, Ok(())),
        ("newest", CREAT | TRUNC, Ok(())),
        ("file", EXCL, Ok(())),
        ("file", DIRECTORY, Err(Errno::NotDir)),
        ("dir", DIRECTORY, Ok(())),
        ("dir", CREAT | DIRECTORY, Err(Errno::Inval)),
        ("dir", TRUNC | DIRECTORY, Err(Errno::Inval)),
        ("dir", EXCL | DIRECTORY, Err(Errno::Inval)),
        ("dir", CREAT | EXCL, Err(Errno::Exist)),
        ("missing/file", CREAT, Err(Errno::Noent)),
        ("file/file", CREAT, Err(Errno::NotDir)),
        ("file", 16, Err(Errno::Inval)),
        ("file", 0x10000, Err(Errno::Inval)),
    ];
    let mut guest = Guest::new();
    guest.host_write("file", "data");
    guest.host_mkdir("dir");
    for (path, oflags, result) in cases {
        assert_eq!(guest.open(path, *oflags, READ).map(drop), *result, "{path} with {oflags:#x}");
    }
    assert_eq!(guest.host_read("file"), b"data");
    assert_eq!(guest.host_read("newer"), b"");
}

/// The witx reading of rights: "The implementation is allowed to return a file descriptor with fewer rights than
/// specified, if and only if those rights do not apply to the type of file being opened."
#[test]
fn directories_open_for_reading_only() {
    let mut guest = Guest::new();
    guest.host_mkdir("dir");
    let fd = guest.open("dir", DIRECTORY, READ).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().base & RW, 0);
    assert_eq!(guest.open("dir", DIRECTORY, RW), Err(Errno::IsDir), "POSIX open: [EISDIR]");
    assert_eq!(guest.open("dir", DIRECTORY, WRITE), Err(Errno::IsDir));
    assert_eq!(guest.open(".", DIRECTORY, RW), Err(Errno::IsDir));
    let had = guest.fdstat(ROOT).unwrap();
    guest.open_at(ROOT, 0, ".", DIRECTORY, had.base, 0).expect("what a directory has is no reason to refuse it");
    let fd = guest.open("dir", 0, READ).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().filetype, 3);
    assert_eq!(guest.open("dir", 0, RW), Err(Errno::IsDir), "POSIX open: [EISDIR]");
    assert_eq!(guest.open("dir", TRUNC, READ), Err(Errno::IsDir));
}

#[test]
fn truncating_empties() {
    let mut guest = Guest::new();
    for rights in [READ, WRITE, RW, 0] {
        guest.host_write("file", "data");
        let fd = guest.open("file", TRUNC, rights).unwrap();
        assert_eq!(guest.stat(fd).unwrap().size, 0);
        assert_eq!(guest.host_read("file"), b"");
    }
    guest.host_write("file", "data");
    let fd = guest.open_flags("file", TRUNC, RW, APPEND).unwrap();
    guest.write(fd, b"x").unwrap();
    assert_eq!(guest.host_read("file"), b"x");
}

/// A file made by opening it to read is there, empty, and cannot be written through that descriptor.
#[test]
fn creating_to_read() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, READ).unwrap();
    assert_eq!(guest.read(fd, 10), Ok(vec![]));
    assert_eq!(guest.write(fd, b"x"), Err(Errno::Badf));
    assert_eq!(guest.host_read("file"), b"");
}

/// witx `path_open`: paths are below the directory; what leads out of it is refused.
#[test]
fn names_stay_below_the_directory() {
    let cases = [
        ("dir/nested/file", Ok(())),
        ("./dir/./nested/./file", Ok(())),
        ("dir/nested/../nested/file", Ok(())),
        ("dir//nested///file", Ok(())),
        ("dir/.", Ok(())),
        ("dir/nested/..", Ok(())),
        (".", Ok(())),
        ("dir/..", Ok(())),
        ("dir/nested/file/.", Err(Errno::NotDir)),
        ("dir/nested/file/", Err(Errno::NotDir)),
        ("dir/nested/file/..", Err(Errno::NotDir)),
        ("missing/..", Err(Errno::Noent)),
        ("..", Err(Errno::Perm)),
        ("dir/../..", Err(Errno::Perm)),
        ("dir/nested/../../../dir", Err(Errno::Perm)),
        ("/dir/nested/file", Err(Errno::Perm)),
        ("/", Err(Errno::Perm)),
        ("/etc/passwd", Err(Errno::Perm)),
        ("", Err(Errno::Noent)),
        ("dir\0", Err(Errno::Inval)),
    ];
    let mut guest = Guest::new();
    guest.host_mkdir("dir/nested");
    guest.host_write("dir/nested/file", "");
    for (path, result) in cases {
        assert_eq!(guest.open(path, 0, READ).map(drop), result, "{path:?}");
        assert_eq!(guest.path_stat(path, 1).map(drop), result, "{path:?}, its attributes");
    }
}

#[test]
fn names_are_text_of_bounded_length() {
    let mut guest = Guest::new();
    let long = "a".repeat(5000);
    assert_eq!(guest.open(&long, CREAT, RW), Err(Errno::NameTooLong));
    let component = "a".repeat(300);
    assert_eq!(guest.open(&component, CREAT, RW), Err(Errno::NameTooLong));
    let (ptr, len) = guest.bytes(b"\xff\xfe");
    let out = guest.room(4);
    assert_eq!(guest.call("path_open", &[3, 0, ptr, len, CREAT, RW, 0, 0, out]), Err(Errno::Ilseq));
    for name in ["ünïcödé", "日本語", "🦀", "with space", "-dash", "\n"] {
        guest.create(name, b"x");
        assert_eq!(guest.host_read(name), b"x");
    }
}

/// POSIX `open`: "[ENOTDIR] A component of the path prefix names an existing file that is [not] a directory", which
/// a descriptor that is not a directory is too.
#[test]
fn only_directories_have_names_below_them() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    for fd in [0, 1, 2, fd] {
        assert_eq!(guest.open_at(fd, 0, "x", CREAT, RW, 0), Err(Errno::NotDir));
    }
    assert_eq!(guest.open_at(99, 0, "x", CREAT, RW, 0), Err(Errno::Badf));
}

#[test]
fn directories_below_can_be_opened_from() {
    let mut guest = Guest::new();
    guest.host_mkdir("dir/nested");
    guest.host_write("dir/file", "in dir");
    guest.host_write("file", "outside");
    let dir = guest.open("dir", DIRECTORY, 0).unwrap();
    let fd = guest.open_at(dir, 0, "file", 0, READ, 0).unwrap();
    assert_eq!(guest.read(fd, 100), Ok(b"in dir".to_vec()));
    assert_eq!(guest.open_at(dir, 0, "../file", 0, READ, 0), Err(Errno::Perm), "a directory is a boundary");
    assert_eq!(guest.open_at(dir, 0, "..", DIRECTORY, 0, 0), Err(Errno::Perm));
    let nested = guest.open_at(dir, 0, "nested", DIRECTORY, 0, 0).unwrap();
    assert_eq!(guest.open_at(nested, 0, "new", CREAT, RW, 0).map(drop), Ok(()));
    assert_eq!(guest.host_read("dir/nested/new"), b"");
}

/// A descriptor outlives its name.
#[test]
fn removed_files_and_directories_stay_open() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    guest.unlink("file").unwrap();
    assert_eq!(guest.write(fd, b"still here"), Ok(10));
    assert_eq!(guest.pread(fd, 10, 0), Ok(b"still here".to_vec()));
    assert_eq!(guest.stat(fd).unwrap().nlink, 0);
    guest.mkdir("dir").unwrap();
    let dir = guest.open("dir", DIRECTORY, 0).unwrap();
    guest.rmdir("dir").unwrap();
    assert_eq!(guest.open_at(dir, 0, "file", CREAT, RW, 0), Err(Errno::Noent));
    assert_eq!(guest.close(dir), Ok(()));
    assert_eq!(guest.mkdir("dir"), Ok(()));
}

#[test]
fn the_number_of_descriptors_is_bounded() {
    let mut guest = Guest::with(|builder| {
        builder.limits(Limits { descriptors: 10, ..Limits::default() });
    });
    for fd in 4..10 {
        assert_eq!(guest.open("file", CREAT, RW), Ok(fd));
    }
    assert_eq!(guest.open("file", 0, RW), Err(Errno::Mfile));
    assert_eq!(guest.open("other", CREAT, RW), Err(Errno::Mfile));
    assert!(!guest.host("other").exists(), "what cannot be numbered is not made");
    guest.close(6).unwrap();
    assert_eq!(guest.open("file", 0, RW), Ok(6));
}

#[test]
fn opening_many_times_leaks_nothing() {
    let mut guest = Guest::new();
    let host_fds = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    guest.host_mkdir("dir");
    let before = host_fds();
    for _ in 0..3000 {
        let fd = guest.open("file", CREAT, RW).unwrap();
        guest.close(fd).unwrap();
        let fd = guest.open("dir", DIRECTORY, 0).unwrap();
        guest.readdir(fd, 100, 0).unwrap();
        guest.close(fd).unwrap();
        assert_eq!(guest.open("missing", 0, READ), Err(Errno::Noent));
    }
    // Tests run side by side, so a few may come and go.
    assert!(host_fds() < before + 500);
}

/// The result's address is checked before anything is opened: no descriptor is lost.
#[test]
fn a_bad_address_opens_nothing() {
    let mut guest = Guest::new();
    let (ptr, len) = guest.bytes(b"file");
    let end = guest.memory.len() as u64;
    assert_eq!(guest.call("path_open", &[3, 0, ptr, len, CREAT, RW, 0, 0, end - 3]), Err(Errno::Fault));
    assert!(!guest.host("file").exists());
    assert_eq!(guest.open("file", CREAT, RW), Ok(4));
}

/// Opening must not wait for a peer: POSIX `open` with O_NONBLOCK does not.
#[test]
fn opening_a_pipe_does_not_wait() {
    let mut guest = Guest::new();
    let made = std::process::Command::new("mkfifo").arg(guest.host("fifo")).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    assert_eq!(guest.open_flags("fifo", 0, WRITE, NONBLOCK), Err(Errno::Nxio));
    let reader = guest.open_flags("fifo", 0, READ, NONBLOCK).unwrap();
    assert_eq!(guest.fdstat(reader).unwrap().filetype, 0);
    assert_eq!(guest.read(reader, 10), Ok(vec![]), "nobody writes");
    let writer = guest.open("fifo", 0, WRITE).unwrap();
    assert_eq!(guest.read(reader, 10), Err(Errno::Again), "nothing is written yet");
    assert_eq!(guest.write(writer, b"through"), Ok(7));
    assert_eq!(guest.read(reader, 10), Ok(b"through".to_vec()));
    assert_eq!(guest.seek(reader, 0, SET), Err(Errno::Spipe));
    assert_eq!(guest.pread(reader, 1, 0), Err(Errno::Spipe));
    guest.close(reader).unwrap();
    assert_eq!(guest.write(writer, b"x"), Err(Errno::Pipe));
}
