//! Names that may stand in some places only: crates behind a border, folders of somebody's machine, links in documents,
//! numbers of invariants.

use super::lexer::{Kind, Token};
use super::tree::{Finding, Source, Tree};

/// A crate that only some files may name.
struct Border {
    names: &'static [&'static str],
    /// Where the border runs: paths that begin like this, without those in `inside`.
    around: &'static [&'static str],
    inside: &'static [&'static str],
    mend: &'static str,
}

const BORDERS: [Border; 4] = [
    Border {
        names: &["anyhow"],
        around: &[""],
        // The benchmarks are a program, and a package outside of the workspace.
        inside: &["crates/cli/", "benches/", "runtime/src/base/error/"],
        mend: "anyhow is for crates/cli, and for conversions in runtime/src/base/error; make an error enum with thiserror",
    },
    Border {
        names: &["cranelift_jit"],
        around: &[""],
        inside: &["runtime/src/code/link.rs"],
        mend: "runtime/src/code/link.rs is the one file that names cranelift-jit; give it a function that does this",
    },
    Border {
        names: &["libc"],
        around: &["crates/", "runtime/", "examples/"],
        inside: &["runtime/src/sys/", "runtime/tests/"],
        mend: "what is the operating system's goes behind runtime/src/sys",
    },
    Border {
        names: &["rustix"],
        around: &["runtime/src/"],
        inside: &["runtime/src/sys/"],
        mend: "what is the operating system's goes behind runtime/src/sys",
    },
];

/// Names of crates stay behind their borders.
pub fn borders(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for border in &BORDERS {
        let is_in = |path: &str, places: &[&str]| places.iter().any(|place| path.starts_with(place));
        let outside = tree.sources.iter().filter(|s| is_in(&s.path, border.around) && !is_in(&s.path, border.inside));
        for source in outside {
            let named = source.code().filter(|(_, token)| border.names.iter().any(|name| source.is_ident(token, name)));
            findings.extend(named.map(|(_, token)| Finding::new(&source.path, token.line, border.mend)));
        }
    }
    findings
}

/// Every source says first what it is for.
pub fn headers(tree: &Tree) -> Vec<Finding> {
    let silent = tree.sources.iter().filter(|source| !source.text.starts_with("//!"));
    let message = "begin the file with `//!`: what it owns, and what it must not know";
    silent.map(|source| Finding::new(&source.path, 1, message)).collect()
}

/// Folders and hosts of one machine, in two parts so that this file does not name them.
const WORKPLACES: [(&str, &str); 9] = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    (".cargo/reg", "istry"),
    ("index.crat", "es.io"),
    ("static.crat", "es.io"),
    ("files.python", "hosted.org"),
    ("registry.npm", "js.org"),
];

/// No file, compiled guests included, names a folder or a host of the machine that made it.
pub fn workplaces(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (a, b) in WORKPLACES {
            let name = format!("{a}{b}");
            if let Some(at) = find_name(&file.bytes, name.as_bytes()) {
                let line = 1 + file.bytes[..at].iter().filter(|byte| **byte == b'\n').count();
                let message = format!("`{name}` is of somebody's machine; use a relative path or a variable");
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

/// The first place of `name` where it does not go on from a longer name.
fn find_name(bytes: &[u8], name: &[u8]) -> Option<usize> {
    let goes_on = |at: usize| at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || b"._-}".contains(&bytes[at - 1]));
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == name[0]).map(|(at, _)| at);
    starts.into_iter().find(|at| bytes[*at..].starts_with(name) && !goes_on(*at))
}

/// Links in documents lead to files that are there.
pub fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(".md") {
        for (at, line) in text.lines().enumerate() {
            for rest in line.split("](").skip(1) {
                let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
                if !target.is_empty() && !target.contains("://") && !leads_somewhere(tree, path, target) {
                    findings.push(Finding::new(path, at + 1, format!("the link to `{target}` leads nowhere")));
                }
            }
        }
    }
    findings
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let path = parts.join("/");
    tree.files.iter().any(|file| file.path == path || file.path.starts_with(&format!("{path}/")))
}

/// Comments cite invariants by numbers that ARCHITECTURE.md has.
pub fn invariants(tree: &Tree) -> Vec<Finding> {
    let listed = listed_invariants(tree.text("ARCHITECTURE.md"));
    let mut findings = Vec::new();
    for source in &tree.sources {
        for token in source.tokens.iter().filter(|token| token.kind == Kind::Comment) {
            for number in cited(source, token).filter(|number| !(1..=listed).contains(number)) {
                let message = format!("ARCHITECTURE.md has invariants 1 to {listed}, and no {number}");
                findings.push(Finding::new(&source.path, token.line, message));
            }
        }
    }
    findings
}

/// How many items the numbered list under the heading `Invariants` has.
pub fn listed_invariants(text: &str) -> usize {
    let section = text.split("\n## ").find(|section| section.starts_with("Invariants")).unwrap_or_default();
    (1..).take_while(|n| section.contains(&format!("\n{n}. "))).count()
}

/// The numbers behind `invariant` and `invariants` in a comment: `invariant 4`, `invariants 3 and 6`.
fn cited<'a>(source: &'a Source, token: &Token) -> impl Iterator<Item = usize> + 'a {
    cited_in(source.text_of(token))
}

/// As [`cited`], in a text.
pub fn cited_in(text: &str) -> impl Iterator<Item = usize> + '_ {
    let citations = text.split("invariant").skip(1);
    citations.flat_map(|rest| {
        let words = rest.strip_prefix('s').unwrap_or(rest).split([' ', ',', '/']).filter(|word| !word.is_empty());
        let words = words.map(|word| word.trim_end_matches([')', '.', ':', ';']));
        words.filter(|word| *word != "and").map_while(|word| word.parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::tokens;

    #[test]
    fn citations_are_read() {
        let text = "// (invariant 7). Invariants, in the plural: invariants 3 and 6, 12. No invariant here.";
        let source = Source { path: String::new(), text: text.into(), tokens: tokens(text) };
        assert_eq!(cited(&source, &source.tokens[0]).collect::<Vec<_>>(), [7, 3, 6, 12]);
        assert_eq!(listed_invariants("a\n## Invariants\n\n1. b\n   c\n2. d\n\n## E\n3. f\n"), 2);
    }

    #[test]
    fn folders_count_only_at_their_beginning() {
        let (a, b) = WORKPLACES[0];
        let name = format!("{a}{b}");
        assert_eq!(find_name(format!("x {name}y").as_bytes(), name.as_bytes()), Some(2));
        assert_eq!(find_name(format!("frame{name}y").as_bytes(), name.as_bytes()), None);
    }
}
