//! `HostFunc<T>` is invariant in `T`: host functions that it holds get a `&mut T`.

use epsilon_runtime::HostFunc;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow(value: HostFunc<Wide>) -> HostFunc<Narrow> {
    value
}

fn to_wide(value: HostFunc<Narrow>) -> HostFunc<Wide> {
    value
}

fn main() {}
