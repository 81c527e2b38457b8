//! The stack that the command runs on: that of the main thread, unless the parent process has left it little.

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::SigSet;

/// Reading options, texts and debug information takes a fraction of this.
const ENOUGH_BYTES: u64 = 1 << 20;

/// What a main thread usually has.
const USUAL_BYTES: usize = 8 << 20;

/// Runs `body`, which ends the process: here, or on a thread of its own where `ulimit -s` is small.
pub fn run_on_enough(body: fn()) {
    if getrlimit(Resource::RLIMIT_STACK).is_ok_and(|(bytes, _)| bytes >= ENOUGH_BYTES) {
        return body();
    }
    let Ok(thread) = std::thread::Builder::new().name("main".into()).stack_size(USUAL_BYTES).spawn(body) else {
        return body();
    };
    // Signals are for the thread that does the work, which has been made with none of them blocked.
    let _ = SigSet::all().thread_block();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
