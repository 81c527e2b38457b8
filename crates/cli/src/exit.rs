//! With which exit code the command ends, if it is not the guest's own.

use crate::options::TimeLimit;

/// Something could not be done.
pub const ERROR: i32 = 1;
/// The guest's time was up; the code of `timeout(1)`.
pub const TIMEOUT: i32 = 124;
/// Plus the signal's number: a signal ended the guest. Shells count so.
pub const SIGNAL: i32 = 128;
/// The guest trapped; the code of a process that calls `abort`.
pub const TRAP: i32 = 134;

/// Why a guest was interrupted.
#[derive(Clone, Debug)]
pub enum Cause {
    /// By a signal.
    Signal(i32),
    /// Because its time was up.
    Time(TimeLimit),
}

impl Cause {
    /// The exit code for it.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Signal(number) => SIGNAL + number,
            Self::Time(_) => TIMEOUT,
        }
    }
}
