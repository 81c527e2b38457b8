//! References of one kind do not become those of another but by the conversions that there are.

use epsilon::{AnyRef, EqRef, OwnedRooted};

fn narrower(value: OwnedRooted<AnyRef>) -> OwnedRooted<EqRef> {
    value
}

fn narrower_by_conversion(value: OwnedRooted<AnyRef>) -> OwnedRooted<EqRef> {
    value.into()
}

fn main() {}
