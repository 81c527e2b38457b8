//! The modules of a crate: which file each one is in, and what its `use` declarations name. A file that is compiled more
//! than once is several modules.

use super::lexer::{Kind, Token};
use super::tree::{Source, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// A module's path from the crate's root.
pub type Path = Vec<String>;

/// A token that counts: no comment, and not of a unit test.
#[derive(Clone, Copy)]
pub struct Word<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its line.
    pub line: usize,
    /// Whether it is a name or keyword.
    pub is_name: bool,
}

/// A file of a crate.
pub struct File<'a> {
    /// Its path from the crate's `src/`.
    pub path: &'a str,
    /// What counts in it.
    pub words: Vec<Word<'a>>,
}

/// One name that a `use` declaration brings.
pub struct Import {
    /// The name here; `*` for all.
    pub name: String,
    /// What it names, as it is written.
    pub path: Vec<String>,
    /// Whether others see it too.
    pub is_public: bool,
    /// Its line.
    pub line: usize,
}

/// A module: in which file, from which word to which.
pub struct Module {
    /// Index of its file.
    pub file: usize,
    /// Its words in the file, those of inline modules inside of it included.
    pub words: std::ops::Range<usize>,
    /// Its `use` declarations.
    pub imports: Vec<Import>,
    /// Where those and other declarations stand that are not code.
    pub declarations: Vec<std::ops::Range<usize>>,
}

/// All of a crate.
pub struct Crate<'a> {
    /// Its files, without tests.
    pub files: Vec<File<'a>>,
    /// Its modules.
    pub modules: BTreeMap<Path, Module>,
}

impl<'a> Crate<'a> {
    /// The crate whose sources lie in a folder, which ends in `/`.
    pub fn read(tree: &'a Tree, folder: &str) -> Self {
        let sources = tree.sources.iter().filter(|source| source.path.starts_with(folder) && !source.is_test());
        let files: Vec<_> =
            sources.map(|source| File { path: &source.path[folder.len()..], words: words(source) }).collect();
        let mut read = Self { files, modules: BTreeMap::new() };
        if let Some(root) = read.file("lib.rs").or_else(|| read.file("main.rs")) {
            read.add_file(Path::new(), root, String::new());
        }
        read
    }

    fn file(&self, path: &str) -> Option<usize> {
        self.files.iter().position(|file| file.path == path)
    }

    /// Adds a file as a module. Files of its child modules lie in `folder`.
    fn add_file(&mut self, path: Path, file: usize, folder: String) {
        let end = self.files[file].words.len();
        self.add(path, file, 0..end, folder);
    }

    fn add(&mut self, path: Path, file: usize, words: std::ops::Range<usize>, folder: String) {
        let (mut imports, mut declarations, mut children) = (Vec::new(), Vec::new(), Vec::new());
        let text = |at: usize| self.files[file].words.get(at).map_or("", |word| word.text);
        let (mut at, mut attribute) = (words.start, None);
        while at < words.end {
            match text(at) {
                "path" if text(at.saturating_sub(1)) == "[" && text(at + 1) == "=" => {
                    attribute = Some(text(at + 2).trim_matches('"').to_owned());
                    at += 4;
                }
                "use" if text(at + 1) != "<" => {
                    let end = (at..words.end).find(|at| text(*at) == ";").unwrap_or(words.end);
                    let public = self.visibility(file, at);
                    imports.extend(imports_of(&self.files[file].words[at + 1..end], public.is_some()));
                    declarations.push(public.unwrap_or(at)..end);
                    at = end + 1;
                }
                "mod" if text(at + 2) == ";" => {
                    children.push((text(at + 1).to_owned(), attribute.take(), None));
                    declarations.push(self.visibility(file, at).unwrap_or(at)..at + 3);
                    at += 3;
                }
                "mod" if text(at + 2) == "{" => {
                    let end = closing(&self.files[file].words, at + 2);
                    children.push((text(at + 1).to_owned(), None, Some(at + 3..end)));
                    at = end + 1;
                }
                _ => at += 1,
            }
        }
        let here = self.files[file].path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        // One of two, for two machines: the second one is known by no path.
        let known =
            if self.modules.contains_key(&path) { [&path[..], &["again".to_owned()]].concat() } else { path.clone() };
        self.modules.insert(known, Module { file, words, imports, declarations });
        for (name, attribute, inline) in children {
            let child: Path = path.iter().cloned().chain([name.clone()]).collect();
            let inside = join(&folder, &name);
            match (inline, attribute) {
                (Some(words), _) => self.add(child, file, words, inside),
                (None, Some(other)) => {
                    let from = if !path.is_empty() && self.is_inline(&path) { &folder } else { &here };
                    let other = join(from, &other);
                    let folder = other.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
                    let Some(file) = self.file(&other) else { continue };
                    self.add_file(child, file, folder);
                }
                (None, None) => {
                    let found = self.file(&format!("{inside}.rs")).or_else(|| self.file(&format!("{inside}/mod.rs")));
                    let Some(file) = found else { continue };
                    self.add_file(child, file, inside);
                }
            }
        }
    }

    /// Whether a module stands in the file of its parent.
    fn is_inline(&self, path: &[String]) -> bool {
        let [module, parent] = [path, &path[..path.len() - 1]].map(|path| self.modules.get(path).map(|m| m.file));
        module == parent
    }

    /// Where the `pub` in front of a word begins.
    fn visibility(&self, file: usize, at: usize) -> Option<usize> {
        let words = &self.files[file].words;
        let before = at.checked_sub(1)?;
        if words[before].text == "pub" {
            return Some(before);
        }
        let open = (0..at).rev().take(8).find(|at| words[*at].text == "(")?;
        let is_public = words[before].text == ")" && open > 0 && words[open - 1].text == "pub";
        is_public.then(|| open - 1)
    }

    /// The path from the root that one written in a module stands for; `None` for one of another crate.
    pub fn absolute(&self, module: &[String], written: &[String]) -> Option<Path> {
        self.absolute_in(module, written, 0)
    }

    fn absolute_in(&self, module: &[String], written: &[String], depth: usize) -> Option<Path> {
        let (first, rest) = written.split_first()?;
        let path = match first.as_str() {
            "crate" => rest.to_vec(),
            "self" => [module, rest].concat(),
            "super" => {
                let ups = written.iter().take_while(|part| *part == "super").count();
                let from = &module[..module.len().checked_sub(ups)?];
                [from, &written[ups..]].concat()
            }
            name => {
                let child = [module, &written[..1]].concat();
                if self.modules.contains_key(&child) {
                    [module, written].concat()
                } else {
                    let import = self.modules.get(module)?.imports.iter().find(|import| import.name == name)?;
                    if depth > 8 || import.path.first() == Some(first) && import.path.len() == 1 {
                        return None;
                    }
                    let target = self.absolute_in(module, &import.path, depth + 1)?;
                    [&target[..], rest].concat()
                }
            }
        };
        Some(path)
    }

    /// The module that an absolute path leads to, through re-exports, and what is left of the path behind it.
    pub fn resolve(&self, path: &[String]) -> Option<(Path, Path)> {
        self.resolve_in(path, 0)
    }

    fn resolve_in(&self, path: &[String], depth: usize) -> Option<(Path, Path)> {
        let known = (0..=path.len()).rev().find(|len| self.modules.contains_key(&path[..*len]))?;
        let (module, rest) = path.split_at(known);
        let Some(name) = rest.first().filter(|_| depth < 16) else { return Some((module.to_vec(), Path::new())) };
        let imports = &self.modules[module].imports;
        if let Some(import) = imports.iter().find(|import| import.name == *name) {
            let target = self.absolute(module, &import.path)?;
            return self.resolve_in(&[&target[..], &rest[1..]].concat(), depth + 1);
        }
        if self.defines(module, name) {
            return Some((module.to_vec(), rest.to_vec()));
        }
        let globs = imports.iter().filter(|import| import.name == "*");
        let targets: Vec<_> = globs.filter_map(|import| self.absolute(module, &import.path)).collect();
        let targets = targets.iter().filter(|target| self.modules.contains_key(*target));
        // What a macro makes is only mentioned.
        let made = targets.clone().find(|target| self.mentions(target, name));
        if let Some(target) = targets.clone().find(|target| self.offers(target, name)).or(made) {
            return self.resolve_in(&[&target[..], rest].concat(), depth + 1);
        }
        Some((module.to_vec(), rest.to_vec()))
    }

    fn offers(&self, module: &[String], name: &str) -> bool {
        let child: Path = module.iter().cloned().chain([name.to_owned()]).collect();
        let mut public = self.modules[module].imports.iter().filter(|import| import.is_public);
        let is_imported = public.any(|import| import.name == name || import.name == "*");
        self.modules.contains_key(&child) || is_imported || self.defines(module, name)
    }

    /// Whether a module has this name from nowhere else.
    fn mentions(&self, module: &[String], name: &str) -> bool {
        let module = &self.modules[module];
        let words = &self.files[module.file].words;
        !module.imports.iter().any(|import| import.name == name) && names_outside(words, module).contains(name)
    }

    /// Whether a module declares an item of this name.
    fn defines(&self, module: &[String], name: &str) -> bool {
        let module = &self.modules[module];
        let words = &self.files[module.file].words[module.words.clone()];
        let keywords = ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "mut", "macro_rules"];
        words.windows(2).any(|pair| pair[1].text == name && keywords.contains(&pair[0].text))
    }
}

/// The place of the bracket that closes the one at a place.
pub fn closing(words: &[Word], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, word) in words.iter().enumerate().skip(open).filter(|(_, word)| !word.is_name) {
        match word.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    words.len().saturating_sub(1)
}

fn join(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What counts in a source: neither comments nor anything under `#[cfg(test)]`.
fn words(source: &Source) -> Vec<Word<'_>> {
    let code = source.code().map(|(_, token): (_, &Token)| Word {
        text: source.text_of(token),
        line: token.line,
        is_name: token.kind == Kind::Ident,
    });
    let all: Vec<Word> = code.collect();
    let test = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < all.len() {
        let is_test = test.iter().enumerate().all(|(n, text)| all.get(at + n).is_some_and(|word| word.text == *text));
        if is_test {
            at = end_of_item(&all, at + test.len()) + 1;
        } else {
            kept.push(all[at]);
            at += 1;
        }
    }
    kept
}

/// Where the item that begins at a place ends: at its `;` or `,`, or where its last brace closes.
fn end_of_item(words: &[Word], from: usize) -> usize {
    let mut at = from;
    while at < words.len() {
        match words[at].text {
            ";" | "," => return at,
            "{" => return closing(words, at),
            "(" | "[" => at = closing(words, at) + 1,
            _ => at += 1,
        }
    }
    at
}

/// The names that a `use` declaration brings, given what stands between `use` and `;`.
fn imports_of(words: &[Word], is_public: bool) -> Vec<Import> {
    let mut found = Vec::new();
    group(words, &mut Vec::new(), is_public, &mut found);
    found
}

fn group(words: &[Word], prefix: &mut Vec<String>, is_public: bool, found: &mut Vec<Import>) {
    let depth = prefix.len();
    let mut at = 0;
    while at < words.len() {
        let word = words[at];
        match word.text {
            "{" => {
                let end = closing(words, at);
                let mut from = at + 1;
                while from < end {
                    let next = end_of_branch(words, from, end);
                    group(&words[from..next], prefix, is_public, found);
                    from = next + 1;
                }
                prefix.truncate(depth);
                return;
            }
            "as" => {
                let name = words[at + 1].text.to_owned();
                found.push(Import { name, path: prefix.clone(), is_public, line: word.line });
                prefix.truncate(depth);
                return;
            }
            "*" => {
                found.push(Import { name: "*".into(), path: prefix.clone(), is_public, line: word.line });
                prefix.truncate(depth);
                return;
            }
            "self" if !prefix.is_empty() => {}
            text if word.is_name => prefix.push(text.to_owned()),
            _ => {}
        }
        at += 1;
    }
    let (name, line) = (prefix.last().cloned().unwrap_or_default(), words.first().map_or(0, |word| word.line));
    found.push(Import { name, path: prefix.clone(), is_public, line });
    prefix.truncate(depth);
}

fn end_of_branch(words: &[Word], from: usize, end: usize) -> usize {
    let mut at = from;
    while at < end && words[at].text != "," {
        at = if words[at].text == "{" { closing(words, at) + 1 } else { at + 1 };
    }
    at
}

/// The names that are written in a module outside of its declarations.
pub fn names_outside<'a>(words: &[Word<'a>], module: &Module) -> BTreeSet<&'a str> {
    let outside = module.words.clone().filter(|at| !module.declarations.iter().any(|range| range.contains(at)));
    outside.map(|at| words[at]).filter(|word| word.is_name).map(|word| word.text).collect()
}
