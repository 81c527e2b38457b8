//! A walk through Rust's standard library: collections, text, files, and what
//! a process knows of its surroundings. Standard output is the same bytes on
//! every target; anything that may differ (times, hash orders, the name of the
//! directory) is checked or sorted here and never printed.
//!
//! Usage: `rust-std DIR [--exit=CODE] [WORD…]`, where DIR is an empty directory
//! that the program may write to and leaves empty.

mod collections;
mod files;
mod surroundings;
mod text;

use std::path::Path;
use std::process::exit;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let Some(dir) = args.get(1) else {
        eprintln!("usage: rust-std DIR [--exit=CODE] [WORD...]");
        exit(2);
    };

    collections::run();
    text::run();
    if let Err(error) = files::run(Path::new(dir)) {
        eprintln!("rust-std: files: {error}");
        exit(3);
    }
    let code = surroundings::run(&args[2..]);
    println!("== done");
    exit(code);
}

/// Prints the heading of a section.
fn heading(title: &str) {
    println!("== {title}");
}
