//! What `Cargo.toml` and `Cargo.lock` may say: which crate may know which, which lints hold, which Cranelift it is.

use super::tree::{Finding, Tree};

/// Which of our crates each of our crates may depend on, by folder. What is not here is forbidden.
const EDGES: &[(&str, &[&str])] = &[
    ("crates/abi", &[]),
    ("crates/compiler", &["epsilon-abi"]),
    ("runtime", &["epsilon-abi"]),
    ("crates/epsilon", &["epsilon-abi", "epsilon-compiler", "epsilon-runtime"]),
    ("crates/wasi", &["epsilon"]),
    ("crates/wast", &["epsilon"]),
    ("crates/cli", &["epsilon", "epsilon-wasi", "epsilon-wast"]),
];

/// Never in one another's manifest, not even for tests.
const STRANGERS: [(&str, &str); 2] = [("crates/compiler", "epsilon-runtime"), ("runtime", "epsilon-compiler")];

/// The Cranelift that everything here was written against.
const CRANELIFT: &str = "0.135.";

/// Where every foreign package comes from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A line of a manifest that names a dependency.
struct Dependency<'a> {
    line: usize,
    /// The package, whatever it is called here.
    package: &'a str,
    /// Whether only tests, examples and benches see it.
    is_dev: bool,
}

/// Each of our crates depends only on those that the architecture lets it know.
pub fn edges(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in members(tree) {
        let folder = path.trim_end_matches("/Cargo.toml");
        let Some((_, allowed)) = EDGES.iter().find(|(of, _)| *of == folder) else {
            findings.push(Finding::new(path, 1, "a crate that EDGES in tests/tidy/manifests.rs does not know: add it"));
            continue;
        };
        for Dependency { line, package, is_dev } in dependencies(text) {
            let stranger = STRANGERS.contains(&(folder, package));
            let ours = package == "epsilon" || package.starts_with("epsilon-");
            if stranger || ours && !is_dev && !allowed.contains(&package) {
                let message = format!(
                    "{folder} must not know {package}. Move what both need down into a crate that both may know \
                     (crates/abi), or the code that needs it up; the edges are in ARCHITECTURE.md"
                );
                findings.push(Finding::new(path, line, message));
            }
        }
    }
    findings
}

/// `anyhow` is a dependency of the command alone: libraries have errors that can be matched. The runtime may have it for
/// conversions, if nobody has to.
pub fn error_crates(tree: &Tree) -> Vec<Finding> {
    let manifests = members(tree).filter(|(path, _)| *path != "crates/cli/Cargo.toml");
    let root = ("Cargo.toml", tree.text("Cargo.toml"));
    let mut findings = Vec::new();
    for (path, text) in manifests.chain([root]) {
        let is_optional = |line: usize| text.lines().nth(line - 1).is_some_and(|line| line.contains("optional = true"));
        let found = dependencies(text).into_iter().filter(|dependency| dependency.package == "anyhow");
        for dependency in found.filter(|found| path != "runtime/Cargo.toml" || !is_optional(found.line)) {
            let message = "anyhow is for crates/cli, and an option of runtime; make an error enum with thiserror";
            findings.push(Finding::new(path, dependency.line, message));
        }
    }
    findings
}

/// Every crate takes the workspace's lints.
pub fn lints(tree: &Tree) -> Vec<Finding> {
    let inherits = |text: &str| {
        let mut section = lines_of_sections(text).filter(|(section, ..)| *section == "lints");
        section.any(|(_, _, line)| line.replace(' ', "") == "workspace=true")
    };
    let missing = members(tree).filter(|(_, text)| !inherits(text));
    missing.map(|(path, _)| Finding::new(path, 1, "add `[lints]` with `workspace = true`")).collect()
}

/// One Cranelift, of the pinned release line, and every package from the one registry.
pub fn lock(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut package = "";
    for (at, line) in tree.text("Cargo.lock").lines().enumerate() {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let value = value.trim_matches('"');
        match key {
            "name" => package = value,
            "version" if package.starts_with("cranelift") && !value.starts_with(CRANELIFT) => {
                let message = format!("{package} {value}: everything of Cranelift is {CRANELIFT}x here");
                findings.push(Finding::new("Cargo.lock", at + 1, message));
            }
            "source" if value != REGISTRY => {
                let message = format!("{package} comes from {value}; packages come from crates.io only");
                findings.push(Finding::new("Cargo.lock", at + 1, message));
            }
            _ => {}
        }
    }
    findings
}

fn members(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.texts("/Cargo.toml").filter(|(path, _)| path.starts_with("crates/") || path.starts_with("runtime/"))
}

/// Lines with something in them: the section's name, the number from 1, and the line without its comment.
fn lines_of_sections(text: &str) -> impl Iterator<Item = (&str, usize, &str)> {
    let mut section = "";
    let mut open_brackets = 0;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = line.split(" #").next().unwrap_or_default().trim();
        let continues = open_brackets > 0;
        if !continues && line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            return None;
        }
        open_brackets += line.matches(['[', '{']).count();
        open_brackets = open_brackets.saturating_sub(line.matches([']', '}']).count());
        (!continues && !line.is_empty() && !line.starts_with('#')).then_some((section, at + 1, line))
    })
}

/// All dependencies of a manifest, of every kind and target. `[workspace.dependencies]` only gives them names.
fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    for (section, line, content) in lines_of_sections(text) {
        let (table, one) = match section.rsplit_once('.') {
            Some((before, last)) if last.ends_with("dependencies") => (section, before == "workspace"),
            Some((before, _)) if before.ends_with("dependencies") => (before, false),
            _ => (section, false),
        };
        if one || table.starts_with("workspace") || !table.ends_with("dependencies") {
            continue;
        }
        let named = if table == section { content.split(['.', '=', ' ']).next() } else { section.rsplit('.').next() };
        let named = named.unwrap_or_default().trim_matches('"');
        let package = renamed(content).unwrap_or(named);
        found.push(Dependency { line, package, is_dev: table.ends_with("dev-dependencies") });
    }
    found
}

/// What `package = "…"` says.
fn renamed(line: &str) -> Option<&str> {
    let after = line.split_once("package = \"")?.1;
    after.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_in_all_their_forms() {
        let text = r#"
            [package]
            name = "x"
            [dependencies]
            a.workspace = true
            b = { version = "1", features = [
                "not-a-dependency",
            ] }
            "c" = "1" # d
            alias = { package = "e", version = "1" }
            [target.'cfg(unix)'.dependencies]
            f = "1"
            [dependencies.g]
            version = "1"
            [dev-dependencies]
            h = "1"
            [workspace.dependencies]
            i = "1"
        "#;
        let found = dependencies(text);
        let names: Vec<_> = found.iter().map(|dependency| dependency.package).collect();
        assert_eq!(names, ["a", "b", "c", "e", "f", "g", "h"]);
        assert!(found.iter().all(|dependency| dependency.is_dev == (dependency.package == "h")));
        assert_eq!(found[0].line, 5);
    }
}
