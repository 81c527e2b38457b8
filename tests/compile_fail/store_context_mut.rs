//! `StoreContextMut<'a, T>` is invariant in `T`: what limits a store gets a `&mut T`.

use epsilon::StoreContextMut;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow<'a>(value: StoreContextMut<'a, Wide>) -> StoreContextMut<'a, Narrow> {
    value
}

fn to_wide<'a>(value: StoreContextMut<'a, Narrow>) -> StoreContextMut<'a, Wide> {
    value
}

fn longer<'a>(value: StoreContextMut<'a, ()>) -> StoreContextMut<'static, ()> {
    value
}

fn main() {}
