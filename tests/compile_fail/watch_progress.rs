//! What a `Watch` reports to is called from several threads.

use epsilon::Watch;
use std::cell::Cell;

fn main() {
    let count = Cell::new(0);
    let count_up = |_| count.set(count.get() + 1);
    let _ = Watch::new().progress(&count_up);
}
