//! `Caller<'a, T>` is invariant in `T`, as the `&mut T` inside.

use epsilon::Caller;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow<'a>(value: Caller<'a, Wide>) -> Caller<'a, Narrow> {
    value
}

fn to_wide<'a>(value: Caller<'a, Narrow>) -> Caller<'a, Wide> {
    value
}

fn longer<'a>(value: Caller<'a, ()>) -> Caller<'static, ()> {
    value
}

fn main() {}
