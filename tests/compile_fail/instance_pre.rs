//! `InstancePre<T>` is invariant in `T`: host functions that it holds get a `&mut T`.

use epsilon::InstancePre;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow(value: InstancePre<Wide>) -> InstancePre<Narrow> {
    value
}

fn to_wide(value: InstancePre<Narrow>) -> InstancePre<Wide> {
    value
}

fn main() {}
