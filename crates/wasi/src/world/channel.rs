//! Reading from the host's descriptors and writing to them, without waiting in either.
//!
//! A guest that waits must be able to be interrupted, so waiting is done in `poll` (`interrupt.rs`). To ask there
//! before each read and write would cost a second call to the host for each of the guest's; so they are tried first,
//! told not to wait, and `poll` is asked when they would have. Pipes take that flag from Linux 6.5 on, those that have
//! a name do not.
//!
//! This file knows neither guests nor contexts.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

use crate::world::interrupt::Interrupt;

/// A host's descriptor, for a thread that must not block on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Regular files, block devices: nobody has to come for them to be ready.
    File,
    /// A pipe that has not refused yet to be read or written without waiting.
    Pipe,
    Socket,
    /// Terminals, pipes with names, devices: only `poll` tells.
    Other,
}

/// The offset that means "where the descriptor is".
const NO_OFFSET: u64 = u64::MAX;

impl Channel {
    pub fn of(fd: BorrowedFd<'_>) -> Channel {
        match rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::RegularFile | FileType::BlockDevice | FileType::Directory) => Channel::File,
            Ok(FileType::Fifo) => Channel::Pipe,
            Ok(FileType::Socket) => Channel::Socket,
            _ => Channel::Other,
        }
    }

    fn ask_from_now_on(&mut self) -> &mut Channel {
        *self = Channel::Other;
        self
    }

    /// Whether somebody else may have to do something before there is more to read.
    pub fn may_wait(&self) -> bool {
        *self != Channel::File
    }

    /// Reads what is there; `AGAIN` if there is nothing yet.
    pub fn read(&mut self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Channel::File => rustix::io::read(fd, buffer),
            Channel::Socket => rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT).map(|(count, _)| count),
            Channel::Pipe => {
                let mut buffers = [IoSliceMut::new(&mut *buffer)];
                match rustix::io::preadv2(fd, &mut buffers, NO_OFFSET, ReadWriteFlags::NOWAIT) {
                    Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.ask_from_now_on().read(fd, buffer),
                    result => result,
                }
            }
            Channel::Other if is_ready(fd, PollFlags::IN) => rustix::io::read(fd, buffer),
            Channel::Other => Err(Errno::AGAIN),
        }
    }

    /// Writes what there is room for; `AGAIN` if there is none yet. Descriptors that only `poll` knows about may wait
    /// once they have taken a part, which a signal then ends.
    fn write(&mut self, fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
        match self {
            Channel::File => rustix::io::writev(fd, buffers),
            // A peer that has gone is an error and no signal.
            Channel::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                rustix::net::sendmsg(fd, buffers, &mut SendAncillaryBuffer::default(), flags)
            }
            Channel::Pipe => match rustix::io::pwritev2(fd, buffers, NO_OFFSET, ReadWriteFlags::NOWAIT) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.ask_from_now_on().write(fd, buffers),
                result => result,
            },
            Channel::Other if is_ready(fd, PollFlags::OUT) => rustix::io::writev(fd, buffers),
            Channel::Other => Err(Errno::AGAIN),
        }
    }

    /// Writes everything, and waits in between. Less is written after an interruption or an error, which then comes
    /// with the next write, and to a file. With `nonblocking` it writes what there is room for.
    pub fn write_all(
        &mut self,
        fd: BorrowedFd<'_>,
        buffers: &[IoSlice<'_>],
        nonblocking: bool,
        interrupt: &Interrupt,
    ) -> io::Result<usize> {
        let size_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let mut done = 0;
        loop {
            let result = match done {
                0 => self.write(fd, buffers),
                _ => self.write(fd, &after(buffers, done)),
            };
            let error = match result {
                Ok(count) => {
                    done += count;
                    if done == size_bytes || count == 0 || *self == Channel::File {
                        return Ok(done);
                    }
                    continue;
                }
                Err(Errno::INTR) if !interrupt.is_set() => continue,
                Err(Errno::AGAIN) if !nonblocking => match interrupt.wait_for(fd, PollFlags::OUT) {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error.into(),
            };
            return if done > 0 { Ok(done) } else { Err(error) };
        }
    }
}

/// What is left of buffers of which so many bytes are done.
fn after<'b>(buffers: &'b [IoSlice<'_>], mut done: usize) -> Vec<IoSlice<'b>> {
    let mut rest = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        let skipped = done.min(buffer.len());
        done -= skipped;
        if skipped < buffer.len() {
            rest.push(IoSlice::new(&buffer[skipped..]));
        }
    }
    rest
}

/// Whether a read or a write would not wait.
pub(crate) fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// The same on a pipe, on a socket, and where only `poll` tells.
    #[test]
    fn nothing_waits_that_was_told_not_to() {
        let (reader, writer) = io::pipe().unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        let ends = [
            (Channel::Pipe, reader.as_fd(), writer.as_fd()),
            (Channel::Other, reader.as_fd(), writer.as_fd()),
            (Channel::Socket, one.as_fd(), other.as_fd()),
        ];
        for (mut channel, reader, writer) in ends {
            let mut buffer = [0; 100];
            assert_eq!(channel.read(reader, &mut buffer), Err(Errno::AGAIN), "{channel:?}");
            let interrupt = Interrupt::new();
            let text = [IoSlice::new(b"some"), IoSlice::new(b""), IoSlice::new(b"thing")];
            assert_eq!(channel.write_all(writer, &text, false, &interrupt).unwrap(), 9);
            assert_eq!(channel.read(reader, &mut buffer), Ok(9));
            assert_eq!(&buffer[..9], b"something");
        }
        assert_eq!(Channel::of(reader.as_fd()), Channel::Pipe);
        assert_eq!(Channel::of(one.as_fd()), Channel::Socket);
    }

    /// Pipes with names refuse to be read without waiting, which the channel remembers.
    #[test]
    fn a_pipe_may_refuse() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0)
            .unwrap();
        let both = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut channel = Channel::of(both.as_fd());
        assert_eq!(channel, Channel::Pipe);
        let mut buffer = [0; 10];
        assert_eq!(channel.read(both.as_fd(), &mut buffer), Err(Errno::AGAIN));
        let written = channel.write_all(both.as_fd(), &[IoSlice::new(b"text")], false, &Interrupt::new());
        assert_eq!(written.unwrap(), 4);
        assert_eq!(channel.read(both.as_fd(), &mut buffer), Ok(4));
        assert_eq!(&buffer[..4], b"text");
    }

    #[test]
    fn a_full_pipe_takes_a_part_or_waits_for_its_reader() {
        let (mut reader, writer) = io::pipe().unwrap();
        let interrupt = Interrupt::new();
        let bytes: Vec<u8> = (0..1_000_000u32).map(|i| (i / 100) as u8).collect();
        let buffers = [IoSlice::new(&bytes[..7]), IoSlice::new(&bytes[7..])];
        let mut channel = Channel::Pipe;
        let part = channel.write_all(writer.as_fd(), &buffers, true, &interrupt).unwrap();
        assert!(part > 0 && part < bytes.len());
        let full = channel.write_all(writer.as_fd(), &buffers, true, &interrupt);
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::WouldBlock);

        let read = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        let rest = after(&buffers, part);
        let count = channel.write_all(writer.as_fd(), &rest, false, &interrupt).unwrap();
        assert_eq!(part + count, bytes.len());
        drop(writer);
        assert_eq!(read.join().unwrap().unwrap(), bytes);
    }

    #[test]
    fn an_interruption_ends_the_wait_for_a_reader() {
        let (_reader, writer) = io::pipe().unwrap();
        let interrupt = Interrupt::new();
        interrupt.set();
        let bytes = vec![0; 1 << 20];
        let written = Channel::Pipe.write_all(writer.as_fd(), &[IoSlice::new(&bytes)], false, &interrupt).unwrap();
        assert!(written < bytes.len());
        let error = Channel::Pipe.write_all(writer.as_fd(), &[IoSlice::new(&bytes)], false, &interrupt);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::Interrupted);
    }
}
