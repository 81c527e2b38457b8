//! A `ImportType<'a>` does not outlive its module.

use epsilon::ImportType;

fn longer<'a>(value: ImportType<'a>) -> ImportType<'static> {
    value
}

fn main() {}
