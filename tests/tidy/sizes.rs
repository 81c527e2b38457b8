//! Sizes of files and functions: a report of what has grown large, and limits that need a reason to be passed.

use super::lexer::{Kind, Token};
use super::tree::{Finding, Source, Tree};
use std::fmt::Write;

/// Files longer than this are reported.
const LONG_FILE_LINES: usize = 400;
/// Files longer than this are refused.
const MAX_FILE_LINES: usize = 800;
/// Functions longer than this are reported.
const LONG_FUNCTION_LINES: usize = 70;
/// Functions longer than this are refused.
const MAX_FUNCTION_LINES: usize = 120;

/// Files that may exceed [`MAX_FILE_LINES`], and why: tables and data, which are read in pieces.
const LONG_FILES: &[(&str, &str)] = &[];

/// Functions that may exceed [`MAX_FUNCTION_LINES`], and why.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Where a function stands, and how long it is.
struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// Files and functions have sizes that a reader can take in.
pub fn limits(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        let lines = lines_without_tests(source);
        let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > MAX_FILE_LINES && !source.is_test() && !excused {
            let message =
                format!("{lines} lines without tests, more than {MAX_FILE_LINES}: split it by what it is about");
            findings.push(Finding::new(&source.path, 1, message));
        }
        for Function { name, line, lines } in functions(source) {
            let excused = LONG_FUNCTIONS.iter().any(|(path, function, _)| *path == source.path && *function == name);
            if lines > MAX_FUNCTION_LINES && !excused {
                let message = format!(
                    "`{name}` has {lines} lines, more than {MAX_FUNCTION_LINES}: split it, or list it with a reason in \
                     tests/tidy/sizes.rs"
                );
                findings.push(Finding::new(&source.path, line, message));
            }
        }
    }
    findings.extend(needless_excuses(tree));
    findings
}

/// Excuses for what is no longer there or no longer long.
fn needless_excuses(tree: &Tree) -> Vec<Finding> {
    let source = |path: &str| tree.sources.iter().find(|source| source.path == path);
    let long_file = |path| source(path).is_some_and(|source| lines_without_tests(source) > MAX_FILE_LINES);
    let long_function = |path, name: &str| {
        let is_it = |function: &Function<'_>| function.name == name && function.lines > MAX_FUNCTION_LINES;
        source(path).is_some_and(|source| functions(source).iter().any(is_it))
    };
    let files = LONG_FILES.iter().filter(|(path, _)| !long_file(path)).map(|(path, _)| *path);
    let functions = LONG_FUNCTIONS.iter().filter(|(path, name, _)| !long_function(path, name)).map(|(path, ..)| *path);
    let message = "needs no excuse in tests/tidy/sizes.rs any more: remove it there";
    files.chain(functions).map(|path| Finding::new(path, 1, message)).collect()
}

/// What is long, the longest first, and why it may be where it passes a limit.
pub fn report(tree: &Tree) -> String {
    let ours = || tree.sources.iter().filter(|source| !source.path.starts_with("tests/guests/"));
    let mut files: Vec<_> = ours().map(|source| (lines_without_tests(source), &*source.path)).collect();
    let all_lines: usize = files.iter().map(|(lines, _)| lines).sum();
    let mut text = format!("{} files, {all_lines} lines without unit tests\n", files.len());
    files.retain(|(lines, _)| *lines > LONG_FILE_LINES);
    files.sort_by(|a, b| b.cmp(a));
    writeln!(text, "{} files over {LONG_FILE_LINES} lines:", files.len()).expect("strings take all");
    for (lines, path) in files {
        let excuse = LONG_FILES.iter().find(|(excused, _)| *excused == path).map_or("", |(_, reason)| reason);
        writeln!(text, "{lines:6}  {path}  {excuse}").expect("strings take all");
    }
    let mut long: Vec<_> = ours().flat_map(|s| functions(s).into_iter().map(|f| (f, &*s.path))).collect();
    long.retain(|(function, _)| function.lines > LONG_FUNCTION_LINES);
    long.sort_by_key(|(function, _)| std::cmp::Reverse(function.lines));
    writeln!(text, "{} functions over {LONG_FUNCTION_LINES} lines:", long.len()).expect("strings take all");
    for (Function { name, line, lines }, path) in long {
        let excuse = LONG_FUNCTIONS.iter().find(|(at, excused, _)| *at == path && *excused == name);
        let excuse = excuse.map_or("", |(_, _, reason)| reason);
        writeln!(text, "{lines:6}  {path}:{line}  {name}  {excuse}").expect("strings take all");
    }
    text
}

fn lines_without_tests(source: &Source) -> usize {
    let code: Vec<&Token> = source.code().map(|(_, token)| token).collect();
    let is_attribute = |at: usize| {
        let words = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
        words.iter().enumerate().all(|(n, word)| code.get(at + n).is_some_and(|token| source.text_of(token) == *word))
    };
    let tests = (0..code.len()).filter(|at| is_attribute(*at)).map(|at| {
        let last = end_of_body(source, &code, at + 8).map_or(code[at].line, |end| code[end].line);
        last + 1 - code[at].line
    });
    source.text.lines().count() - tests.sum::<usize>()
}

/// All functions with a body, those inside of others included.
fn functions(source: &Source) -> Vec<Function<'_>> {
    let code: Vec<&Token> = source.code().map(|(_, token)| token).collect();
    let starts = (0..code.len()).filter(|at| source.is_ident(code[*at], "fn"));
    let named = starts.filter(|at| code.get(at + 1).is_some_and(|name| name.kind == Kind::Ident));
    let function = |at: usize| {
        let end = end_of_body(source, &code, at + 1)?;
        let lines = code[end].line + 1 - code[at].line;
        Some(Function { name: source.text_of(code[at + 1]), line: code[at].line, lines })
    };
    named.filter_map(function).collect()
}

/// Where the first body behind `from` closes; `None` if a `;` comes first.
fn end_of_body(source: &Source, code: &[&Token], from: usize) -> Option<usize> {
    let mut open = Vec::new();
    for (at, token) in code.iter().enumerate().skip(from).filter(|(_, token)| token.kind == Kind::Punct) {
        match source.text_of(token) {
            bracket @ ("(" | "[" | "{") => open.push(bracket),
            ")" | "]" => drop(open.pop()),
            "}" => {
                open.pop();
                if open.is_empty() {
                    return Some(at);
                }
            }
            ";" if open.is_empty() => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::tokens;

    fn source(text: &str) -> Source {
        Source { path: "x.rs".into(), text: text.into(), tokens: tokens(text) }
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_last_brace() {
        let text = "fn a(x: [u8; 3]) -> fn(u8) {\n{\n// }\n}\n}\ntrait T { fn b(); fn c() {\n} }\nlet d: fn() = a;";
        let source = source(text);
        let found: Vec<_> = functions(&source).iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("a", 1, 5), ("c", 6, 2)]);
    }

    #[test]
    fn unit_tests_do_not_count() {
        assert_eq!(lines_without_tests(&source("a\nb\n#[cfg(test)]\nmod tests {\n    c {}\n}\nd\n")), 3);
        assert_eq!(lines_without_tests(&source("a\n#[cfg(test)]\nmod tests;\nd\n")), 3);
    }
}
