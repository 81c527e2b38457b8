//! Reads a CSV file, groups its rows by one column, and prints count, sum,
//! mean, least and greatest of another column as an aligned table.
//!
//! Usage: `csv FILE [GROUP-COLUMN [VALUE-COLUMN]]`; the columns are `region`
//! and `amount` unless named.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word =
        |index: usize, default: &'static str| args.get(index).map_or(default, String::as_str);
    let Some(path) = args.first() else {
        eprintln!("usage: csv FILE [GROUP-COLUMN [VALUE-COLUMN]]");
        return ExitCode::from(2);
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("csv: {path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (group, value) = (word(1, "region"), word(2, "amount"));
    match summarize(&text, group, value) {
        Ok(groups) => {
            print_table(group, &groups);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("csv: {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is wrong with a table.
#[derive(Debug)]
enum Error {
    NoHeader,
    NoColumn { wanted: String, header: String },
    ShortRow { line: usize },
    NotANumber { line: usize, field: String },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoHeader => write!(f, "the file is empty"),
            Error::NoColumn { wanted, header } => write!(f, "no column {wanted:?} among {header}"),
            Error::ShortRow { line } => write!(f, "line {line}: too few fields"),
            Error::NotANumber { line, field } => {
                write!(f, "line {line}: {field:?} is not a number")
            }
        }
    }
}

/// The running summary of one group.
struct Summary {
    count: u64,
    sum: f64,
    least: f64,
    greatest: f64,
}

impl Summary {
    const EMPTY: Summary = Summary {
        count: 0,
        sum: 0.0,
        least: f64::INFINITY,
        greatest: f64::NEG_INFINITY,
    };

    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
    }

    /// The cells of a table row, after the group's name.
    fn cells(&self) -> [String; 5] {
        let mean = self.sum / self.count as f64;
        let number = |value: f64| format!("{value:.2}");
        [
            self.count.to_string(),
            number(self.sum),
            number(mean),
            number(self.least),
            number(self.greatest),
        ]
    }
}

fn summarize(text: &str, group: &str, value: &str) -> Result<BTreeMap<String, Summary>, Error> {
    let mut lines = text.lines().enumerate();
    let header = fields(lines.next().ok_or(Error::NoHeader)?.1);
    let column = |wanted: &str| {
        let missing = || Error::NoColumn {
            wanted: wanted.to_string(),
            header: header.join(", "),
        };
        header
            .iter()
            .position(|name| name == wanted)
            .ok_or_else(missing)
    };
    let (group, value) = (column(group)?, column(value)?);

    let mut groups = BTreeMap::new();
    for (index, row) in lines.filter(|(_, row)| !row.trim().is_empty()) {
        let line = index + 1;
        let mut row = fields(row);
        if row.len() < header.len() {
            return Err(Error::ShortRow { line });
        }
        let number = match row[value].parse() {
            Ok(number) => number,
            Err(_) => {
                return Err(Error::NotANumber {
                    line,
                    field: row.swap_remove(value),
                })
            }
        };
        groups
            .entry(row.swap_remove(group))
            .or_insert(Summary::EMPTY)
            .add(number);
    }
    Ok(groups)
}

/// Splits a row at its commas. A field in double quotes may hold commas, and
/// holds a quote where two are written.
fn fields(row: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields
            .last_mut()
            .expect("there is always a field to extend");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

fn print_table(group: &str, groups: &BTreeMap<String, Summary>) {
    let heading = ["count", "sum", "mean", "min", "max"].map(String::from);
    let mut rows = vec![(group.to_string(), heading)];
    rows.extend(
        groups
            .iter()
            .map(|(name, summary)| (name.clone(), summary.cells())),
    );

    let name_width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let width = |cell: usize| {
        rows.iter()
            .map(|(_, cells)| cells[cell].len())
            .max()
            .unwrap_or(0)
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    for (index, (name, cells)) in rows.iter().enumerate() {
        let mut line = format!("{name:<name_width$}");
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        println!("{line}");
        if index == 0 {
            println!("{}", "-".repeat(line.chars().count()));
        }
    }
}
