//! The contents of a module, for people.

use super::contents::{Contents, Section};
use epsilon::Escaped;
use std::fmt::{Display, Write as _};

/// The contents as text.
pub fn text(contents: &Contents) -> String {
    let mut out = String::new();
    overview(&mut out, contents);
    let section = |section: &Section| {
        let name = section.name.as_ref().map_or_else(|| section.kind.to_owned(), |name| format!("custom `{name}`"));
        let count = section.count.map_or_else(String::new, |count| counted(count, "item"));
        [name, format!("{:#x}", section.offset), counted(section.size_bytes, "byte"), count]
    };
    table(&mut out, "Sections", contents.sections.iter().map(section));
    let imports = contents.imports.iter();
    table(&mut out, "Imports", imports.map(|import| [format!("{}.{}", import.module, import.name), import.ty.clone()]));
    table(&mut out, "Exports", contents.exports.iter().map(|export| [export.name.clone(), export.ty.clone()]));
    let kinds = [
        ("Tables", &contents.tables),
        ("Memories", &contents.memories),
        ("Globals", &contents.globals),
        ("Tags", &contents.tags),
    ];
    for (title, types) in kinds {
        table(&mut out, title, types.iter().enumerate().map(|(n, ty)| [n.to_string(), ty.clone()]));
    }
    let producers = contents.producers.iter();
    table(&mut out, "Made by", producers.map(|made| [made.field.clone(), made.name.clone(), made.version.clone()]));
    out
}

fn overview(out: &mut String, contents: &Contents) {
    let kind = match contents.kind {
        "command" => "a command: it runs from `_start`",
        "reactor" => "a reactor: `_initialize` runs first, then its functions can be called",
        _ => "a library: its functions can be called",
    };
    let wasi = contents.wasi.map_or("none", |version| version);
    let mut line = |title: &str, value: &dyn Display| {
        let _ = writeln!(out, "{title:<14}{value}");
    };
    line("File", &Escaped::new(&contents.file));
    line("Size", &format_args!("{} bytes", contents.size_bytes));
    if let Some(name) = &contents.name {
        line("Name", &Escaped::new(name));
    }
    if let Some(compiled) = &contents.compiled {
        let of = |name: &str| Escaped::new(compiled.settings.get(name).map_or("?", String::as_str)).to_string();
        let key = if compiled.is_keyed { "with a key" } else { "without a key" };
        line("Compiled", &format_args!("to an {}, {key}, by {}", compiled.form, of("version")));
        line("Target", &format_args!("{}; {}", of("target"), of("memory plan")));
        line("Processor", &of("processor"));
        let debug = counted(compiled.debug_bytes as u64, "byte");
        line("Code", &format_args!("{}; {debug} of debug information", counted(compiled.code_bytes, "byte")));
        if !compiled.options.is_empty() {
            line("Options", &Escaped::new(&compiled.options.join(" ")));
        }
    }
    line("Kind", &kind);
    line("WASI", &wasi);
    line(
        "Functions",
        &format_args!("{} defined, {} imported", contents.functions.defined, contents.functions.imported),
    );
    if let Some(start) = contents.start {
        line("Start", &format_args!("function {start}"));
    }
    let segments = (contents.element_segments, contents.data_segments);
    line("Segments", &format_args!("{} of elements, {} of data", segments.0, segments.1));
    let debug = match (contents.has_names, contents.has_dwarf) {
        (false, false) => "none: backtraces have numbers only",
        (true, false) => "names of functions",
        (false, true) => "DWARF: files and lines",
        (true, true) => "names of functions; DWARF: files and lines",
    };
    line("Debug info", &debug);
    if !contents.target_features.is_empty() {
        line("Features", &Escaped::new(&contents.target_features.join(" ")));
    }
}

fn counted(count: impl Into<u64>, unit: &str) -> String {
    match count.into() {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

/// Rows in columns under a title; nothing if there are none.
fn table<const N: usize>(out: &mut String, title: &str, rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.map(|row| row.map(|cell| Escaped::new(&cell).to_string())).collect();
    if rows.is_empty() {
        return;
    }
    let widths: [usize; N] = std::array::from_fn(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0));
    let _ = writeln!(out, "\n{title}");
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        let line: String = cells.collect();
        let _ = writeln!(out, "  {}", line.trim_end());
    }
}
