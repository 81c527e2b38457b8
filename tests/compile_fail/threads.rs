//! `Threads<T>` is invariant in `T`: what it runs on each store gets a `&mut Store<T>`.

use epsilon_wasi::Threads;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow(value: Threads<Wide>) -> Threads<Narrow> {
    value
}

fn to_wide(value: Threads<Narrow>) -> Threads<Wide> {
    value
}

fn main() {}
