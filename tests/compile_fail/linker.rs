//! `Linker<T>` is invariant in `T`: host functions that it holds get a `&mut T`.

use epsilon::Linker;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow(value: Linker<Wide>) -> Linker<Narrow> {
    value
}

fn to_wide(value: Linker<Narrow>) -> Linker<Wide> {
    value
}

fn main() {}
