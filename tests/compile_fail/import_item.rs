//! `ImportItem<'_, T>` is invariant in `T`: a host function that it leads to gets a `&mut T`.

use epsilon_runtime::ImportItem;

type Narrow = fn(&'static str);
type Wide = for<'a> fn(&'a str);

fn to_narrow(value: ImportItem<'static, Wide>) -> ImportItem<'static, Narrow> {
    value
}

fn to_wide(value: ImportItem<'static, Narrow>) -> ImportItem<'static, Wide> {
    value
}

fn main() {}
