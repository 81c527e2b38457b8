//! No type with a lifetime is a parameter or result of a `TypedFunc`, so its variance gives nothing away.

use epsilon::TypedFunc;

type Narrow = fn(&'static str);

fn call(value: TypedFunc<Narrow, ()>, store: &mut epsilon::Store<()>) {
    let _ = value.call(store, |_| ());
}

fn main() {}
