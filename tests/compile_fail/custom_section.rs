//! A `CustomSection<'a>` does not outlive its module.

use epsilon::CustomSection;

fn longer<'a>(value: CustomSection<'a>) -> CustomSection<'static> {
    value
}

fn main() {}
