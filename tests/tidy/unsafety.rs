//! Where `unsafe` may stand, and what must be said where it does.

use super::lexer::{Kind, Token};
use super::names::{cited_in, listed_invariants};
use super::tree::{Finding, Source, Tree};

/// Where `unsafe` may stand. Sources of guests are not ours to judge: they run inside.
const MAY_BE_UNSAFE: [&str; 2] = ["runtime/", "tests/"];
/// Sources of guests.
const GUESTS: &str = "tests/guests/";

/// Functions elsewhere whose declaration alone is `unsafe`, because their callers promise what nothing can check:
/// loading compiled code without a key. Or because embedders know them so.
const DECLARATIONS: [(&str, &[&str]); 1] = [(
    "crates/epsilon/src/",
    &["deserialize", "deserialize_file", "deserialize_open_file", "cranelift_flag_enable", "cranelift_flag_set"],
)];

/// Implementations elsewhere that are `unsafe` because they promise what nothing can check: that what a module's functions
/// come from gives the compiler's output. The trait, the type, and the file.
const IMPLEMENTATIONS: [(&str, &str, &str); 1] = [("FunctionSource", "SharedSource", "crates/epsilon/src/source.rs")];

/// `unsafe`, as a keyword or in an attribute, stands in the runtime and in tests only.
pub fn placement(tree: &Tree) -> Vec<Finding> {
    let elsewhere = tree.sources.iter().filter(|source| !MAY_BE_UNSAFE.iter().any(|at| source.path.starts_with(at)));
    let mut findings = Vec::new();
    for source in elsewhere {
        let named = source.code().filter(|(_, token)| source.is_ident(token, "unsafe"));
        for (_, token) in named.filter(|(at, _)| !is_declaration(source, *at) && !is_implementation(source, *at)) {
            let message = "`unsafe` stands in runtime/ only; give the runtime a safe function that does this";
            findings.push(Finding::new(&source.path, token.line, message));
        }
    }
    findings
}

/// Whether the `unsafe` at a position belongs to one of [`DECLARATIONS`].
fn is_declaration(source: &Source, at: usize) -> bool {
    let mut next = source.tokens[at + 1..].iter().filter(|token| token.kind != Kind::Comment);
    let is_fn = next.next().is_some_and(|token| source.is_ident(token, "fn"));
    let Some(name) = next.next().filter(|_| is_fn) else { return false };
    DECLARATIONS.iter().any(|(at, names)| source.path.starts_with(at) && names.contains(&source.text_of(name)))
}

/// Whether the `unsafe` at a position belongs to one of [`IMPLEMENTATIONS`].
fn is_implementation(source: &Source, at: usize) -> bool {
    let mut next = source.tokens[at + 1..].iter().filter(|token| token.kind != Kind::Comment);
    let mut next = || next.next().map(|token| source.text_of(token));
    let [keyword, of, between, by] = [next(), next(), next(), next()];
    let listed = |(the_trait, the_type, path): &(&str, &str, &str)| {
        source.path == *path && of == Some(the_trait) && by == Some(the_type)
    };
    (keyword, between) == (Some("impl"), Some("for")) && IMPLEMENTATIONS.iter().any(listed)
}

/// Every unsafe block and implementation says why it is sound.
pub fn safety_comments(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(|source| !source.path.starts_with(GUESTS)) {
        for (at, token) in source.code().filter(|(_, token)| source.is_ident(token, "unsafe")) {
            let next = source.tokens[at + 1..].iter().find(|token| token.kind != Kind::Comment);
            let claims = next.is_some_and(|next| source.is_punct(next, "{") || source.is_ident(next, "impl"));
            if claims && !is_explained(source, at) {
                let message = "say above it, in a comment that begins with `SAFETY:`, why this is sound: an invariant \
                               of ARCHITECTURE.md, and what makes it hold here";
                findings.push(Finding::new(&source.path, token.line, message));
            }
        }
    }
    findings
}

/// Whether a `SAFETY:` comment stands in the lines right above the token, or since its statement began.
fn is_explained(source: &Source, at: usize) -> bool {
    let above = source.text.lines().take(source.tokens[at].line - 1).collect::<Vec<_>>();
    let mut above =
        above.into_iter().rev().map(str::trim).take_while(|line| line.starts_with("//") || line.starts_with("#["));
    above.any(|line| line.contains("SAFETY:"))
        || since_statement_began(source, at).any(|token| is_safety(source, token))
}

fn is_safety(source: &Source, token: &Token) -> bool {
    token.kind == Kind::Comment && source.text_of(token).contains("SAFETY:")
}

/// The tokens in front of `at`, backwards, to where its statement begins. Brackets that opened before it are crossed.
fn since_statement_began(source: &Source, at: usize) -> impl Iterator<Item = &Token> {
    let mut depth = 0usize;
    source.tokens[..at].iter().rev().take_while(move |token| {
        let text = if token.kind == Kind::Punct { source.text_of(token) } else { "" };
        match text {
            "{" | "}" | ";" if depth == 0 => return false,
            ")" | "]" | "}" => depth += 1,
            "(" | "[" | "{" => depth = depth.saturating_sub(1),
            _ => {}
        }
        true
    })
}

/// Where a `SAFETY:` comment cites an invariant: in the runtime, but for system calls and fixed code, which say what they pass.
const MUST_CITE: &str = "runtime/src/";
const MAY_SAY: [&str; 2] = ["runtime/src/sys/", "runtime/src/fixed/"];

/// Every `SAFETY:` comment of the runtime cites an invariant that there is. Not those of system calls and of unit tests.
pub fn citations(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let cite = tree.sources.iter().filter(|source| source.path.starts_with(MUST_CITE));
    for source in cite.filter(|source| !MAY_SAY.iter().any(|at| source.path.starts_with(at)) && !source.is_test()) {
        let listed = listed_invariants(tree.text("ARCHITECTURE.md"));
        let tests = unit_tests(source);
        let comments = source.tokens.iter().enumerate().filter(|(_, token)| is_safety(source, token));
        for (at, token) in comments.filter(|(at, _)| !tests.iter().any(|test| test.contains(at))) {
            let text = whole_comment(source, at);
            if !cited_in(&text).any(|number| (1..=listed).contains(&number)) {
                let message = "cite the invariant of ARCHITECTURE.md that this rests on, as `(invariant 7)`, beside what \
                               makes it hold here";
                findings.push(Finding::new(&source.path, token.line, message));
            }
        }
    }
    findings
}

/// The text of a comment that begins at a token, with the lines of it that follow.
fn whole_comment(source: &Source, at: usize) -> String {
    let first = source.tokens[at].line;
    let lines = source.tokens[at..].iter().enumerate();
    let lines = lines.take_while(|(n, token)| {
        let goes_on = token.kind == Kind::Comment && token.line == first + n;
        goes_on && (*n == 0 || !is_safety(source, token))
    });
    lines.map(|(_, token)| source.text_of(token).trim_start_matches('/')).collect()
}

/// The tokens of what stands behind `#[cfg(test)]`: to the end of the block or the statement.
fn unit_tests(source: &Source) -> Vec<std::ops::Range<usize>> {
    let code: Vec<(usize, &Token)> = source.code().collect();
    let is_attribute = |window: &[(usize, &Token)]| {
        let words = ["#", "[", "cfg", "(", "test", ")", "]"];
        window.iter().zip(words).all(|((_, token), word)| source.text_of(token) == word)
    };
    let starts = code.windows(7).enumerate().filter(|(_, window)| is_attribute(window)).map(|(n, _)| n);
    let ranges = starts.map(|start| {
        let mut depth = 0usize;
        let end = code[start + 7..].iter().find(|(_, token)| match source.text_of(token) {
            "{" => {
                depth += 1;
                false
            }
            "}" => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            ";" => depth == 0,
            _ => false,
        });
        code[start].0..end.map_or(source.tokens.len(), |(at, _)| *at)
    });
    ranges.collect()
}

/// Crates other than the runtime forbid unsafe code, and the runtime denies what would hide it.
pub fn lint_attributes(tree: &Tree) -> Vec<Finding> {
    let roots = tree.sources.iter().filter(|source| is_crate_root(&source.path));
    let mut findings = Vec::new();
    for source in roots {
        let is_runtime = source.path.starts_with("runtime/");
        let (levels, lint): (&[_], _) = if is_runtime {
            (&["deny", "forbid"], "unsafe_op_in_unsafe_fn")
        } else {
            (&["forbid", "deny"], "unsafe_code")
        };
        if !has_inner_attribute(source, levels, lint) {
            let message = format!("add `#![{}({lint})]`", levels[0]);
            findings.push(Finding::new(&source.path, 1, message));
        }
    }
    findings
}

fn is_crate_root(path: &str) -> bool {
    let ours = path.starts_with("crates/") || path.starts_with("runtime/");
    ours && (path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs") || path.contains("/src/bin/"))
}

fn has_inner_attribute(source: &Source, levels: &[&str], lint: &str) -> bool {
    let code: Vec<&Token> = source.code().map(|(_, token)| token).collect();
    code.windows(5).enumerate().any(|(at, window)| {
        let opens =
            source.is_punct(window[0], "#") && source.is_punct(window[1], "!") && source.is_punct(window[2], "[");
        let level = levels.iter().any(|level| source.is_ident(window[3], level));
        let mut arguments = code[at + 4..].iter().take_while(|token| !source.is_punct(token, "]"));
        opens && level && arguments.any(|token| source.is_ident(token, lint))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_declarations_may_be_unsafe() {
        let text = "pub unsafe fn deserialize() {}\npub unsafe fn other() {}\n";
        let lines = |path| placement(&Tree::of(&[(path, text)])).len();
        assert_eq!((lines("crates/epsilon/src/module.rs"), lines("crates/wasi/src/a.rs")), (1, 2));
    }

    #[test]
    fn listed_implementations_may_be_unsafe() {
        let text = "unsafe impl FunctionSource for SharedSource {}\nunsafe impl FunctionSource for Other {}\n\
                    unsafe impl Send for SharedSource {}\n";
        let lines = |path| placement(&Tree::of(&[(path, text)])).len();
        assert_eq!((lines("crates/epsilon/src/source.rs"), lines("crates/epsilon/src/module.rs")), (2, 3));
    }

    fn unexplained(text: &str) -> usize {
        safety_comments(&Tree::of(&[("runtime/x.rs", text)])).len()
    }

    #[test]
    fn comments_above_the_line_or_in_the_statement_explain() {
        for text in [
            "// SAFETY: a.\nunsafe { f() }",
            "// SAFETY: a.\nlet x = f(1, unsafe { g() });",
            "a;\n// SAFETY: a\n// and b.\nlet x =\n    f(unsafe { g() });",
            "// SAFETY: a.\nX { a: 1, b: unsafe { g() } }",
            "// SAFETY: a.\nunsafe impl Send for X {}",
            "unsafe fn f();\nunsafe extern \"C\" { fn g(); }",
            "let f: unsafe fn() = g; #[unsafe(naked)] fn h() {}",
        ] {
            assert_eq!(unexplained(text), 0, "{text}");
        }
    }

    #[test]
    fn comments_of_other_statements_do_not() {
        for text in [
            "unsafe { f() }",
            "// SAFETY: a.\na();\nunsafe { f() }",
            "// SAFETY: a.\nunsafe { f() }\nb(unsafe { g() });",
            "let x = \"SAFETY: a\"; unsafe { f() }",
            "/// # Safety\nunsafe impl Send for X {}",
        ] {
            assert_eq!(unexplained(text), 1, "{text}");
        }
    }

    fn uncited(path: &str, text: &str) -> usize {
        let architecture = "# A\n\n## Invariants\n\n1. B.\n2. C.\n";
        citations(&Tree::of(&[("ARCHITECTURE.md", architecture), (path, text)])).len()
    }

    #[test]
    fn reasons_cite_invariants_that_there_are() {
        for text in [
            "// SAFETY: it is ours (invariant 2).\nunsafe { f() }",
            "// SAFETY: it is\n// ours (invariants 1\n// and 2).\nunsafe { f() }",
            "// What it does.\n// SAFETY: it is ours (invariant 1).\nunsafe { f() }",
            "let text = \"SAFETY: it is ours\";",
            "#[cfg(test)]\nmod tests {\n    fn f() {}\n    // SAFETY: a test.\n    unsafe { f() }\n}",
        ] {
            assert_eq!(uncited("runtime/src/a.rs", text), 0, "{text}");
        }
        for text in [
            "// SAFETY: it is ours.\nunsafe { f() }",
            "// SAFETY: it is ours (invariant 3).\nunsafe { f() }",
            "// SAFETY: as above.\nunsafe { f() }\n// Another one (invariant 1).\n",
            "// SAFETY: it is ours.\n// SAFETY: and this (invariant 1).\nunsafe { f() }",
            "// SAFETY: it is ours.\n\n// Of another line (invariant 1).\nunsafe { f() }",
            "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\n// SAFETY: code.\nunsafe { f() }",
            "#[cfg(test)]\nuse a::b;\n// SAFETY: code.\nunsafe { f() }",
        ] {
            assert_eq!(uncited("runtime/src/a.rs", text), 1, "{text}");
        }
        let system_call = "// SAFETY: it takes a number.\nunsafe { f() }";
        assert_eq!(uncited("runtime/src/sys/unix/a.rs", system_call), 0);
        assert_eq!(uncited("tests/a.rs", system_call), 0);
    }
}
