//! A `Store<T>` moves to another thread, or is shared with one, only if its `T` may.

use epsilon::Store;
use std::cell::Cell;
use std::rc::Rc;

fn sent(_: impl Send) {}
fn shared(_: impl Sync) {}

fn send(store: Store<Rc<()>>) {
    sent(store)
}

fn share(store: Store<Cell<()>>) {
    shared(store)
}

fn main() {}
