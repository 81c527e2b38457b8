//! The value that is given back neither outlives what it borrows nor goes where it must not.

use epsilon::GcHeapOutOfMemory;
use std::rc::Rc;

fn longer<'a>(error: GcHeapOutOfMemory<&'a str>) -> GcHeapOutOfMemory<&'static str> {
    error
}

fn goes_to_threads<V: Send>(_: V) {}

fn to_a_thread(error: GcHeapOutOfMemory<Rc<u8>>) {
    goes_to_threads(error);
}

fn main() {}
