//! The page for those who come from Wasmtime: its table is made from a list of names, and from what the sources have.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Names of Wasmtime's public API for core modules, without what is asynchronous, for debuggers, for fuel, and for the values
/// of structures and arrays: facts, one a line.
const NAMES: &str = include_str!("names.txt");

/// What is absent, with what stands in its place, or why there is nothing.
const INSTEAD: &[(&str, &str)] = &[
    ("Store::epoch_deadline_callback", "a reached deadline traps; host functions set a new one"),
    ("Linker::func_new_unchecked", "`Linker::func_wrap`"),
    ("Engine::tls_eager_initialize", "the first call on a thread does it"),
    ("Config::emit_clif", "`epsilon inspect`"),
    ("Config::with_host_memory", "memories are the engine's own: their plan is part of the code"),
    ("Config::with_host_stack", "guests run on any stack that the host has"),
];

/// The sources that have the methods of the exported types.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// Whether a source has a public method of this name: by itself, or in a list that a macro makes methods of.
fn has_method(source: &str, name: &str) -> bool {
    source.lines().any(|line| {
        let line = line.trim_start();
        let public = ["pub fn ", "pub const fn ", "pub unsafe fn "].iter().find_map(|start| line.strip_prefix(start));
        let listed = line.strip_prefix(name).is_some_and(|rest| {
            [" =", " ->", ", ", ":"].iter().any(|next| rest.starts_with(next)) && !rest.starts_with(": ")
        });
        let is_it = |rest: &str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(['(', '<']));
        let in_list =
            line.split([' ', ',', ':']).any(|word| word == name) && line.ends_with(';') && !line.contains('(');
        public.is_some_and(is_it) || listed || in_list
    })
}

/// The sources in which a type, or one that it is another name of, has methods.
fn of_type<'a>(files: &'a [String], ty: &str) -> Vec<&'a String> {
    let ty = match ty {
        "FrameInfo" => "Frame",
        "FrameSymbol" => "Symbol",
        ty => ty,
    };
    let has = |file: &&String| {
        let implements = |line: &str| {
            let rest = line.trim_start().strip_prefix("impl").unwrap_or("");
            let rest = if rest.starts_with('<') { rest.split_once("> ").map_or("", |(_, rest)| rest) } else { rest };
            let rest = rest.trim_start();
            !rest.contains(" for ") && rest.strip_prefix(ty).is_some_and(|rest| rest.starts_with(['<', ' ']))
        };
        let macros = ["unwraps! { ", "registered! {", "concrete! {", "both! {", "kinds! {"];
        file.lines().any(implements)
            || file.contains(&format!("pub struct {ty}")) && macros.iter().any(|name| file.contains(name))
            || file.contains(&format!("pub enum {ty} ")) && macros.iter().any(|name| file.contains(name))
    };
    files.iter().filter(has).collect()
}

fn table() -> (String, usize, usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["runtime/src", "crates/epsilon/src"].iter().for_each(|folder| sources(&root.join(folder), &mut files));
    let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in NAMES.lines() {
        let (ty, name) = line.split_once("::").expect("a type and a name");
        types.entry(ty).or_default().push(name);
    }
    let (mut text, mut present, mut all) = ("| Type | There | Absent |\n|---|---|---|\n".to_owned(), 0, 0);
    let mut notes = String::new();
    for (ty, names) in types {
        let files = of_type(&files, ty);
        let (there, absent): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| files.iter().any(|file| has_method(file, name)));
        (present, all) = (present + there.len(), all + names.len());
        let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        writeln!(text, "| `{ty}` | {} | {} |", list(&there), list(&absent)).expect("a string");
        for name in absent {
            let full = format!("{ty}::{name}");
            if let Some((_, instead)) = INSTEAD.iter().find(|(of, _)| *of == full) {
                writeln!(notes, "- `{full}`: {instead}.").expect("a string");
            }
        }
    }
    (format!("{present} of {all} names are there.\n\n{text}\nIn place of what is absent:\n\n{notes}"), present, all)
}

const BEGIN: &str =
    "<!-- The table below is made by tests/renamed/table.rs; `BLESS=1 cargo test --test renamed` writes it. -->\n";

#[test]
fn the_page_tells_of_every_name() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/epsilon/COMING_FROM_WASMTIME.md");
    let page = fs::read_to_string(&path).expect("the page");
    let (before, found) = page.split_once(BEGIN).expect("the mark");
    let (expected, present, all) = table();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}\n{expected}")).expect("the page is written");
        return;
    }
    assert_eq!(found.trim(), expected.trim(), "write the page anew: `BLESS=1 cargo test --test renamed`");
    assert!(present * 10 >= all * 8, "{present} of {all}");
}

#[test]
fn names_are_in_order_and_listed_once() {
    let names: Vec<&str> = NAMES.lines().collect();
    assert!(names.len() > 400 && names.iter().all(|name| name.contains("::")));
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len());
    assert!(INSTEAD.iter().all(|(name, _)| names.contains(name)), "what is told of is in the list");
}
