//! Which file of a crate uses which: by imports and other paths, by methods, and by functions of types. A method belongs to
//! the file that its `impl` stands in.

use super::modules::{Crate, Module, Path, Word, closing, names_outside};
use std::collections::{BTreeMap, BTreeSet};

/// Methods of ours whose names the standard library, Cranelift or another crate has as well: a call of one says nothing.
const AMBIGUOUS: &[&str] = &[
    "access",
    "all",
    "any",
    "as_ref",
    "bits",
    "body",
    "bytes",
    "chain",
    "clear",
    "collect",
    "contains",
    "copy_from_slice",
    "directory",
    "downcast_ref",
    "entries",
    "expect",
    "extend",
    "field",
    "find",
    "finish",
    "flush",
    "for_each",
    "get",
    "get_mut",
    "heap_type",
    "index",
    "insert",
    "inst",
    "into_inner",
    "is_null",
    "is_set",
    "iter",
    "last",
    "len",
    "load",
    "lock",
    "max",
    "min",
    "next",
    "offset",
    "open",
    "parse",
    "pop",
    "push",
    "range",
    "read_into",
    "release",
    "resize",
    "set",
    "spawn",
    "store",
    "sum",
    "swap",
    "take",
    "targets",
    "truncate",
];

/// One file uses another one.
pub struct Edge {
    /// The file that uses, by its index in the crate.
    pub from: usize,
    /// The file that is used.
    pub to: usize,
    /// Where it is used first.
    pub line: usize,
    /// What is used there.
    pub name: String,
}

/// Functions of types and of traits: by the name of the type and their own, and methods by their own, with the files that
/// they stand in.
#[derive(Default)]
struct Functions<'a> {
    of_types: BTreeMap<(&'a str, &'a str), BTreeSet<usize>>,
    methods: BTreeMap<&'a str, BTreeSet<usize>>,
}

/// Which file uses which, at most once each.
pub fn edges(read: &Crate) -> Vec<Edge> {
    let functions = Functions::of(read);
    let mut found: BTreeMap<(usize, usize), Edge> = BTreeMap::new();
    let mut add = |edge: Edge| {
        if edge.from != edge.to {
            found.entry((edge.from, edge.to)).or_insert(edge);
        }
    };
    for (path, module) in &read.modules {
        imports(read, path, module).for_each(&mut add);
        uses(read, &functions, path, module).into_iter().for_each(&mut add);
    }
    found.into_values().collect()
}

/// What `use` declarations name. Re-exports do not count in files that only gather, unless the name is used there as well.
fn imports<'a>(read: &'a Crate, path: &'a Path, module: &'a Module) -> impl Iterator<Item = Edge> + 'a {
    let file = &read.files[module.file];
    let names = names_outside(&file.words, module);
    let gathers = ["mod.rs", "lib.rs", "tier.rs"].iter().any(|name| file.path.ends_with(name));
    let counted = module
        .imports
        .iter()
        .filter(move |import| !import.is_public || !gathers || names.contains(import.name.as_str()));
    counted.filter_map(move |import| {
        let absolute = read.absolute(path, &import.path)?;
        let (target, _) = read.resolve(&absolute)?;
        let to = read.modules[&target].file;
        Some(Edge { from: module.file, to, line: import.line, name: import.path.join("::") })
    })
}

/// Paths outside of declarations, and calls of methods.
fn uses(read: &Crate, functions: &Functions, path: &Path, module: &Module) -> Vec<Edge> {
    let words = &read.files[module.file].words;
    let mut found = Vec::new();
    let mut edge = |to: usize, line: usize, name: String| found.push(Edge { from: module.file, to, line, name });
    let impls = Implementation::all(words);
    let children = inline_children(read, path, module);
    let mut at = module.words.start;
    while at < module.words.end {
        if let Some(range) = module.declarations.iter().find(|range| range.contains(&at)) {
            at = range.end;
            continue;
        }
        if let Some(range) = children.iter().find(|range| range.contains(&at)) {
            at = range.end;
            continue;
        }
        let word = words[at];
        let before = if at == 0 { "" } else { words[at - 1].text };
        if word.is_name && before == "." {
            if let Some(to) = functions.method(word.text).filter(|_| is_called(words, at)) {
                edge(to, word.line, format!(".{}()", word.text));
            }
            at += 1;
            continue;
        }
        let (parts, end) = path_at(words, at);
        if parts.len() > 1 && before != ":" {
            let implementation = impls.iter().find(|one| one.body.contains(&at)).map(|one| one.of);
            for to in targets(read, functions, path, implementation, &parts) {
                edge(to, word.line, parts.join("::"));
            }
        }
        at = end.max(at + 1);
    }
    found
}

/// The files that a path leads to: that of the item, and that of a function of a type.
fn targets(
    read: &Crate,
    functions: &Functions,
    module: &Path,
    implementation: Option<&str>,
    parts: &[String],
) -> Vec<usize> {
    let mut found = Vec::new();
    let absolute = read.absolute(module, parts);
    let resolved = absolute.as_ref().and_then(|path| read.resolve(path));
    let here = read.modules[module].file;
    if let Some((target, rest)) = resolved {
        found.push(read.modules[&target].file);
        if let [.., ty, name] = &rest[..] {
            found.extend(functions.of_type(ty, name));
        }
    } else if let ([ty, name], None) = (parts, &absolute) {
        let ty = if ty == "Self" { implementation.unwrap_or_default() } else { ty };
        let is_ours = parts[0] == "Self" || defines_type(&read.files[here].words, ty);
        found.extend(functions.of_type(ty, name).filter(|_| is_ours));
    }
    found
}

fn defines_type(words: &[Word], name: &str) -> bool {
    words.windows(2).any(|pair| pair[1].text == name && ["struct", "enum", "union", "trait"].contains(&pair[0].text))
}

/// Where the words of modules are that stand inline in a module.
fn inline_children(read: &Crate, path: &Path, module: &Module) -> Vec<std::ops::Range<usize>> {
    let below = read.modules.range(path.clone()..).take_while(|(child, _)| child.starts_with(path));
    let inline = below.filter(|(child, one)| *child != path && one.file == module.file);
    inline.map(|(_, one)| one.words.clone()).filter(|words| words.len() < module.words.len()).collect()
}

/// `a::b::c` from a place on, and where it ends. Nothing is read over generic arguments.
fn path_at(words: &[Word], at: usize) -> (Vec<String>, usize) {
    let (mut parts, mut at) = (Vec::new(), at);
    let text = |at: usize| words.get(at).map_or("", |word| word.text);
    while words.get(at).is_some_and(|word| word.is_name) {
        parts.push(words[at].text.to_owned());
        at += 1;
        let goes_on = text(at) == ":" && text(at + 1) == ":" && words.get(at + 2).is_some_and(|word| word.is_name);
        if !goes_on {
            break;
        }
        at += 2;
    }
    (parts, at)
}

fn is_called(words: &[Word], at: usize) -> bool {
    let text = |at: usize| words.get(at).map_or("", |word| word.text);
    text(at + 1) == "(" || text(at + 1) == ":" && text(at + 2) == ":" && text(at + 3) == "<"
}

/// An `impl` or `trait`: of which type, and its words.
struct Implementation<'a> {
    of: &'a str,
    /// Whether it implements a trait: then its functions are those that the trait has declared.
    is_of_trait: bool,
    body: std::ops::Range<usize>,
}

impl<'a> Implementation<'a> {
    fn all(words: &[Word<'a>]) -> Vec<Self> {
        let mut found = Vec::new();
        for at in 0..words.len() {
            let begins = at == 0 || matches!(words[at - 1].text, ";" | "}" | "{" | "]" | "unsafe" | "pub" | ")" | ">");
            match words[at].text {
                "trait" if words[at].is_name && begins => {
                    let Some(open) = (at..words.len()).find(|at| words[*at].text == "{") else { continue };
                    found.push(Self { of: words[at + 1].text, is_of_trait: false, body: open..closing(words, open) });
                }
                "impl" if begins => found.extend(Self::read(words, at)),
                _ => {}
            }
        }
        found
    }

    fn read(words: &[Word<'a>], start: usize) -> Option<Self> {
        let (mut of, mut is_of_trait, mut angles, mut at) = (None, false, 0i32, start + 1);
        let mut is_bound = false;
        loop {
            let word = words.get(at)?;
            match word.text {
                "<" => angles += 1,
                ">" if words[at - 1].text != "-" => angles -= 1,
                "{" if angles == 0 => break,
                ";" => return None,
                "for" if angles == 0 => (of, is_of_trait) = (None, true),
                "where" if angles == 0 => is_bound = true,
                text if angles == 0 && word.is_name && !is_bound && !matches!(text, "dyn" | "mut" | "const") => {
                    let goes_on = words.get(at + 1).is_some_and(|next| next.text == ":");
                    if !goes_on && of.is_none() {
                        of = Some(text);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Some(Self { of: of?, is_of_trait, body: at..closing(words, at) })
    }
}

impl<'a> Functions<'a> {
    fn of(read: &Crate<'a>) -> Self {
        let mut all = Self::default();
        for (index, file) in read.files.iter().enumerate() {
            let words = &file.words;
            for one in Implementation::all(words).iter().filter(|one| !one.is_of_trait) {
                let mut at = one.body.start + 1;
                while at < one.body.end {
                    match words[at].text {
                        "fn" => {
                            let name = words[at + 1].text;
                            all.of_types.entry((one.of, name)).or_default().insert(index);
                            if takes_self(words, at + 2) {
                                all.methods.entry(name).or_default().insert(index);
                            }
                            at += 2;
                        }
                        "{" => at = closing(words, at) + 1,
                        _ => at += 1,
                    }
                }
            }
        }
        all
    }

    /// The one file that has a method of this name.
    fn method(&self, name: &str) -> Option<usize> {
        let files = self.methods.get(name).filter(|files| files.len() == 1)?;
        files.first().copied().filter(|_| !AMBIGUOUS.contains(&name))
    }

    fn of_type(&self, ty: &str, name: &str) -> Option<usize> {
        let files = self.of_types.get(&(ty, name)).filter(|files| files.len() == 1)?;
        files.first().copied()
    }
}

/// Whether the parameters that begin behind a function's name begin with `self`.
fn takes_self(words: &[Word], from: usize) -> bool {
    let mut angles = 0i32;
    for at in from..words.len() {
        match words[at].text {
            "<" => angles += 1,
            ">" if words[at - 1].text != "-" => angles -= 1,
            "(" if angles == 0 => {
                let first = words[at + 1..].iter().take_while(|word| !matches!(word.text, "," | ")" | ":"));
                return first.into_iter().any(|word| word.text == "self");
            }
            _ => {}
        }
    }
    false
}
