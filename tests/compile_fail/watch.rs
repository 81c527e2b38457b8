//! A `Watch<'a>` does not outlive what it reports to.

use epsilon::Watch;

fn longer<'a>(value: Watch<'a>) -> Watch<'static> {
    value
}

fn main() {}
