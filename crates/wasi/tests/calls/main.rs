//! The behaviour of every call, by topic. Each test says which passage of the specification it holds a call to; the
//! quotations are from the witx files of preview 1, and where those refer to POSIX, POSIX.1-2017 is meant.

mod args_env;
mod clock_random;
mod directories;
mod files;
mod flags;
mod guest;
mod hostile;
mod links;
mod metadata;
mod names;
mod opening;
mod pipes;
mod poll;
mod process;
mod read_only;
mod renumber;
mod rights;
mod sandbox;
mod sockets;
mod stdio;
mod unstable;
