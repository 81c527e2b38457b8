//! Floors: inside of a crate, files use only what lies on their own floor or below, and no files use each other in a circle.

use super::graph::{Edge, edges};
use super::modules::Crate;
use super::remaining;
use super::tree::{Finding, Tree};
use std::collections::BTreeMap;

/// A crate's floors.
struct House {
    /// Where its sources lie.
    folder: &'static str,
    /// Its folders and files, from the ground up. What has the names of one row is on one floor.
    floors: &'static [&'static [&'static str]],
    /// Uses that are recursion of the thing itself: from, to, and why. At most [`MAX_RECURSIONS`].
    recursions: &'static [(&'static str, &'static str, &'static str)],
    /// Uses that are still to be turned round: from, and to. Never more than there are.
    remaining: &'static [(&'static str, &'static str)],
}

const MAX_RECURSIONS: usize = 5;

const HOUSES: &[House] = &[
    House {
        folder: "crates/abi/src/",
        floors: &[
            &["index", "numbers", "text", "trap", "types"],
            &["call", "heap", "maps", "module", "position"],
            &["vm", "sites"],
            &["compiled", "layout", "libcall", "plan"],
        ],
        recursions: &[],
        remaining: &[],
    },
    House {
        folder: "crates/wast/src/",
        floors: &[&["spectest", "values"], &["context"]],
        recursions: &[],
        remaining: &[],
    },
    House {
        folder: "crates/wasi/src/",
        floors: &[&["wire"], &["world"], &["calls"], &["shared"], &["linker", "threads"], &["p1"]],
        recursions: &[],
        remaining: &[],
    },
    House {
        folder: "crates/cli/src/",
        floors: &[
            &["options", "progress", "stack"],
            &["exit"],
            &["report"],
            &["host", "input", "invoke", "key", "output", "stop"],
            &["commands"],
        ],
        recursions: &[],
        remaining: &[],
    },
    House {
        folder: "crates/compiler/src/",
        floors: &[
            &["error", "limits", "merging", "pieces", "trap", "watch"],
            &["settings"],
            &["parse"],
            &["estimate"],
            &["isa"],
            &["passes"],
            &["codegen"],
            &["quick", "translate"],
            &["parallel"],
            &["compiler"],
        ],
        recursions: &[],
        remaining: remaining::COMPILER,
    },
    House {
        folder: "runtime/src/",
        floors: &[
            &["sys"],
            &["base"],
            &["threads"],
            &["fixed"],
            &["code"],
            &["heap"],
            &["space"],
            &["module"],
            &["types"],
            &["memory"],
            &["store"],
            &["exit"],
            &["call"],
            &["serve"],
            &["instantiate"],
            &["embed"],
        ],
        recursions: &[
            ("fixed/aarch64.rs", "serve/libcalls.rs", "fixed code jumps to libcalls by the symbol of their table"),
            ("fixed/x86_64.rs", "serve/libcalls.rs", "fixed code jumps to libcalls by the symbol of their table"),
        ],
        remaining: remaining::RUNTIME,
    },
    House {
        folder: "crates/epsilon/src/",
        floors: &[
            &["bytes", "codec", "externs", "hash", "watch"],
            &["cache"],
            &["config", "pooling", "symbols"],
            &["artifact", "background", "source", "tiering"],
            &["engine", "module"],
            &["linker", "settings"],
        ],
        recursions: &[],
        remaining: remaining::EPSILON,
    },
];

/// Files use what is on their floor or below it, and not each other in a circle.
pub fn floors(tree: &Tree) -> Vec<Finding> {
    HOUSES.iter().flat_map(|house| house.findings(tree)).collect()
}

impl House {
    fn findings(&self, tree: &Tree) -> Vec<Finding> {
        let read = Crate::read(tree, self.folder);
        if read.files.is_empty() {
            return Vec::new();
        }
        let mut findings = Vec::new();
        let finding =
            |file: &str, line: usize, message: String| Finding::new(&format!("{}{file}", self.folder), line, message);
        let mut edges = edges(&read);
        let path = |file: usize| read.files[file].path;
        let is_excused = |from: &str, to: &str| {
            self.recursions.iter().any(|one| (one.0, one.1) == (from, to)) || self.remaining.contains(&(from, to))
        };
        let excuses = self.recursions.iter().map(|one| (one.0, one.1)).chain(self.remaining.iter().copied());
        for (from, to) in excuses.filter(|one| !edges.iter().any(|edge| (path(edge.from), path(edge.to)) == *one)) {
            let message = format!("does not use {to} any more: take the excuse out of tests/tidy/floors.rs");
            findings.push(finding(from, 1, message));
        }
        if self.recursions.len() > MAX_RECURSIONS {
            findings.push(finding("lib.rs", 1, format!("more than {MAX_RECURSIONS} excuses of recursion")));
        }
        edges.retain(|edge| !is_excused(path(edge.from), path(edge.to)));
        for file in read.files.iter().filter(|file| self.floor(file.path).is_none()) {
            findings.push(finding(file.path, 1, "is on no floor: add it to tests/tidy/floors.rs".to_owned()));
        }
        let circles = circles(read.files.len(), &edges);
        for edge in &edges {
            let [from, to] = [edge.from, edge.to].map(path);
            let message = if self.floor(from) < self.floor(to) {
                format!("{to} is on a floor above; `{}` belongs below, or this above", edge.name)
            } else if circles[edge.from] == circles[edge.to] {
                format!("uses {to} (`{}`), which uses this file, directly or by others", edge.name)
            } else {
                continue;
            };
            findings.push(finding(from, edge.line, message));
        }
        findings
    }

    /// The floor of a file, from the ground up; the crate's root is the roof.
    fn floor(&self, file: &str) -> Option<usize> {
        let room = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
        if file == "lib.rs" || file == "main.rs" {
            return Some(self.floors.len());
        }
        self.floors.iter().position(|floor| floor.contains(&room))
    }
}

/// For each file a number that it has in common with those that it uses and that use it, directly or by others.
fn circles(files: usize, edges: &[Edge]) -> Vec<usize> {
    let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    edges.iter().for_each(|edge| next.entry(edge.from).or_default().push(edge.to));
    let reached = |from: usize| {
        let (mut seen, mut open) = (vec![false; files], vec![from]);
        while let Some(file) = open.pop() {
            let new: Vec<usize> = next.get(&file).into_iter().flatten().copied().filter(|to| !seen[*to]).collect();
            new.iter().for_each(|to| seen[*to] = true);
            open.extend(new);
        }
        seen
    };
    let reach: Vec<Vec<bool>> = (0..files).map(reached).collect();
    let first_in_common = |file: usize| (0..file).find(|other| reach[file][*other] && reach[*other][file]);
    (0..files).map(|file| first_in_common(file).unwrap_or(file)).collect()
}
