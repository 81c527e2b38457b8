//! The `name` section. It is not part of what makes a module valid: what cannot be read is left out.

use epsilon_abi::{FuncIndex, ModuleInfo};
use std::ops::Range;
use wasmparser::{Name, NameSectionReader};

/// Takes in the names of the module and of its functions.
pub(super) fn read(info: &mut ModuleInfo, wasm: &[u8], names: NameSectionReader<'_>) {
    for name in names {
        match name {
            Ok(Name::Module { name, .. }) => info.name = Some(name.to_owned()),
            Ok(Name::Function(functions)) => {
                for naming in functions {
                    let Ok(naming) = naming else { break };
                    if let Some(range) = range_in(wasm, naming.name) {
                        info.function_names.push((FuncIndex(naming.index), range));
                    }
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    info.function_names.sort_by_key(|(func, _)| *func);
    info.function_names.dedup_by_key(|(func, _)| *func);
}

/// Where a part of `wasm` lies in it.
fn range_in(wasm: &[u8], part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(wasm.as_ptr().addr())?;
    let range = start..start + part.len();
    wasm.get(range.clone()).map(|_| range)
}
