//! Public types with parameters, each of which has a file in `tests/compile_fail`.

use super::lexer::{Kind, Token};
use super::tree::{Finding, Source, Tree};
use std::collections::BTreeSet;

/// The crates that embedders see, by their folders.
const CRATES: [&str; 4] = ["runtime/src/", "crates/epsilon/src/", "crates/wasi/src/", "crates/wast/src/"];

/// Every exported type with a parameter says what must not be done with it.
pub fn cases(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in CRATES {
        let exported = exported(tree, folder);
        for source in tree.sources.iter().filter(|source| source.path.starts_with(folder)) {
            for (name, line) in generic_types(source).filter(|(name, _)| exported.contains(name)) {
                let case = format!("tests/compile_fail/{}.rs", snake_case(name));
                if !tree.files.iter().any(|file| file.path == case) {
                    let message = format!(
                        "`{name}` has a parameter; add {case}: conversions that its variance forbids, and threads that \
                         it must not go to"
                    );
                    findings.push(Finding::new(&source.path, line, message));
                }
            }
        }
    }
    findings
}

/// The names that a crate exports, and those of types in its root.
fn exported<'a>(tree: &'a Tree, folder: &str) -> BTreeSet<&'a str> {
    let root = format!("{folder}lib.rs");
    let mut names = BTreeSet::new();
    for source in tree.sources.iter().filter(|source| source.path == root) {
        let code: Vec<&Token> = source.code().map(|(_, token)| token).collect();
        for start in 0..code.len().saturating_sub(1) {
            if !source.is_ident(code[start], "pub") {
                continue;
            }
            let item = code[start + 1..].iter().take_while(|token| !source.is_punct(token, ";"));
            match source.text_of(code[start + 1]) {
                "use" => {
                    names.extend(item.filter(|token| token.kind == Kind::Ident).map(|token| source.text_of(token)))
                }
                "struct" | "enum" | "union" => names.extend(code.get(start + 2).map(|token| source.text_of(token))),
                _ => {}
            }
        }
    }
    names
}

/// `pub struct Name<`, and likewise enumerations and unions: the name, and its line.
fn generic_types(source: &Source) -> impl Iterator<Item = (&str, usize)> {
    let code: Vec<&Token> = source.code().map(|(_, token)| token).collect();
    let mut found = Vec::new();
    for window in code.windows(4) {
        let [public, kind, name, bracket] = window else { continue };
        let is_type = ["struct", "enum", "union"].iter().any(|word| source.is_ident(kind, word));
        if source.is_ident(public, "pub") && is_type && source.is_punct(bracket, "<") {
            found.push((source.text_of(name), name.line));
        }
    }
    found.into_iter()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}
