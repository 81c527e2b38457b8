//! `StoreContext<'a, T>` is invariant in `T`: what limits a store gets a `&mut T`.

use epsilon::StoreContext;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow<'a>(value: StoreContext<'a, Wide>) -> StoreContext<'a, Narrow> {
    value
}

fn to_wide<'a>(value: StoreContext<'a, Narrow>) -> StoreContext<'a, Wide> {
    value
}

fn longer<'a>(value: StoreContext<'a, ()>) -> StoreContext<'static, ()> {
    value
}

fn main() {}
