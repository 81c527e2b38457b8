//! Finds what lies below a directory, by several wishes that must all hold.
//!
//! ```text
//! walk DIR [name=GLOB] [type=f|d|l] [min=BYTES] [max=BYTES] [depth=LEVELS] [order=down|up]
//! ```
//!
//! Prints the kind, the size of files, and the name below DIR, in the order of names; then a sum.

use globset::{Glob, GlobMatcher};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use walkdir::{DirEntry, WalkDir};

struct Wishes {
    dir: String,
    name: Option<GlobMatcher>,
    kind: Option<String>,
    min_bytes: u64,
    max_bytes: u64,
    depth: usize,
    contents_first: bool,
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn wishes() -> Result<Wishes, String> {
    let mut args = std::env::args().skip(1);
    let mut wishes = Wishes {
        dir: args.next().ok_or("usage: walk DIR [WISH=VALUE...]")?,
        name: None,
        kind: None,
        min_bytes: 0,
        max_bytes: u64::MAX,
        depth: usize::MAX,
        contents_first: false,
    };
    for word in args {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("{word} has no ="))?;
        match key {
            "name" => wishes.name = Some(Glob::new(value).map_err(|error| error.to_string())?.compile_matcher()),
            "type" => wishes.kind = Some(value.to_owned()),
            "min" => wishes.min_bytes = number(value)?,
            "max" => wishes.max_bytes = number(value)?,
            "depth" => wishes.depth = number(value)? as usize,
            "order" => wishes.contents_first = value == "up",
            _ => return Err(format!("unknown wish {key}")),
        }
    }
    Ok(wishes)
}

fn kind_of(entry: &DirEntry) -> &'static str {
    let kind = entry.file_type();
    if kind.is_dir() {
        "d"
    } else if kind.is_symlink() {
        "l"
    } else {
        "f"
    }
}

fn walk(wishes: &Wishes) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut count, mut bytes) = (0, 0);
    let walk = WalkDir::new(&wishes.dir).sort_by_file_name().max_depth(wishes.depth);
    for entry in walk.min_depth(1).contents_first(wishes.contents_first) {
        let entry = entry?;
        let kind = kind_of(&entry);
        let size = if kind == "f" { entry.metadata()?.len() } else { 0 };
        let fits = wishes.kind.as_ref().is_none_or(|wish| wish == kind)
            && wishes.name.as_ref().is_none_or(|glob| glob.is_match(entry.file_name()))
            && (wishes.min_bytes..=wishes.max_bytes).contains(&size);
        if fits {
            let name = entry.path().strip_prefix(&wishes.dir).unwrap_or(entry.path()).display();
            writeln!(out, "{kind} {size:>7} {name}")?;
            count += 1;
            bytes += size;
        }
    }
    writeln!(out, "{count} found, {bytes} bytes")?;
    out.flush()
}

fn main() -> ExitCode {
    let result = wishes().and_then(|wishes| walk(&wishes).map_err(|error| error.to_string()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("walk: {error}");
            ExitCode::from(2)
        }
    }
}
