//! The custom section `metadata.code.branch_hint`: which branches are likely to be taken.
//!
//! Hints change where code lies, never what it does. A section that cannot be read to its end counts as far as it can.

use epsilon_abi::FuncIndex;
use std::collections::HashMap;
use wasmparser::BranchHintSectionReader;

/// The hints of a module.
#[derive(Debug, Default)]
pub(crate) struct BranchHints(HashMap<FuncIndex, Box<[Hint]>>);

/// Where in a function's body a branch is, and whether it is likely to be taken.
type Hint = (u32, bool);

impl BranchHints {
    /// Takes in a section.
    pub(super) fn read(&mut self, section: BranchHintSectionReader<'_>) {
        for function in section {
            let Ok(function) = function else { return };
            let hints = function.hints.into_iter().map_while(Result::ok);
            let mut hints: Vec<Hint> = hints.map(|hint| (hint.func_offset, hint.taken)).collect();
            hints.sort_unstable_by_key(|(at, _)| *at);
            self.0.insert(FuncIndex(function.func), hints.into());
        }
    }

    /// How much memory they take.
    pub(super) fn held_bytes(&self) -> usize {
        self.0.values().map(|hints| 64 + hints.len() * size_of::<Hint>()).sum()
    }

    /// The hints of a function, sorted by offset.
    pub(crate) fn of(&self, func: FuncIndex) -> &[Hint] {
        self.0.get(&func).map_or(&[], |hints| hints)
    }
}
