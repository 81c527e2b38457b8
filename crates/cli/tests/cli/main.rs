//! The command, driven as a process: exit codes, messages, and what reaches the guest.

mod ahead;
mod command;
mod compiling;
mod context;
mod errors;
mod files;
mod guests;
mod hostile;
mod hostile_modules;
mod invoke;
mod limits;
mod names;
mod output;
mod run;
mod stop;
mod threads;
mod tools;
