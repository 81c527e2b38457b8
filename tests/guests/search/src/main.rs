//! Searches files, or standard input, for a pattern, and prints the lines that have it.
//!
//! ```text
//! search [-i] [-c] [-v] PATTERN [DIR]
//! ```
//!
//! `-i` ignores case, `-c` counts instead of printing, `-v` looks for lines without the pattern. Binary files are
//! left at their first zero byte. Exit code 0 if something was found, 1 if nothing was, 2 after an error.

use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{sinks::UTF8, BinaryDetection, Searcher, SearcherBuilder};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;
use walkdir::WalkDir;

#[derive(Default)]
struct Options {
    ignore_case: bool,
    count: bool,
    invert: bool,
    words: Vec<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "-i" => options.ignore_case = true,
            "-c" => options.count = true,
            "-v" => options.invert = true,
            _ if word.starts_with('-') => return Err(format!("unknown option {word}")),
            _ => options.words.push(word),
        }
    }
    match options.words.len() {
        1 | 2 => Ok(options),
        _ => Err("usage: search [-i] [-c] [-v] PATTERN [DIR]".into()),
    }
}

struct Search {
    matcher: RegexMatcher,
    searcher: Searcher,
    count: bool,
    invert: bool,
    out: BufWriter<StdoutLock<'static>>,
    found: u64,
}

impl Search {
    fn new(options: &Options) -> Result<Search, String> {
        let matcher = RegexMatcherBuilder::new()
            .case_insensitive(options.ignore_case)
            .build(&options.words[0])
            .map_err(|error| error.to_string())?;
        let searcher = SearcherBuilder::new()
            .line_number(true)
            .invert_match(options.invert)
            .binary_detection(BinaryDetection::quit(0))
            .build();
        let out = BufWriter::new(io::stdout().lock());
        Ok(Search { matcher, searcher, count: options.count, invert: options.invert, out, found: 0 })
    }

    /// Searches one source; `name` stands before what is printed.
    fn source(&mut self, name: &str, source: impl io::Read) -> io::Result<()> {
        let Search { matcher, searcher, count, invert, out, found } = self;
        let mut here = 0;
        let sink = UTF8(|number, line| {
            here += 1;
            if !*count {
                write!(out, "{name}:{number}:{line}")?;
                if !line.ends_with('\n') {
                    writeln!(out)?;
                }
                if !*invert {
                    let first = matcher.find(line.as_bytes())?.map_or(0, |found| found.start());
                    writeln!(out, "{:>1$}", "^", name.len() + number.to_string().len() + 3 + first)?;
                }
            }
            Ok(true)
        });
        searcher.search_reader(&*matcher, source, sink)?;
        if *count && here > 0 {
            writeln!(out, "{name}:{here}")?;
        }
        *found += here;
        Ok(())
    }

    fn below(&mut self, dir: &str) -> io::Result<()> {
        for entry in WalkDir::new(dir).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(dir).unwrap_or(entry.path()).display().to_string();
                self.source(&name, std::fs::File::open(entry.path())?)?;
            }
        }
        Ok(())
    }
}

fn search() -> Result<bool, String> {
    let options = options()?;
    let mut search = Search::new(&options)?;
    match options.words.get(1) {
        Some(dir) => search.below(dir),
        None => search.source("input", io::stdin().lock()),
    }
    .and_then(|()| search.out.flush())
    .map_err(|error| error.to_string())?;
    Ok(search.found > 0)
}

fn main() -> ExitCode {
    match search() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("search: {error}");
            ExitCode::from(2)
        }
    }
}
