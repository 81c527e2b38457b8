//! An `Export<'a>` does not outlive its store.

use epsilon::Export;

fn longer<'a>(value: Export<'a>) -> Export<'static> {
    value
}

fn main() {}
