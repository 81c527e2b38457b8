//! A lock is invariant in what it guards, and shared with threads only if that may go there.

use epsilon_runtime::ForkMutex;
use std::rc::Rc;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn shared(_: impl Sync) {}

fn to_narrow<'a>(value: &'a ForkMutex<Wide>) -> &'a ForkMutex<Narrow> {
    value
}

fn to_wide<'a>(value: &'a ForkMutex<Narrow>) -> &'a ForkMutex<Wide> {
    value
}

fn share(value: ForkMutex<Rc<()>>) {
    shared(value)
}

fn main() {}
