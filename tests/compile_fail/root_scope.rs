//! A scope borrows its store, whose data it neither outlives nor takes to another thread.

use epsilon::{RootScope, Store};
use std::cell::Cell;
use std::rc::Rc;

fn outlives(store: &mut Store<u8>) -> RootScope<&'static mut Store<u8>> {
    RootScope::new(store)
}

fn goes_to_threads<V: Send>(_: V) {}

fn to_a_thread(store: &mut Store<Rc<Cell<u8>>>) {
    goes_to_threads(RootScope::new(store));
}

fn at_once(store: &mut Store<u8>) {
    let scope = RootScope::new(&mut *store);
    let _ = store.data();
    drop(scope);
}

fn main() {}
