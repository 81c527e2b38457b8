//! Waiting for the other end of a pipe with a name. The host would wait in `open`, where nothing but a signal that comes
//! at the right time ends it; so pipes are opened without waiting, and looked at again after a moment.

use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, tee};

use crate::world::channel::is_ready;

/// Whether somebody has opened the pipe for writing, or had: opening it for reading need not wait.
///
/// `poll` tells of bytes, and of a writer that has gone. A writer that is silent shows by the error of an attempt to copy
/// what there is, which takes nothing out of the pipe. Where the host cannot be asked, the first read waits.
pub(crate) fn has_writer(reader: BorrowedFd<'_>) -> bool {
    if is_ready(reader, PollFlags::IN) {
        return true;
    }
    let Ok((_end, other)) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK) else { return true };
    tee(reader, other, 1, SpliceFlags::NONBLOCK) != Ok(0)
}
