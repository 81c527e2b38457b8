//! References of one kind do not become those of another but by the conversions that there are, and there are no kinds
//! but Epsilon's own.

use epsilon::{AnyRef, Rooted, StructRef};

fn narrower(value: Rooted<AnyRef>) -> Rooted<StructRef> {
    value
}

fn narrower_by_conversion(value: Rooted<AnyRef>) -> Rooted<StructRef> {
    value.into()
}

struct Mine;

fn of_another_kind(_: Rooted<Mine>) {}

fn main() {}
