//! Seeded bugs: reads the files `*.bugs`, and puts what they say into the text of sources. `copy.rs` does so for a copy of
//! the tree, and `cargo test --test tidy` sees to it that each entry still fits. Knows the standard library alone.
//!
//! ```text
//! # name-of-the-bug
//! what goes wrong
//! for: the kind of bug that it stands for
//! @ path/of/a/source.rs
//!  a line as it is
//! -a line that goes
//! +a line that comes; `BUG` in it is whether the bug is on
//! ```
//!
//! The lines with ` ` and `-` are in the source exactly once, one behind the other. A bug may have several places. Those of
//! different bugs do not overlap, so that one copy has them all.

use std::collections::BTreeMap;

/// A bug, and the places where it is put in.
#[derive(Debug, PartialEq, Eq)]
pub struct Bug {
    pub name: String,
    pub places: Vec<Place>,
}

/// A change of one source.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    /// Lines as they are, and as they become.
    old: Vec<String>,
    new: Vec<String>,
}

/// The bugs of a file. What stands before the first is a comment.
///
/// # Errors
/// If a line is not what may stand there.
pub fn parse(text: &str) -> Result<Vec<Bug>, String> {
    let mut bugs: Vec<Bug> = Vec::new();
    let mut lines = text.lines().skip_while(|line| !line.starts_with("# "));
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("# ") {
            let what = lines.next().filter(|what| !what.is_empty() && !what.starts_with(['#', '@', '-', '+', ' ']));
            let kind = lines.next().filter(|kind| kind.starts_with("for: "));
            what.zip(kind).ok_or_else(|| format!("`{name}` does not say what goes wrong, and what it stands for"))?;
            bugs.push(Bug { name: name.to_owned(), places: Vec::new() });
            continue;
        }
        let unexpected = || format!("a line belongs nowhere: `{line}`");
        let places = &mut bugs.last_mut().ok_or_else(unexpected)?.places;
        if let Some(file) = line.strip_prefix("@ ") {
            places.push(Place { file: file.to_owned(), old: Vec::new(), new: Vec::new() });
            continue;
        }
        let mut characters = line.chars();
        let (first, rest) = (characters.next(), characters.as_str().to_owned());
        match (first, places.last_mut()) {
            (None, _) => {}
            (Some(' '), Some(place)) => {
                place.old.push(rest.clone());
                place.new.push(rest);
            }
            (Some('-'), Some(place)) => place.old.push(rest),
            (Some('+'), Some(place)) => place.new.push(rest),
            _ => return Err(unexpected()),
        }
    }
    Ok(bugs)
}

/// The sources that bugs are in, with all of them put in.
///
/// # Errors
/// If an entry does not fit: each is named, with what is wrong.
pub fn apply(bugs: &[Bug], read: impl Fn(&str) -> Option<String>) -> Result<BTreeMap<String, String>, Vec<String>> {
    let mut wrong = Vec::new();
    // Where lines are replaced in each source, by what.
    let mut changes: BTreeMap<&str, Vec<(usize, &Place, &str)>> = BTreeMap::new();
    let mut sources = BTreeMap::new();
    for bug in bugs {
        if bug.places.is_empty() || bugs.iter().filter(|other| other.name == bug.name).count() > 1 {
            wrong.push(format!("{}: has no place, or another bug has its name", bug.name));
        }
        for place in &bug.places {
            let text = sources.entry(&*place.file).or_insert_with(|| read(&place.file).unwrap_or_default());
            let lines: Vec<&str> = text.lines().collect();
            let found: Vec<usize> = match place.old.len() {
                0 => Vec::new(),
                count => (0..(lines.len() + 1).saturating_sub(count))
                    .filter(|at| lines[*at..*at + count] == place.old)
                    .collect(),
            };
            match found[..] {
                [at] if place.new.iter().any(|line| line.contains("BUG")) => {
                    changes.entry(&place.file).or_default().push((at, place, &bug.name));
                }
                [_] => wrong.push(format!("{}: nothing in {} depends on `BUG`", bug.name, place.file)),
                _ => {
                    wrong.push(format!("{}: its lines are {} times in {}, not once", bug.name, found.len(), place.file))
                }
            }
        }
    }
    let mut changed = BTreeMap::new();
    for (file, mut changes) in changes {
        changes.sort_by_key(|(at, ..)| *at);
        for pair in changes.windows(2) {
            if pair[0].0 + pair[0].1.old.len() > pair[1].0 {
                wrong.push(format!("{} and {} overlap in {file}", pair[0].2, pair[1].2));
            }
        }
        let lines: Vec<&str> = sources[file].lines().collect();
        let (mut text, mut next) = (String::new(), 0);
        for (at, place, name) in changes {
            let on = format!("crate::seeded::bug(\"{name}\")");
            let new = place.new.iter().map(|line| line.replace("BUG", &on));
            let before = lines.get(next..at).unwrap_or_default().iter().map(|line| (*line).to_owned());
            before.chain(new).for_each(|line| text += &(line + "\n"));
            next = at + place.old.len();
        }
        lines.get(next..).unwrap_or_default().iter().for_each(|line| text += &format!("{line}\n"));
        changed.insert(file.to_owned(), text);
    }
    if wrong.is_empty() { Ok(changed) } else { Err(wrong) }
}
