//! A `GuestMemory<'a>` does not outlive what it was lent.

use epsilon_wasi::GuestMemory;

fn longer<'a>(value: GuestMemory<'a>) -> GuestMemory<'static> {
    value
}

fn main() {}
