//! A `GuestMemory` stays on its thread: what shares a memory need not work from several.

use epsilon_wasi::GuestMemory;

fn sent(_: impl Send) {}
fn shared(_: impl Sync) {}

fn send(memory: GuestMemory<'static>) {
    sent(memory)
}

fn share(memory: GuestMemory<'static>) {
    shared(memory)
}

fn main() {}
