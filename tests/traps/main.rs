//! How calls end that do not return: traps, overflows, host errors, panics, interruptions, and faults of others. Each
//! as designed, thousands of times, without a trace left behind.

mod codes;
mod compiling;
mod errors;
mod floats;
mod fork;
mod host_handlers;
mod host_stacks;
mod instances;
mod interrupts;
mod overflow;
mod signals;
mod stack_use;
mod steps;
#[path = "../support.rs"]
mod support;
mod tenants;

use epsilon::Error;

/// The names of an error's frames, innermost first.
fn names(error: &Error) -> Vec<&str> {
    let frames = error.backtrace().expect("wasm was running").frames();
    frames.iter().map(|frame| frame.func_name().unwrap_or("?")).collect()
}
