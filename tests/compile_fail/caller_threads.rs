//! A `Caller<'_, T>` goes to another thread only if its `T` may.

use epsilon::Caller;
use std::cell::Cell;
use std::rc::Rc;

fn sent(_: impl Send) {}
fn shared(_: impl Sync) {}

fn send(caller: Caller<'_, Rc<()>>) {
    sent(caller)
}

fn share(caller: Caller<'_, Cell<()>>) {
    shared(caller)
}

fn main() {}
