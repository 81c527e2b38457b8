//! The calls: `list` has each of them by name, the other files hold them by topic. Knows nothing of the virtual machine.

pub mod args_env;
pub mod clock;
pub mod dir;
pub mod fd;
pub mod fd_io;
pub mod list;
pub mod path;
pub mod poll;
pub mod proc;
pub mod random;
pub mod sock;
