//! What holds for the repository as a whole: which crate knows which, where `unsafe` stands and what is said about it,
//! which names stay behind which border, and how large things may become.
//!
//! Each rule is a function from the tree to findings, and a test of its own. A finding names a file and a line, and
//! says what to do. `cargo test --test tidy` takes a second; the report of sizes is printed even if all is well.

#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/generics.rs"]
mod generics;
#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/remaining.rs"]
mod remaining;
#[path = "tidy/seeded.rs"]
mod seeded_bugs;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/unsafety.rs"]
mod unsafety;

use std::fmt;
use std::io::Write;
use tree::{Finding, TREE, Tree};

/// What a rule found, printed one finding a line when the test that returns it fails.
struct ToMend(Vec<Finding>);

impl fmt::Debug for ToMend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to mend", self.0.len())?;
        self.0.iter().try_for_each(|finding| write!(f, "\n{finding}"))
    }
}

macro_rules! rules {
    ($($name:ident = $rule:path;)*) => {$(
        #[test]
        fn $name() -> Result<(), ToMend> {
            let findings = $rule(&TREE);
            if findings.is_empty() { Ok(()) } else { Err(ToMend(findings)) }
        }
    )*};
}

rules! {
    crates_know_only_what_they_may = manifests::edges;
    crates_take_the_workspace_lints = manifests::lints;
    only_the_command_has_errors_of_any_kind = manifests::error_crates;
    the_lock_file_has_one_cranelift = manifests::lock;
    unsafe_stands_in_the_runtime = unsafety::placement;
    unsafe_is_explained = unsafety::safety_comments;
    reasons_cite_invariants = unsafety::citations;
    crates_forbid_unsafe = unsafety::lint_attributes;
    names_stay_behind_their_borders = names::borders;
    sources_say_what_they_are_for = names::headers;
    nothing_names_a_workplace = names::workplaces;
    links_lead_somewhere = names::links;
    invariants_have_the_numbers_that_are_cited = names::invariants;
    seeded_bugs_fit = seeded_bugs::entries;
    files_use_what_is_below = floors::floors;
    sizes_have_limits = sizes::limits;
    types_with_parameters_have_cases = generics::cases;
}

/// Not through `print!`, which is kept from the terminal while tests succeed.
#[test]
fn report_of_sizes() {
    let mut report = sizes::report(&TREE);
    report.push('\n');
    std::io::stdout().write_all(report.as_bytes()).expect("a report can be written");
}

/// Every rule finds what it forbids, in trees that are clean but for one thing.
mod seeded {
    use super::*;

    fn found(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
        rule(&Tree::of(files))
            .iter()
            .map(|finding| finding.to_string().split(": ").next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn edges_and_dependencies() {
        let compiler = "[dependencies]\nepsilon-abi.workspace = true\n[dev-dependencies]\nepsilon-runtime = \"0\"\n";
        let wasi = "[dependencies]\nepsilon = \"0\"\nanyhow = \"1\"\nx = { package = \"epsilon-abi\" }\n";
        let files = [
            ("Cargo.toml", ""),
            ("crates/compiler/Cargo.toml", compiler),
            ("crates/wasi/Cargo.toml", wasi),
            ("crates/new/Cargo.toml", "[lints]\nworkspace = true\n"),
            (
                "runtime/Cargo.toml",
                "[lints]\nworkspace = true\n[dependencies]\nanyhow = { workspace = true, optional = true }\n",
            ),
        ];
        let [first, second] = ["crates/compiler/Cargo.toml:4", "crates/wasi/Cargo.toml:4"];
        assert_eq!(found(manifests::edges, &files), [first, second, "crates/new/Cargo.toml:1"]);
        assert_eq!(found(manifests::error_crates, &files), ["crates/wasi/Cargo.toml:3"]);
        assert_eq!(found(manifests::lints, &files), ["crates/compiler/Cargo.toml:1", "crates/wasi/Cargo.toml:1"]);
    }

    #[test]
    fn seeded_bugs() {
        let entry = |name: &str, lines: &str| format!("# {name}\na\nfor: b\n@ a.rs\n{lines}");
        let bugs = entry("twice", "-x\n+BUG\n") + &entry("first", "-y\n+BUG\n") + &entry("second", " y\n-z\n+BUG\n");
        let read = |_: &str| Some("x\nx\ny\nz\n".to_owned());
        let parsed = seeded_bugs::bugs::parse(&bugs).expect("bugs");
        let wrong = seeded_bugs::bugs::apply(&parsed, read).expect_err("two that do not fit");
        assert_eq!(wrong, ["twice: its lines are 2 times in a.rs, not once", "first and second overlap in a.rs"]);
        let changed = seeded_bugs::bugs::apply(&parsed[1..2], read).expect("one that fits");
        assert_eq!(changed["a.rs"], "x\nx\ncrate::seeded::bug(\"first\")\nz\n");
        let files = [("tests/proof/seeded/a.bugs", &*bugs), ("a.rs", "//! A.\nx\nx\ny\nz\n")];
        let lines = [1, 7, 1, 7, 13].map(|line| format!("tests/proof/seeded/a.bugs:{line}"));
        assert_eq!(found(seeded_bugs::entries, &files), lines);
    }

    #[test]
    fn foreign_packages() {
        let lock = "name = \"cranelift-jit\"\nversion = \"0.136.0\"\nname = \"a\"\nversion = \"1.0.0\"\n\
                    source = \"git+https://example.org/a\"\n";
        assert_eq!(found(manifests::lock, &[("Cargo.lock", lock)]), ["Cargo.lock:2", "Cargo.lock:5"]);
    }

    #[test]
    fn unsafe_code() {
        let text =
            "//! A.\n#![forbid(unsafe_code)]\n// unsafe\nlet a = \"unsafe\";\nunsafe { b() }\n#[unsafe(naked)]\n";
        let files = [("crates/a/src/lib.rs", text), ("runtime/src/lib.rs", text)];
        assert_eq!(found(unsafety::placement, &files), ["crates/a/src/lib.rs:5", "crates/a/src/lib.rs:6"]);
        assert_eq!(found(unsafety::safety_comments, &files), ["crates/a/src/lib.rs:5", "runtime/src/lib.rs:5"]);
        assert_eq!(found(unsafety::lint_attributes, &files), ["runtime/src/lib.rs:1"]);
        let cites = [
            ("ARCHITECTURE.md", "# A\n\n## Invariants\n\n1. B.\n"),
            ("runtime/src/a.rs", "//! A.\n// SAFETY: b.\nunsafe { c() }\n"),
        ];
        assert_eq!(found(unsafety::citations, &cites), ["runtime/src/a.rs:2"]);
        assert_eq!(
            found(unsafety::lint_attributes, &[("crates/a/src/main.rs", "//! A.\n")]),
            ["crates/a/src/main.rs:1"]
        );
    }

    #[test]
    fn names_and_documents() {
        let text = "use cranelift_jit::a;\nuse libc::b; // libc\nuse anyhow::c;\n";
        let places = [
            "runtime/src/code/link.rs:2",
            "runtime/src/code/link.rs:3",
            "crates/cli/src/a.rs:1",
            "crates/cli/src/a.rs:2",
        ];
        let files = [("runtime/src/code/link.rs", text), ("crates/cli/src/a.rs", text)];
        let mut in_order = found(names::borders, &files);
        in_order.sort();
        let mut expected = places.map(str::to_owned);
        expected.sort();
        assert_eq!(in_order, expected);
        assert_eq!(found(names::headers, &[("a.rs", "// A.\n")]), ["a.rs:1"]);
        let document = "[a](a.rs) [b](../b.rs#c) [d](https://example.org)\n[e](docs)";
        assert_eq!(found(names::links, &[("docs/c.md", document), ("b.rs", "")]), ["docs/c.md:1", "docs/c.md:2"]);
        let cites =
            [("ARCHITECTURE.md", "# A\n\n## Invariants\n\n1. B.\n"), ("a.rs", "// invariant 1\n// (invariant 2)\n")];
        assert_eq!(found(names::invariants, &cites), ["a.rs:2"]);
        let folder = ["let a = \"/wo", "rk/b\";"].concat();
        assert_eq!(found(names::workplaces, &[("a.sh", "\n"), ("b.sh", &folder)]), ["b.sh:1"]);
    }

    #[test]
    fn uses_of_what_is_above() {
        let files = [
            ("crates/wast/src/lib.rs", "//! A.\nmod context;\nmod spectest;\nmod values;\npub use context::Of;\n"),
            (
                "crates/wast/src/context.rs",
                "//! B.\nuse crate::spectest::Low;\npub struct Of;\nimpl Of { fn high(&self) {} }\n",
            ),
            (
                "crates/wast/src/spectest.rs",
                "//! C.\npub struct Low;\nimpl Low { pub fn low_method(&self) {} }\nfn f(of: crate::Of) { of.high() }\n\
                 #[cfg(test)]\nmod tests { use crate::context::Of; }\nfn g() { super::values::of(); }\n",
            ),
            ("crates/wast/src/values.rs", "//! D.\npub fn of() { x.low_method(); }\n"),
            ("crates/wast/src/new.rs", "//! E.\n"),
        ];
        let mut lines = found(floors::floors, &files);
        lines.sort();
        let expected = ["context.rs:2", "new.rs:1", "spectest.rs:4", "spectest.rs:7", "values.rs:2"];
        assert_eq!(lines, expected.map(|line| format!("crates/wast/src/{line}")));
    }

    #[test]
    fn types_with_parameters() {
        let types =
            "//! A.\npub struct OfThis<T>(T);\npub enum OfThat<'a> {}\npub struct Plain;\npub struct Inner<T>(T);\n";
        let files = [
            ("crates/epsilon/src/lib.rs", "//! A.\npub use a::{OfThat, OfThis, Plain};\npub struct Root<T>(T);\n"),
            ("crates/epsilon/src/a.rs", types),
            ("tests/compile_fail/of_that.rs", "//! B.\n"),
        ];
        assert_eq!(found(generics::cases, &files), ["crates/epsilon/src/lib.rs:3", "crates/epsilon/src/a.rs:2"]);
    }

    #[test]
    fn sizes_of_things() {
        let file = "// a\n".repeat(801);
        let function = format!("fn a() {{\n{}}}\n", "b();\n".repeat(119));
        let files = [("crates/a/src/a.rs", &*file), ("tests/a.rs", &file), ("tests/b.rs", &function)];
        assert_eq!(found(sizes::limits, &files), ["crates/a/src/a.rs:1", "tests/b.rs:1"]);
    }
}
