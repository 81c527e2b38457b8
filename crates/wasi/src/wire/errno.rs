//! The error codes of WASI, and how the host's errors become them.
//!
//! One list makes the enumeration, the names and the way back from the host's codes. No text of a host error ever
//! reaches a guest: a code is all it gets.

use std::fmt;
use std::io;

use rustix::io::Errno as Host;

macro_rules! errnos {
    ($($name:ident = $number:literal $text:literal $(= $host:ident)?;)*) => {
        /// An error code (`errno`); success is not among them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $text] $name = $number,)*
        }

        impl Errno {
            /// Every error code, in the order of the specification.
            pub const ALL: &[Errno] = &[$(Errno::$name),*];

            /// What the code means, in a few words.
            pub const fn text(self) -> &'static str {
                match self { $(Errno::$name => $text,)* }
            }
        }

        impl From<Host> for Errno {
            fn from(host: Host) -> Errno {
                match host {
                    $($(Host::$host => Errno::$name,)?)*
                    _ => more(host),
                }
            }
        }
    };
}

errnos! {
    TooBig = 1 "argument list too long" = TOOBIG;
    Acces = 2 "permission denied" = ACCESS;
    AddrInUse = 3 "address in use" = ADDRINUSE;
    AddrNotAvail = 4 "address not available" = ADDRNOTAVAIL;
    AfNoSupport = 5 "address family not supported" = AFNOSUPPORT;
    Again = 6 "resource unavailable, try again" = AGAIN;
    Already = 7 "connection already in progress" = ALREADY;
    Badf = 8 "bad file descriptor" = BADF;
    BadMsg = 9 "bad message" = BADMSG;
    Busy = 10 "device or resource busy" = BUSY;
    Canceled = 11 "operation canceled" = CANCELED;
    Child = 12 "no child processes" = CHILD;
    ConnAborted = 13 "connection aborted" = CONNABORTED;
    ConnRefused = 14 "connection refused" = CONNREFUSED;
    ConnReset = 15 "connection reset" = CONNRESET;
    Deadlk = 16 "resource deadlock would occur" = DEADLK;
    DestAddrReq = 17 "destination address required" = DESTADDRREQ;
    Dom = 18 "argument out of the function's domain" = DOM;
    Dquot = 19 "disk quota exceeded" = DQUOT;
    Exist = 20 "file exists" = EXIST;
    Fault = 21 "bad address" = FAULT;
    Fbig = 22 "file too large" = FBIG;
    HostUnreach = 23 "host is unreachable" = HOSTUNREACH;
    Idrm = 24 "identifier removed" = IDRM;
    Ilseq = 25 "illegal byte sequence" = ILSEQ;
    InProgress = 26 "operation in progress" = INPROGRESS;
    Intr = 27 "interrupted function" = INTR;
    Inval = 28 "invalid argument" = INVAL;
    Io = 29 "input or output error" = IO;
    IsConn = 30 "socket is connected" = ISCONN;
    IsDir = 31 "is a directory" = ISDIR;
    Loop = 32 "too many levels of symbolic links" = LOOP;
    Mfile = 33 "too many open files" = MFILE;
    Mlink = 34 "too many links" = MLINK;
    MsgSize = 35 "message too large" = MSGSIZE;
    Multihop = 36 "reserved";
    NameTooLong = 37 "name too long" = NAMETOOLONG;
    NetDown = 38 "network is down" = NETDOWN;
    NetReset = 39 "connection aborted by network" = NETRESET;
    NetUnreach = 40 "network unreachable" = NETUNREACH;
    Nfile = 41 "too many files open in system" = NFILE;
    Nobufs = 42 "no buffer space available" = NOBUFS;
    Nodev = 43 "no such device" = NODEV;
    Noent = 44 "no such file or directory" = NOENT;
    Noexec = 45 "executable file format error" = NOEXEC;
    Nolck = 46 "no locks available" = NOLCK;
    Nolink = 47 "reserved";
    Nomem = 48 "not enough space" = NOMEM;
    Nomsg = 49 "no message of the desired type" = NOMSG;
    NoProtoOpt = 50 "protocol not available" = NOPROTOOPT;
    Nospc = 51 "no space left on device" = NOSPC;
    Nosys = 52 "function not supported" = NOSYS;
    NotConn = 53 "the socket is not connected" = NOTCONN;
    NotDir = 54 "not a directory or a symbolic link to a directory" = NOTDIR;
    NotEmpty = 55 "directory not empty" = NOTEMPTY;
    NotRecoverable = 56 "state not recoverable";
    NotSock = 57 "not a socket" = NOTSOCK;
    NotSup = 58 "not supported, or operation not supported on socket" = NOTSUP;
    NoTty = 59 "inappropriate i/o control operation" = NOTTY;
    Nxio = 60 "no such device or address" = NXIO;
    Overflow = 61 "value too large to be stored in data type" = OVERFLOW;
    OwnerDead = 62 "previous owner died";
    Perm = 63 "operation not permitted" = PERM;
    Pipe = 64 "broken pipe" = PIPE;
    Proto = 65 "protocol error" = PROTO;
    ProtoNoSupport = 66 "protocol not supported" = PROTONOSUPPORT;
    Prototype = 67 "protocol wrong type for socket" = PROTOTYPE;
    Range = 68 "result too large" = RANGE;
    Rofs = 69 "read-only file system" = ROFS;
    Spipe = 70 "invalid seek" = SPIPE;
    Srch = 71 "no such process" = SRCH;
    Stale = 72 "stale file handle" = STALE;
    TimedOut = 73 "connection timed out" = TIMEDOUT;
    Txtbsy = 74 "text file busy" = TXTBSY;
    Xdev = 75 "cross-device link" = XDEV;
    NotCapable = 76 "capabilities insufficient";
}

/// Host codes that WASI has no code of its own for, or whose name differs between hosts.
fn more(host: Host) -> Errno {
    #[cfg(target_os = "linux")]
    match host {
        Host::MULTIHOP => return Errno::Multihop,
        Host::NOLINK => return Errno::Nolink,
        Host::NOTRECOVERABLE => return Errno::NotRecoverable,
        Host::OWNERDEAD => return Errno::OwnerDead,
        Host::NOMEDIUM | Host::NODATA => return Errno::Nodev,
        Host::HOSTDOWN => return Errno::HostUnreach,
        Host::SHUTDOWN => return Errno::Pipe,
        _ => {}
    }
    if host == Host::OPNOTSUPP { Errno::NotSup } else { Errno::Io }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        match error.raw_os_error() {
            Some(code) => Host::from_raw_os_error(code).into(),
            None => from_kind(error.kind()),
        }
    }
}

/// Errors that no system call made: those of `cap-std`, of `std`, and of an embedder's own streams.
///
/// A path that would leave its directory is one of them, and is `perm`, as it is with other runtimes today.
fn from_kind(kind: io::ErrorKind) -> Errno {
    use io::ErrorKind as Kind;
    match kind {
        Kind::NotFound => Errno::Noent,
        Kind::PermissionDenied => Errno::Perm,
        Kind::ConnectionRefused => Errno::ConnRefused,
        Kind::ConnectionReset => Errno::ConnReset,
        Kind::HostUnreachable => Errno::HostUnreach,
        Kind::NetworkUnreachable => Errno::NetUnreach,
        Kind::ConnectionAborted => Errno::ConnAborted,
        Kind::NotConnected => Errno::NotConn,
        Kind::AddrInUse => Errno::AddrInUse,
        Kind::AddrNotAvailable => Errno::AddrNotAvail,
        Kind::NetworkDown => Errno::NetDown,
        Kind::BrokenPipe => Errno::Pipe,
        Kind::AlreadyExists => Errno::Exist,
        Kind::WouldBlock => Errno::Again,
        Kind::NotADirectory => Errno::NotDir,
        Kind::IsADirectory => Errno::IsDir,
        Kind::DirectoryNotEmpty => Errno::NotEmpty,
        Kind::ReadOnlyFilesystem => Errno::Rofs,
        Kind::StaleNetworkFileHandle => Errno::Stale,
        Kind::InvalidInput | Kind::InvalidFilename => Errno::Inval,
        Kind::InvalidData => Errno::Ilseq,
        Kind::TimedOut => Errno::TimedOut,
        Kind::StorageFull => Errno::Nospc,
        Kind::NotSeekable => Errno::Spipe,
        Kind::QuotaExceeded => Errno::Dquot,
        Kind::FileTooLarge => Errno::Fbig,
        Kind::ResourceBusy => Errno::Busy,
        Kind::ExecutableFileBusy => Errno::Txtbsy,
        Kind::Deadlock => Errno::Deadlk,
        Kind::CrossesDevices => Errno::Xdev,
        Kind::TooManyLinks => Errno::Mlink,
        Kind::ArgumentListTooLong => Errno::TooBig,
        Kind::Interrupted => Errno::Intr,
        Kind::Unsupported => Errno::NotSup,
        Kind::OutOfMemory => Errno::Nomem,
        _ => Errno::Io,
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Errno {}

/// The guest has ended itself, with this exit code.
///
/// A host function that ends the guest returns it as its error; an embedder finds it in the error of the call into
/// the guest by downcasting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct I32Exit(pub i32);

impl fmt::Display for I32Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the guest ended with exit code {}", self.0)
    }
}

impl std::error::Error for I32Exit {}

/// Why a call does not return success: an error code for the guest, or the guest's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The guest receives this code and goes on.
    Errno(Errno),
    /// The guest is not returned to.
    Exit(I32Exit),
    /// Nothing is done yet: the call is to be made again when there is something to read from this descriptor. Only
    /// contexts that threads share say so ([`crate::SharedCtx`]), for they are not to be held meanwhile.
    AwaitInput(u32),
    /// Likewise, to be made again after a moment: nothing tells when it can be done.
    AwaitMoment,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::Errno(errno)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Errno(error.into())
    }
}

impl From<Host> for Stop {
    fn from(host: Host) -> Stop {
        Stop::Errno(host.into())
    }
}

/// What a call returns.
pub type Outcome = Result<(), Stop>;

#[cfg(test)]
mod tests {
    use super::*;

    /// witx `errno`: the cases are numbered from `success` = 0 without gaps.
    #[test]
    fn numbers_follow_the_specification() {
        for (i, errno) in Errno::ALL.iter().enumerate() {
            assert_eq!(*errno as usize, i + 1);
        }
        assert_eq!(Errno::ALL.len(), 76);
    }

    #[test]
    fn host_errors_keep_their_meaning() {
        let cases = [
            (Host::NOENT, Errno::Noent),
            (Host::ACCESS, Errno::Acces),
            (Host::PERM, Errno::Perm),
            (Host::LOOP, Errno::Loop),
            (Host::NOTEMPTY, Errno::NotEmpty),
            (Host::NOSPC, Errno::Nospc),
            (Host::XDEV, Errno::Xdev),
            (Host::OPNOTSUPP, Errno::NotSup),
            (Host::PIPE, Errno::Pipe),
            (Host::NAMETOOLONG, Errno::NameTooLong),
        ];
        for (host, errno) in cases {
            assert_eq!(Errno::from(host), errno);
            assert_eq!(Errno::from(io::Error::from_raw_os_error(host.raw_os_error())), errno);
        }
        assert_eq!(Errno::from(io::Error::other("secret")), Errno::Io);
        assert_eq!(Errno::from(io::Error::from(io::ErrorKind::BrokenPipe)), Errno::Pipe);
    }
}
