//! Sockets passed in: a guest in text that accepts, receives, sends and shuts down, and its peer on the host.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use epsilon::{Instance, Module, Store};
use epsilon_wasi::{WasiCtx, WasiCtxBuilder};

use crate::{engine, linker};

const AGAIN: i32 = 6;
const INVAL: i32 = 28;
const NOTCONN: i32 = 53;
const PIPE: i32 = 64;

/// The calls with the list of one buffer at 0x400 and results at 0x800; the buffer is at 0x500.
const TEXT: &str = r#"(module
  (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_recv" (func $recv (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_shutdown" (func $shutdown (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdstat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $set_flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0x500) "from the guest")
  (func $buffer (param $len i32)
    (i32.store (i32.const 0x400) (i32.const 0x500)) (i32.store (i32.const 0x404) (local.get $len)))
  (func (export "accept") (param i32 i32) (result i32)
    (call $accept (local.get 0) (local.get 1) (i32.const 0x800)))
  (func (export "result") (param i32 i32) (result i32) (i32.load (i32.const 0x800)))
  (func (export "byte") (param i32 i32) (result i32) (i32.load8_u (i32.add (i32.const 0x500) (local.get 0))))
  (func (export "recv") (param i32 i32) (result i32)
    (call $buffer (i32.const 8))
    (call $recv (local.get 0) (i32.const 0x400) (i32.const 1) (local.get 1) (i32.const 0x800) (i32.const 0x804)))
  (func (export "send") (param i32 i32) (result i32)
    (call $buffer (i32.const 14))
    (call $send (local.get 0) (i32.const 0x400) (i32.const 1) (local.get 1) (i32.const 0x800)))
  (func (export "read") (param i32 i32) (result i32)
    (call $buffer (local.get 1)) (call $read (local.get 0) (i32.const 0x400) (i32.const 1) (i32.const 0x800)))
  (func (export "write") (param i32 i32) (result i32)
    (call $buffer (local.get 1)) (call $write (local.get 0) (i32.const 0x400) (i32.const 1) (i32.const 0x800)))
  (func (export "shutdown") (param i32 i32) (result i32) (call $shutdown (local.get 0) (local.get 1)))
  (func (export "set_flags") (param i32 i32) (result i32) (call $set_flags (local.get 0) (local.get 1)))
  (func (export "filetype") (param i32 i32) (result i32)
    (drop (call $fdstat (local.get 0) (i32.const 0x800))) (i32.load8_u (i32.const 0x800)))
  ;; Waits until there is something to read; how much, or minus one with a hangup.
  (func (export "poll") (param i32 i32) (result i32)
    (i32.store8 (i32.const 0x1008) (i32.const 1))
    (i32.store (i32.const 0x1010) (local.get 0))
    (if (call $poll (i32.const 0x1000) (i32.const 0x2000) (i32.const 1) (i32.const 0x800)) (then (unreachable)))
    (if (result i32) (i32.and (i32.load16_u (i32.const 0x2018)) (i32.const 1))
      (then (i32.const -1)) (else (i32.load (i32.const 0x2010))))))"#;

struct Guest {
    store: Store<WasiCtx>,
    instance: Instance,
}

impl Guest {
    fn new(give: impl FnOnce(&mut WasiCtxBuilder)) -> Guest {
        let engine = engine();
        let module = Module::new(&engine, TEXT).expect("a module");
        let mut builder = WasiCtx::builder();
        give(&mut builder);
        let mut store = Store::new(&engine, builder.build());
        let instance = linker(&engine).instantiate(&mut store, &module).expect("an instance");
        Guest { store, instance }
    }

    fn call(&mut self, name: &str, a: i32, b: i32) -> i32 {
        let func = self.instance.get_typed_func::<(i32, i32), i32>(&mut self.store, name).expect("a function");
        func.call(&mut self.store, (a, b)).expect("a result")
    }

    /// What the last call wrote as its result.
    fn result(&mut self) -> i32 {
        self.call("result", 0, 0)
    }

    fn bytes(&mut self, count: i32) -> Vec<u8> {
        (0..count).map(|at| self.call("byte", at, 0) as u8).collect()
    }
}

/// A guest with a connection as number 3, and the other end.
fn connected() -> (Guest, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    peer.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let (stream, _) = listener.accept().expect("a connection");
    let give = |builder: &mut WasiCtxBuilder| {
        builder.connection(stream);
    };
    (Guest::new(give), peer)
}

/// witx sock_accept: "Accept a new incoming connection. Note: This is similar to `accept` in POSIX."
#[test]
fn accepting() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut guest = Guest::new(|builder| {
        builder.listener(listener);
    });
    // fdflags nonblock: POSIX accept, [EAGAIN] no connections are present to be accepted.
    assert_eq!(guest.call("set_flags", 3, 4), 0);
    assert_eq!(guest.call("accept", 3, 0), AGAIN);
    assert_eq!(guest.call("set_flags", 3, 0), 0);
    let mut peer = TcpStream::connect(address).expect("a connection");
    assert_eq!(guest.call("accept", 3, 1 << 9), INVAL);
    assert_eq!((guest.call("accept", 3, 0), guest.result()), (0, 4));
    // witx filetype socket_stream is 6.
    assert_eq!(guest.call("filetype", 4, 0), 6);
    peer.write_all(b"hello").expect("sending");
    assert_eq!((guest.call("read", 4, 5), guest.bytes(5)), (0, b"hello".to_vec()));
    // POSIX recv: [ENOTCONN]; accept on what does not listen: [EINVAL].
    assert_eq!(guest.call("recv", 3, 0), NOTCONN);
    assert_eq!(guest.call("send", 3, 0), NOTCONN);
    assert_eq!(guest.call("accept", 4, 0), INVAL);
}

/// witx riflags: recv_peek, "Returns the message without removing it from the socket's receive queue";
/// recv_waitall, "On byte-stream sockets, block until the full amount of data can be returned".
#[test]
fn receiving() {
    let (mut guest, mut peer) = connected();
    peer.write_all(b"abcd").expect("sending");
    assert_eq!(guest.call("poll", 3, 0), 4);
    assert_eq!((guest.call("recv", 3, 1), guest.result(), guest.bytes(4)), (0, 4, b"abcd".to_vec()));
    assert_eq!((guest.call("recv", 3, 0), guest.result(), guest.bytes(4)), (0, 4, b"abcd".to_vec()));
    assert_eq!(guest.call("recv", 3, 4), INVAL);
    let later = std::thread::spawn(move || {
        peer.write_all(b"1234").expect("sending");
        std::thread::sleep(Duration::from_millis(30));
        peer.write_all(b"5678").expect("sending");
        peer
    });
    assert_eq!((guest.call("recv", 3, 2), guest.result(), guest.bytes(8)), (0, 8, b"12345678".to_vec()));
    drop(later.join());
    assert_eq!((guest.call("recv", 3, 0), guest.result()), (0, 0));
}

/// witx sock_send; siflags: "it must be set to zero."
#[test]
fn sending() {
    let (mut guest, mut peer) = connected();
    assert_eq!(guest.call("send", 3, 1), INVAL);
    assert_eq!((guest.call("send", 3, 0), guest.result()), (0, 14));
    assert_eq!((guest.call("write", 3, 4), guest.result()), (0, 4));
    let mut bytes = [0; 18];
    peer.read_exact(&mut bytes).expect("the bytes");
    assert_eq!(&bytes, b"from the guestfrom");
}

/// witx sock_shutdown; POSIX send: "[EPIPE] The socket is shut down for writing".
#[test]
fn shutting_down() {
    let (mut guest, mut peer) = connected();
    assert_eq!(guest.call("shutdown", 3, 0), INVAL);
    assert_eq!(guest.call("shutdown", 3, 4), INVAL);
    assert_eq!(guest.call("shutdown", 3, 2), 0);
    assert_eq!(guest.call("send", 3, 0), PIPE);
    assert_eq!(peer.read(&mut [0; 8]).expect("the end"), 0);
    peer.write_all(b"still").expect("sending");
    assert_eq!((guest.call("read", 3, 5), guest.bytes(5)), (0, b"still".to_vec()));
}

/// fdflags nonblock: POSIX recv, "[EAGAIN] [...] no data is waiting to be received".
#[test]
fn not_waiting() {
    let (mut guest, peer) = connected();
    assert_eq!(guest.call("set_flags", 3, 4), 0);
    assert_eq!(guest.call("recv", 3, 0), AGAIN);
    assert_eq!(guest.call("read", 3, 8), AGAIN);
    // POSIX poll: the end can be read.
    peer.shutdown(Shutdown::Both).expect("the end");
    assert!([0, -1].contains(&guest.call("poll", 3, 0)));
    assert_eq!((guest.call("read", 3, 8), guest.result()), (0, 0));
}
