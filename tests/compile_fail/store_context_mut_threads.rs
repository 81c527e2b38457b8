//! A `StoreContextMut<'_, T>` goes to another thread only if its `T` may.

use epsilon::StoreContextMut;
use std::cell::Cell;
use std::rc::Rc;

fn sent(_: impl Send) {}
fn shared(_: impl Sync) {}

fn send(context: StoreContextMut<'_, Rc<()>>) {
    sent(context)
}

fn share(context: StoreContextMut<'_, Cell<()>>) {
    shared(context)
}

fn main() {}
