//! Where a guest's standard input comes from.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use crate::world::channel::Channel;
use crate::world::interrupt::Interrupt;

/// A source of standard input.
pub(crate) enum Input {
    /// The standard input of the process.
    Host(Channel),
    /// Bytes given beforehand, and how many have been read.
    Bytes(Vec<u8>, usize),
    /// Whatever the embedder's stream yields.
    Stream(Box<dyn Read + Send>),
}

impl Input {
    pub fn host(&self) -> Option<BorrowedFd<'static>> {
        matches!(self, Input::Host(_)).then(rustix::stdio::stdin)
    }

    /// Reads what is there. Of the process's own input, `WouldBlock` says that nothing is yet; a reader of the
    /// embedder's may wait.
    pub fn read(&mut self, buffer: &mut [u8], interrupt: &Interrupt) -> io::Result<usize> {
        match self {
            Input::Host(channel) => interrupt.retry(|| channel.read(rustix::stdio::stdin(), &mut *buffer)),
            Input::Bytes(bytes, position) => {
                let count = (&bytes[*position..]).read(buffer)?;
                *position += count;
                Ok(count)
            }
            Input::Stream(stream) => loop {
                match stream.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted && !interrupt.is_set() => {}
                    other => return other,
                }
            },
        }
    }

    /// How many bytes are known to be there, where no descriptor can be asked.
    pub fn ready_bytes(&self) -> u64 {
        match self {
            Input::Bytes(bytes, position) => (bytes.len() - position) as u64,
            _ => 0,
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Input::Host(_) => "Host",
            Input::Bytes(..) => "Bytes",
            Input::Stream(_) => "Stream",
        })
    }
}
