//! A `StoreContext<'_, T>` goes to another thread only if its `T` may.

use epsilon::StoreContext;
use std::cell::Cell;
use std::rc::Rc;

fn sent(_: impl Send) {}
fn shared(_: impl Sync) {}

fn send(context: StoreContext<'_, Rc<()>>) {
    sent(context)
}

fn share(context: StoreContext<'_, Cell<()>>) {
    shared(context)
}

fn main() {}
