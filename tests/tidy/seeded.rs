//! Seeded bugs: each entry still fits the source that it names, and has a row in the table of what caught it.

#[path = "../proof/seeded/bugs.rs"]
pub mod bugs;

use super::tree::{Finding, Tree};

const TABLE: &str = "tests/proof/README.md";

/// Entries that do not fit, and those without a row.
pub fn entries(tree: &Tree) -> Vec<Finding> {
    let read = |path: &str| tree.texts(path).find(|(found, _)| *found == path).map(|(_, text)| text.to_owned());
    let table = read(TABLE).unwrap_or_default();
    let mut findings = Vec::new();
    for (path, text) in tree.texts(".bugs") {
        let line_of = |name: &str| text.lines().position(|line| line == format!("# {name}")).map_or(1, |at| at + 1);
        let bugs = bugs::parse(text).unwrap_or_else(|error| {
            findings.push(Finding::new(path, 1, error));
            Vec::new()
        });
        for wrong in bugs::apply(&bugs, read).err().into_iter().flatten() {
            let line = wrong.split_once([':', ' ']).map_or(1, |(name, _)| line_of(name));
            findings.push(Finding::new(path, line, wrong));
        }
        for bug in &bugs {
            if !table.contains(&format!("| `{}` |", bug.name)) {
                let problem = format!("`{}` has no row in {TABLE}: `ci/seeded.sh {}` prints it", bug.name, bug.name);
                findings.push(Finding::new(path, line_of(&bug.name), problem));
            }
        }
    }
    findings
}
