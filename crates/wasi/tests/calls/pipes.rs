//! Pipes with names: POSIX `open`: "An open() for reading-only shall block the calling thread until a thread opens the
//! file for writing. An open() for writing-only shall block the calling thread until a thread opens the file for
//! reading."

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use epsilon_wasi::Errno;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::guest::*;

const A_WHILE: Duration = Duration::from_millis(200);

fn with_pipe() -> Guest {
    let guest = Guest::new();
    mknodat(CWD, guest.host("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    guest
}

#[test]
fn a_writer_waits_for_its_reader() {
    let mut guest = with_pipe();
    for oflags in [0, CREAT, CREAT | TRUNC] {
        let path = guest.host("fifo");
        let reader = thread::spawn(move || {
            thread::sleep(A_WHILE);
            let mut text = String::new();
            File::open(path).and_then(|mut pipe| pipe.read_to_string(&mut text)).map(|_| text)
        });
        let began = Instant::now();
        let fd = guest.open("fifo", oflags, WRITE).expect("a reader came");
        assert!(began.elapsed() >= A_WHILE / 2, "it waited");
        assert_eq!(guest.write(fd, b"hello\n"), Ok(6));
        guest.close(fd).unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), "hello\n");
    }
    // For both, it waits for nobody.
    let fd = guest.open("fifo", 0, RW).unwrap();
    assert_eq!(guest.write(fd, b"to itself"), Ok(9));
    assert_eq!(guest.read(fd, 100).unwrap(), b"to itself");
}

#[test]
fn a_reader_waits_for_its_writer() {
    let mut guest = with_pipe();
    let path = guest.host("fifo");
    let (opened, may_write) = std::sync::mpsc::channel();
    let writer = thread::spawn(move || {
        thread::sleep(A_WHILE);
        let mut pipe = File::options().write(true).open(path).unwrap();
        // Silent until the guest has opened it.
        may_write.recv_timeout(Duration::from_secs(20)).expect("the guest is told of a silent writer");
        thread::sleep(A_WHILE);
        pipe.write_all(b"hello").unwrap();
    });
    let began = Instant::now();
    let fd = guest.open("fifo", 0, READ).unwrap();
    assert!(began.elapsed() >= A_WHILE / 2, "it waited");
    opened.send(()).unwrap();
    assert_eq!(guest.read(fd, 100).unwrap(), b"hello", "a read waits for bytes");
    writer.join().unwrap();
    assert_eq!(guest.read(fd, 100).unwrap(), b"", "the writer has gone");
    guest.close(fd).unwrap();
    // A writer that comes and goes.
    let path = guest.host("fifo");
    let writer = thread::spawn(move || {
        thread::sleep(A_WHILE);
        drop(File::options().write(true).open(path).unwrap());
    });
    let fd = guest.open("fifo", 0, READ).unwrap();
    assert_eq!(guest.read(fd, 100).unwrap(), b"");
    writer.join().unwrap();
}

#[test]
fn who_does_not_wait_is_told() {
    let mut guest = with_pipe();
    assert_eq!(guest.open_flags("fifo", 0, WRITE, NONBLOCK), Err(Errno::Nxio));
    let reader = guest.open_flags("fifo", 0, READ, NONBLOCK).unwrap();
    assert_eq!(guest.read(reader, 10).unwrap(), b"", "POSIX read: without a writer, the end");
    let writer = guest.open_flags("fifo", 0, WRITE, NONBLOCK).expect("there is a reader");
    assert_eq!(guest.read(reader, 10), Err(Errno::Again));
    assert_eq!(guest.write(writer, b"x"), Ok(1));
    assert_eq!(guest.read(reader, 10).unwrap(), b"x");
    // Files that are not pipes are not waited for.
    let _listener = UnixListener::bind(guest.host("socket")).unwrap();
    assert_eq!(guest.open("socket", 0, WRITE), Err(Errno::Nxio));
}

/// And what was interrupted can be done again.
#[test]
fn waiting_ends_when_interrupted() {
    let mut guest = with_pipe();
    let interrupt = guest.ctx.interrupt().clone();
    for rights in [WRITE, READ] {
        let raise = interrupt.clone();
        let other = thread::spawn(move || {
            thread::sleep(A_WHILE);
            raise.set();
        });
        let began = Instant::now();
        assert_eq!(guest.open("fifo", 0, rights), Err(Errno::Intr));
        assert!(began.elapsed() < Duration::from_secs(20));
        other.join().unwrap();
        assert_eq!(guest.open("fifo", 0, rights), Err(Errno::Intr), "it is still raised");
        interrupt.clear();
        let path = guest.host("fifo");
        let peer = thread::spawn(move || {
            thread::sleep(A_WHILE);
            File::options().read(rights == WRITE).write(rights == READ).open(path).map(drop).unwrap();
        });
        let fd = guest.open("fifo", 0, rights).expect("its peer came");
        peer.join().unwrap();
        guest.close(fd).unwrap();
    }
}

#[test]
fn a_pipe_that_is_removed_meanwhile_is_not_waited_for() {
    let mut guest = with_pipe();
    let path = guest.host("fifo");
    let other = thread::spawn(move || {
        thread::sleep(A_WHILE);
        std::fs::remove_file(path).unwrap();
    });
    assert_eq!(guest.open("fifo", 0, WRITE), Err(Errno::Noent));
    other.join().unwrap();
}
