//! Directories and names.

use crate::errno::*;
use crate::{cases, code, host};
use std::fs::{self, File};
use std::path::Path;

cases! {
    making_directories making_deep_directories removing_directories removing_trees removing_files listing
    listing_a_thousand_names listing_while_removing renaming_files renaming_directories renaming_over
    hard_links reading_links opening_directories_as_files names_outside names_with_dots unicode_names long_paths
    two_given_directories read_only_trees relative_names paths_through_files
}

fn names_below(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// POSIX `mkdir`.
fn making_directories() {
    fs::create_dir("/new").unwrap();
    assert_eq!(code(fs::create_dir("/new")), EXIST);
    assert_eq!(code(fs::create_dir("/dangling")), EXIST);
    assert_eq!(code(fs::create_dir("/missing/new")), NOENT);
    assert_eq!(code(fs::create_dir("/hello/new")), NOTDIR);
    host!("dir new");
}

/// Parents are made as needed; what is there stays.
fn making_deep_directories() {
    fs::create_dir_all("/a/b/c/d/e/f").unwrap();
    fs::create_dir_all("/dir/sub").unwrap();
    assert!(fs::create_dir_all("/hello/x").is_err());
    host!("dir a/b/c/d/e/f");
    host!("file dir/inner inner\\n");
}

/// `path_remove_directory`: "Return `errno::notempty` if the directory is not empty."
fn removing_directories() {
    assert_eq!(code(fs::remove_dir("/dir")), NOTEMPTY);
    fs::remove_dir("/dir/sub").unwrap();
    assert_eq!(code(fs::remove_dir("/hello")), NOTDIR);
    assert_eq!(code(fs::remove_dir("/missing")), NOENT);
    host!("none dir/sub");
}

/// A tree goes, links in it go as links.
fn removing_trees() {
    fs::create_dir_all("/tree/a/b").unwrap();
    fs::write("/tree/a/file", "x").unwrap();
    fs::rename("/dirlink", "/tree/a/dirlink").unwrap();
    fs::rename("/outdir", "/tree/outdir").unwrap();
    fs::remove_dir_all("/tree").unwrap();
    host!("none tree");
    host!("file dir/inner inner\\n");
}

/// `path_unlink_file`: "Return `errno::isdir` if the path refers to a directory."
fn removing_files() {
    fs::remove_file("/digits").unwrap();
    assert_eq!(code(fs::remove_file("/digits")), NOENT);
    assert_eq!(code(fs::remove_file("/dir")), ISDIR);
    fs::remove_file("/link").unwrap();
    host!("none digits");
    host!("none link");
    host!("file hello hello, world\\n");
}

/// `fd_readdir`: every name once; `.` and `..` are left out by the library.
fn listing() {
    assert_eq!(names_below("/dir"), ["inner", "sub"]);
    assert_eq!(names_below("/dir/sub"), [""; 0]);
    assert_eq!(names_below("/fixed"), ["note", "sub"]);
    assert_eq!(names_below("/dirlink"), ["inner", "sub"]);
    let kinds: Vec<_> = fs::read_dir("/dir").unwrap().map(|entry| entry.unwrap().file_type().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| kind.is_dir()).count(), 1);
}

/// More names than one buffer of the library holds.
fn listing_a_thousand_names() {
    let name = |i: usize| format!("{i:04}-{}", "x".repeat(i % 100));
    for i in 0..1000 {
        File::create(Path::new("/dir/sub").join(name(i))).unwrap();
    }
    assert_eq!(names_below("/dir/sub"), (0..1000).map(name).collect::<Vec<_>>());
}

/// POSIX `readdir`: what is removed while listing does not end the listing.
fn listing_while_removing() {
    for i in 0..300 {
        File::create(format!("/dir/sub/{i}")).unwrap();
    }
    let mut count = 0;
    for entry in fs::read_dir("/dir/sub").unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
        count += 1;
    }
    assert_eq!(count, 300);
    fs::remove_dir("/dir/sub").unwrap();
    host!("none dir/sub");
}

/// POSIX `rename`.
fn renaming_files() {
    fs::rename("/digits", "/dir/sub/digits").unwrap();
    assert_eq!(code(fs::rename("/digits", "/x")), NOENT);
    assert_eq!(code(fs::rename("/hello", "/missing/x")), NOENT);
    assert_eq!(code(fs::rename("/hello", "/empty/x")), NOTDIR);
    host!("file dir/sub/digits 0123456789");
}

/// With everything below it.
fn renaming_directories() {
    fs::rename("/dir", "/moved").unwrap();
    assert_eq!(fs::read_to_string("/moved/inner").unwrap(), "inner\n");
    assert_eq!(code(fs::metadata("/dirlink/inner")), NOENT);
    assert_eq!(code(fs::rename("/moved", "/moved/sub/x")), INVAL);
    host!("none dir");
    host!("file moved/inner inner\\n");
}

/// POSIX `rename` over files, directories and links.
fn renaming_over() {
    fs::rename("/digits", "/empty").unwrap();
    assert_eq!(code(fs::rename("/empty", "/dir/sub")), ISDIR);
    assert_eq!(code(fs::rename("/dir/sub", "/empty")), NOTDIR);
    fs::create_dir("/other").unwrap();
    assert_eq!(code(fs::rename("/other", "/dir")), NOTEMPTY);
    fs::rename("/other", "/dir/sub").unwrap();
    fs::rename("/hello", "/link").unwrap();
    host!("file empty 0123456789");
    host!("file link hello, world\\n");
    host!("none hello");
}

/// `path_link`.
fn hard_links() {
    fs::hard_link("/digits", "/second").unwrap();
    fs::write("/second", "changed").unwrap();
    assert_eq!(fs::read_to_string("/digits").unwrap(), "changed");
    assert_eq!(code(fs::hard_link("/digits", "/hello")), EXIST);
    assert_eq!(code(fs::hard_link("/fixed/note", "/note")), ROFS);
    host!("nlink digits 2");
    host!("file second changed");
}

/// `path_readlink`.
fn reading_links() {
    assert_eq!(fs::read_link("/link").unwrap(), Path::new("hello"));
    assert_eq!(fs::read_link("/dangling").unwrap(), Path::new("nowhere"));
    assert_eq!(fs::read_link("/out").unwrap(), Path::new("../outside/secret"));
    assert_eq!(code(fs::read_link("/hello")), INVAL);
    assert_eq!(code(fs::read_link("/missing")), NOENT);
}

/// A directory can be opened, and not read as a file.
fn opening_directories_as_files() {
    let error = code(fs::read("/dir"));
    assert!([BADF, ISDIR].contains(&error), "{error}");
    let error = code(fs::write("/dir", "x"));
    assert!([BADF, ISDIR].contains(&error), "{error}");
}

/// A name with `..` that leads out finds nothing, neither for the host nor for the library.
fn names_outside() {
    for name in ["/../outside/secret", "/dir/../../outside/secret", "/outdir/secret", "/out", "/abs"] {
        assert!(fs::read(name).is_err(), "{name}");
        assert!(fs::write(name, "x").is_err(), "{name}");
        assert!(fs::copy("/hello", name).is_err(), "{name}");
    }
}

/// Dots inside lead where they lead elsewhere.
fn names_with_dots() {
    for name in ["/./hello", "/dir/../hello", "/dir/sub/../../hello", "/dirlink/../hello", "//hello"] {
        assert_eq!(fs::read(name).unwrap().len(), 13, "{name}");
    }
    File::create("/...").unwrap();
    host!("file ... ");
}

/// Names are UTF-8 and stay as they are.
fn unicode_names() {
    let names = ["Ünï", "файл", "文件", "👋🏽", "e\u{301}", "é"];
    for name in names {
        fs::write(Path::new("/dir/sub").join(name), name).unwrap();
    }
    let mut sorted = names.map(String::from);
    sorted.sort();
    assert_eq!(names_below("/dir/sub"), sorted);
    host!("file dir/sub/文件 文件");
}

/// POSIX: a component has 255 bytes at most; a path may have many of them.
fn long_paths() {
    let part = "p".repeat(200);
    let deep = format!("/{part}/{part}/{part}/{part}/{part}");
    fs::create_dir_all(&deep).unwrap();
    fs::write(format!("{deep}/end"), "deep").unwrap();
    assert_eq!(fs::read_to_string(format!("{deep}/end")).unwrap(), "deep");
    assert!(File::create(format!("/{}", "x".repeat(256))).is_err());
    assert!(File::create(format!("/{}", "x/".repeat(5000))).is_err());
}

/// Each given directory is found by its name.
fn two_given_directories() {
    assert_eq!(fs::read_to_string("/fixed/note").unwrap(), "fixed\n");
    assert_eq!(fs::read_to_string("/hello").unwrap(), "hello, world\n");
    assert_eq!(code(fs::rename("/fixed/note", "/note")), ROFS);
    host!("none note");
}

/// Below a read-only directory, everything that changes something is EROFS.
fn read_only_trees() {
    assert_eq!(code(File::create("/fixed/new")), ROFS);
    assert_eq!(code(fs::create_dir("/fixed/new")), ROFS);
    assert_eq!(code(fs::remove_file("/fixed/note")), ROFS);
    assert_eq!(code(fs::remove_dir("/fixed/sub")), ROFS);
    assert_eq!(code(fs::remove_dir_all("/fixed/sub")), ROFS);
    assert_eq!(code(fs::hard_link("/hello", "/fixed/new")), ROFS);
    assert_eq!(code(fs::rename("/hello", "/fixed/new")), ROFS);
}

/// Without a leading slash, names begin at the root, which is where programs start.
fn relative_names() {
    assert_eq!(fs::read_to_string("hello").unwrap(), "hello, world\n");
    fs::write("dir/new", "x").unwrap();
    host!("file dir/new x");
}

/// POSIX: "[ENOTDIR] A component of the path prefix names an existing file that is neither a directory nor a symbolic
/// link to a directory".
fn paths_through_files() {
    assert_eq!(code(File::open("/hello/x")), NOTDIR);
    assert_eq!(code(File::open("/link/x")), NOTDIR);
    assert_eq!(code(fs::read_dir("/hello")), NOTDIR);
    assert_eq!(code(File::open("/loop/x")), LOOP);
    assert_eq!(code(File::open("/dangling/x")), NOENT);
}
