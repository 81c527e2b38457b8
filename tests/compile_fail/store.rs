//! `Store<T>` is invariant in `T`.

use epsilon::Store;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow(value: Store<Wide>) -> Store<Narrow> {
    value
}

fn to_wide(value: Store<Narrow>) -> Store<Wide> {
    value
}

fn main() {}
