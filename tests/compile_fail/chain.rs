//! A `Chain<'a>` does not outlive its error.

use epsilon::Chain;

fn longer<'a>(value: Chain<'a>) -> Chain<'static> {
    value
}

fn main() {}
