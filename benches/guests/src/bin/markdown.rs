//! Markdown to HTML, so many times: `pulldown-cmark`. `markdown [ROUNDS]`

use bench_guests::{Random, checksum, prose, size};
use pulldown_cmark::{Options, Parser, html};
use std::fmt::Write;

fn main() {
    let document = document();
    let mut html = String::new();
    for _ in 0..size(30) {
        html.clear();
        html::push_html(&mut html, Parser::new_ext(&document, Options::all()));
    }
    println!("{} bytes of Markdown, {} of HTML, {:016x}", document.len(), html.len(), checksum(html.as_bytes()));
}

/// Chapters with lists, tables, code, links and emphasis.
fn document() -> String {
    let mut random = Random(9);
    let text = prose(600_000);
    let mut lines = text.lines();
    let mut out = String::new();
    while let Some(line) = lines.next() {
        let next = lines.next().unwrap_or("");
        match random.below(9) {
            0 => writeln!(out, "\n## {line}\n"),
            1 => writeln!(out, "- {line}\n  1. *{next}*\n"),
            2 => writeln!(out, "\n| {} | b |\n|---|--:|\n| `{}` | ~~{}~~ |\n", line.len(), next.len(), random.below(99)),
            3 => writeln!(out, "\n```rust\n{line}\n{next}\n```\n"),
            4 => writeln!(out, "see [{}](https://example.org/{} \"title\") and ![p](p.png)", line.len(), next.len()),
            5 => writeln!(out, "\n> {line} **{next}** <em>&amp;</em> $x_{}$", random.below(10)),
            _ => writeln!(out, "{line}\n{next}"),
        }
        .expect("strings take all");
    }
    out
}
