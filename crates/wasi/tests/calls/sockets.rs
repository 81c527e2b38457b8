//! Sockets passed in.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use epsilon_wasi::Errno;

use crate::guest::*;

const PEEK: u64 = 1;
const WAITALL: u64 = 2;

fn listening() -> (Guest, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let guest = Guest::with(|builder| {
        builder.listener(listener);
    });
    (guest, address)
}

fn connected() -> (Guest, TcpStream) {
    let (mut guest, address) = listening();
    let peer = TcpStream::connect(address).unwrap();
    assert_eq!(accept(&mut guest, 0), Ok(5));
    (guest, peer)
}

fn accept(guest: &mut Guest, flags: u64) -> Result<u32> {
    let out = guest.room(4);
    guest.call("sock_accept", &[4, flags, out])?;
    Ok(guest.u32_at(out))
}

fn recv(guest: &mut Guest, fd: u32, lens: &[u64], flags: u64) -> Result<Vec<u8>> {
    let buffers: Vec<_> = lens.iter().map(|len| (guest.room(*len as usize), *len)).collect();
    let (iovs, count) = guest.iovs(&buffers);
    let (size, out_flags) = (guest.room(4), guest.room(2));
    guest.call("sock_recv", &[fd.into(), iovs, count, flags, size, out_flags])?;
    assert_eq!(guest.u16_at(out_flags), 0, "a stream cuts no messages");
    let all: Vec<u8> = buffers.iter().flat_map(|(at, len)| guest.slice(*at, *len).to_vec()).collect();
    Ok(all[..guest.u32_at(size) as usize].to_vec())
}

fn send(guest: &mut Guest, fd: u32, parts: &[&[u8]], flags: u64) -> Result<u32> {
    let buffers: Vec<_> = parts.iter().map(|part| guest.bytes(part)).collect();
    let (iovs, count) = guest.iovs(&buffers);
    let size = guest.room(4);
    guest.call("sock_send", &[fd.into(), iovs, count, flags, size])?;
    Ok(guest.u32_at(size))
}

/// witx `sock_accept`: "Accept a new incoming connection. Note: This is similar to `accept` in POSIX."
#[test]
fn connections_are_accepted() {
    let (mut guest, mut peer) = connected();
    assert_eq!(send(&mut guest, 5, &[b"hello ", b"", b"world"], 0), Ok(11));
    let mut got = [0; 11];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello world");
    peer.write_all(b"answer").unwrap();
    assert_eq!(recv(&mut guest, 5, &[3, 3], WAITALL), Ok(b"answer".to_vec()));
}

#[test]
fn sockets_describe_themselves() {
    let (mut guest, _peer) = connected();
    for fd in [4, 5] {
        let stat = guest.fdstat(fd).unwrap();
        assert_eq!(stat.filetype, 6);
        assert_eq!(guest.stat(fd).unwrap().filetype, 6);
        assert_eq!(guest.call("fd_prestat_get", &[fd.into(), 0]), Err(Errno::Badf), "the search for directories ends");
    }
    assert_ne!(guest.fdstat(4).unwrap().base & 1 << 29, 0);
    assert_eq!(guest.fdstat(5).unwrap().base & RW, RW);
}

#[test]
fn connections_are_read_and_written_like_files() {
    let (mut guest, mut peer) = connected();
    assert_eq!(guest.write(5, b"to peer"), Ok(7));
    let mut got = [0; 7];
    peer.read_exact(&mut got).unwrap();
    peer.write_all(b"to guest").unwrap();
    assert_eq!(guest.read(5, 100), Ok(b"to guest".to_vec()));
    drop(peer);
    assert_eq!(guest.read(5, 100), Ok(vec![]));
    assert_eq!(guest.seek(5, 0, SET), Err(Errno::Spipe));
    assert_eq!(guest.pread(5, 1, 0), Err(Errno::Spipe));
    assert_eq!(guest.pwrite(5, b"x", 0), Err(Errno::Spipe));
}

/// witx `riflags`: "recv_peek: Returns the message without removing it from the socket's receive queue." "recv_waitall:
/// On byte-stream sockets, block until the full amount of data can be returned."
#[test]
fn looking_ahead_and_waiting_for_all() {
    let (mut guest, mut peer) = connected();
    peer.write_all(b"abc").unwrap();
    assert_eq!(recv(&mut guest, 5, &[3], PEEK | WAITALL), Ok(b"abc".to_vec()));
    assert_eq!(recv(&mut guest, 5, &[2], PEEK), Ok(b"ab".to_vec()));
    assert_eq!(recv(&mut guest, 5, &[2], 0), Ok(b"ab".to_vec()));
    let writer = std::thread::spawn(move || {
        for part in [b"de", b"fg"] {
            std::thread::sleep(std::time::Duration::from_millis(20));
            peer.write_all(part).unwrap();
        }
    });
    assert_eq!(recv(&mut guest, 5, &[2, 3], WAITALL), Ok(b"cdefg".to_vec()));
    writer.join().unwrap();
}

#[test]
fn waiting_can_be_declined() {
    let (mut guest, address) = listening();
    guest.set_flags(4, NONBLOCK).unwrap();
    assert_eq!(accept(&mut guest, 0), Err(Errno::Again));
    let _peer = TcpStream::connect(address).unwrap();
    assert_eq!(accept(&mut guest, NONBLOCK), Ok(5));
    assert_eq!(recv(&mut guest, 5, &[1], 0), Err(Errno::Again));
    assert_eq!(guest.read(5, 1), Err(Errno::Again));
    assert_eq!(u64::from(guest.fdstat(5).unwrap().flags), NONBLOCK);
}

/// witx `sdflags`: "rd: Disables further receive operations. wr: Disables further send operations."
#[test]
fn each_direction_can_be_shut_down() {
    let (mut guest, mut peer) = connected();
    assert_eq!(guest.call("sock_shutdown", &[5, 2]), Ok(()));
    assert_eq!(send(&mut guest, 5, &[b"x"], 0), Err(Errno::Pipe), "POSIX send: [EPIPE], without a signal");
    assert_eq!(guest.write(5, b"x"), Err(Errno::Pipe));
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    peer.write_all(b"still").unwrap();
    assert_eq!(recv(&mut guest, 5, &[5], WAITALL), Ok(b"still".to_vec()));
    assert_eq!(guest.call("sock_shutdown", &[5, 1]), Ok(()));
    assert_eq!(recv(&mut guest, 5, &[5], 0), Ok(vec![]));
    for how in [0, 4, 255] {
        assert_eq!(guest.call("sock_shutdown", &[5, how]), Err(Errno::Inval));
    }
}

/// POSIX: "[ENOTSOCK] The socket argument does not refer to a socket", and "[ENOTCONN]".
#[test]
fn what_is_no_connection_is_told() {
    let (mut guest, _) = listening();
    let file = guest.open("file", CREAT, RW).unwrap();
    for (fd, errno) in [(0, Errno::NotSock), (ROOT, Errno::NotSock), (file, Errno::NotSock), (4, Errno::NotConn)] {
        assert_eq!(recv(&mut guest, fd, &[1], 0), Err(errno));
        assert_eq!(send(&mut guest, fd, &[b"x"], 0), Err(errno));
        assert_eq!(guest.call("sock_shutdown", &[fd.into(), 1]), Err(errno));
    }
    for (fd, errno) in [(1, Errno::NotSock), (ROOT, Errno::NotSock), (file, Errno::NotSock), (99, Errno::Badf)] {
        assert_eq!(guest.call("sock_accept", &[fd.into(), 0, 0]), Err(errno));
    }
    assert_eq!(guest.read(4, 1), Err(Errno::NotConn));
    assert_eq!(guest.write(4, b"x"), Err(Errno::NotConn));
}

#[test]
fn unknown_flags_are_invalid() {
    let (mut guest, _peer) = connected();
    assert_eq!(recv(&mut guest, 5, &[1], 4), Err(Errno::Inval));
    assert_eq!(send(&mut guest, 5, &[b"x"], 1), Err(Errno::Inval));
    assert_eq!(accept(&mut guest, 32), Err(Errno::Inval));
    assert_eq!(guest.call("sock_accept", &[5, 0, 0]), Err(Errno::Inval), "a connection does not listen");
}

/// A guest that waits for a peer can be stopped, by the flag alone or with a signal.
#[test]
fn waiting_ends_when_interrupted() {
    let (mut guest, _peer) = connected();
    let interrupt = guest.ctx.interrupt().clone();
    interrupt.set();
    let began = std::time::Instant::now();
    assert_eq!(recv(&mut guest, 5, &[1], 0), Err(Errno::Intr));
    assert_eq!(guest.read(5, 1), Err(Errno::Intr));
    assert_eq!(accept(&mut guest, 0), Err(Errno::Intr));
    assert!(began.elapsed().as_secs() < 20);
}

/// Nothing of preview 1 depends on where a socket's peer is.
#[test]
fn sockets_of_the_unix_domain_are_like_the_others() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (own, mut other) = UnixStream::pair().unwrap();
    let mut guest = Guest::with(|builder| {
        builder.listener(listener).connection(own);
    });
    let mut peer = UnixStream::connect(&path).unwrap();
    assert_eq!(accept(&mut guest, 0), Ok(6));
    for (fd, peer) in [(5, &mut other), (6, &mut peer)] {
        assert_eq!(guest.fdstat(fd).unwrap().filetype, 6, "witx filetype socket_stream");
        assert_eq!(send(&mut guest, fd, &[b"to ", b"the host"], 0), Ok(11));
        let mut got = [0; 11];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"to the host");
        peer.write_all(b"back").unwrap();
        assert_eq!(recv(&mut guest, fd, &[3], PEEK), Ok(b"bac".to_vec()));
        assert_eq!(recv(&mut guest, fd, &[8], 0), Ok(b"back".to_vec()));
        assert_eq!(guest.call("sock_shutdown", &[fd.into(), 2]), Ok(()));
        assert_eq!(peer.read(&mut got).unwrap(), 0);
        assert_eq!(send(&mut guest, fd, &[b"x"], 0), Err(Errno::Pipe));
    }
}

/// fdflags nonblock; POSIX `send`: "[EAGAIN] The socket's file descriptor is marked O_NONBLOCK and the requested
/// operation would block."
#[test]
fn a_peer_that_does_not_read_is_not_waited_for() {
    let (own, mut peer) = UnixStream::pair().unwrap();
    let mut guest = Guest::with(|builder| {
        builder.connection(own);
    });
    guest.call("fd_fdstat_set_flags", &[4, NONBLOCK]).unwrap();
    let block = vec![7; 100_000];
    let mut sent = 0;
    let end = loop {
        match send(&mut guest, 4, &[&block], 0) {
            Ok(count) => sent += count as usize,
            Err(errno) => break errno,
        }
        assert!(sent < 100_000_000);
    };
    assert_eq!(end, Errno::Again);
    let mut got = vec![0; sent];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(guest.write(4, b"again"), Ok(5));
}

/// Between the moment when the host tells of a connection and the call that accepts it, another process may take it.
#[test]
fn a_connection_that_has_gone_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thief = listener.try_clone().unwrap();
    let mut guest = Guest::with(|builder| _ = builder.listener(listener));
    let interrupt = guest.ctx.interrupt().clone();
    let (ended, end) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let mut accepted = 0;
        loop {
            match accept(&mut guest, 0) {
                Ok(fd) => {
                    accepted += 1;
                    guest.close(fd).unwrap();
                }
                Err(errno) => return ended.send((accepted, errno)).unwrap(),
            }
        }
    });
    let mut stolen = 0;
    for _ in 0..2000 {
        let _peer = TcpStream::connect(address).unwrap();
        stolen += usize::from(thief.accept().is_ok());
    }
    interrupt.set();
    let (accepted, errno) = end.recv_timeout(std::time::Duration::from_secs(20)).expect("the guest can be stopped");
    assert_eq!(errno, Errno::Intr);
    assert!(stolen + accepted <= 2000);
    waiting.join().unwrap();
}

/// Whoever waits for all waits where it can be ended.
#[test]
fn waiting_for_all_ends_when_interrupted() {
    let (mut guest, mut peer) = connected();
    let interrupt = guest.ctx.interrupt().clone();
    std::io::Write::write_all(&mut peer, b"part").unwrap();
    for flags in [WAITALL | PEEK, WAITALL] {
        let raise = interrupt.clone();
        let other = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            raise.set();
        });
        assert_eq!(recv(&mut guest, 5, &[10], flags).unwrap(), b"part");
        other.join().unwrap();
        interrupt.clear();
    }
    let sending = std::thread::spawn(move || {
        for part in [b"01", b"23", b"45", b"67", b"89"] {
            std::thread::sleep(std::time::Duration::from_millis(20));
            std::io::Write::write_all(&mut peer, part).unwrap();
        }
        peer
    });
    assert_eq!(recv(&mut guest, 5, &[10], WAITALL | PEEK).unwrap(), b"0123456789");
    assert_eq!(recv(&mut guest, 5, &[4, 6], WAITALL).unwrap(), b"0123456789");
    let peer = sending.join().unwrap();
    std::io::Write::write_all(&mut &peer, b"last").unwrap();
    drop(peer);
    assert_eq!(recv(&mut guest, 5, &[10], WAITALL | PEEK).unwrap(), b"last");
    assert_eq!(recv(&mut guest, 5, &[10], WAITALL).unwrap(), b"last");
}
