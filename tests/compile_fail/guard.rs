//! What holds a lock stays on its thread: `fork` counts by thread who is held off.

use epsilon_runtime::ForkGuard;

fn sent(_: impl Send) {}

fn send(guard: ForkGuard<()>) {
    sent(guard)
}

fn main() {}
