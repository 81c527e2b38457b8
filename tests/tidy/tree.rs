//! The repository's files, read once: Rust sources with their tokens, manifests, and everything else as bytes. And
//! [`Finding`], what a rule has to say about one of them.

use super::lexer::{Kind, Token, tokens};
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Everything in the working tree but build output.
pub struct Tree {
    /// Every file.
    pub files: Vec<File>,
    /// The Rust sources among them, lexed.
    pub sources: Vec<Source>,
}

/// A file of any kind.
pub struct File {
    /// Path from the repository's root, with `/` between names.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// A Rust source.
pub struct Source {
    /// Path from the repository's root, with `/` between names.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its tokens, comments included.
    pub tokens: Vec<Token>,
}

/// Something that a rule forbids: where, and what to do.
pub struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    /// At a line, counted from 1.
    pub fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// The tree that this test was built in.
pub static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let mut tree = Tree { files: Vec::new(), sources: Vec::new() };
    tree.read_folder(Path::new(env!("CARGO_MANIFEST_DIR")), "");
    tree
});

impl Tree {
    fn read_folder(&mut self, folder: &Path, prefix: &str) {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut entries: Vec<_> = entries.map(|entry| entry.expect("a readable entry")).collect();
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let name = entry.file_name().into_string().expect("files have UTF-8 names");
            let path = format!("{prefix}{name}");
            match entry.file_type().expect("a readable entry") {
                ty if ty.is_dir() && !is_left_out(&name) => self.read_folder(&entry.path(), &format!("{path}/")),
                // `.git` is a file in a further working tree.
                ty if ty.is_file() && !is_left_out(&name) => self.read_file(&entry.path(), path),
                _ => {}
            }
        }
    }

    /// A tree of these paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Tree { files: Vec::new(), sources: Vec::new() };
        files.iter().for_each(|(path, text)| tree.add((*path).into(), (*text).into()));
        tree
    }

    fn read_file(&mut self, file: &Path, path: String) {
        match fs::read(file) {
            Ok(bytes) => self.add(path, bytes),
            // Another test's scratch file, gone meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{path}: {error}"),
        }
    }

    fn add(&mut self, path: String, bytes: Vec<u8>) {
        if path.ends_with(".rs") {
            let text = String::from_utf8(bytes.clone()).unwrap_or_else(|error| panic!("{path}: {error}"));
            let tokens = tokens(&text);
            self.sources.push(Source { path: path.clone(), text, tokens });
        }
        self.files.push(File { path, bytes });
    }

    /// The text of a file that must be there.
    pub fn text(&self, path: &str) -> &str {
        let file = self.files.iter().find(|file| file.path == path);
        let file = file.unwrap_or_else(|| panic!("{path} is missing"));
        std::str::from_utf8(&file.bytes).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Files whose paths end like this, as text.
    pub fn texts<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let files = self.files.iter().filter(move |file| file.path.ends_with(ending));
        files.filter_map(|file| Some((&*file.path, std::str::from_utf8(&file.bytes).ok()?)))
    }
}

/// Build output, and what belongs to tools.
fn is_left_out(name: &str) -> bool {
    matches!(name, "target" | ".git" | "node_modules" | "__pycache__" | ".idea" | ".vscode")
}

impl Source {
    /// A token's text.
    pub fn text_of(&self, token: &Token) -> &str {
        &self.text[token.range.clone()]
    }

    /// Whether a token is this name or keyword.
    pub fn is_ident(&self, token: &Token, name: &str) -> bool {
        token.kind == Kind::Ident && self.text_of(token) == name
    }

    /// Whether a token is this character of punctuation.
    pub fn is_punct(&self, token: &Token, punct: &str) -> bool {
        token.kind == Kind::Punct && self.text_of(token) == punct
    }

    /// The tokens without comments, each with its position among all.
    pub fn code(&self) -> impl DoubleEndedIterator<Item = (usize, &Token)> {
        self.tokens.iter().enumerate().filter(|(_, token)| token.kind != Kind::Comment)
    }

    /// Whether the file is a test, by where it lies.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}
