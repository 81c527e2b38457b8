//! When all descriptors of the process are used up, what takes none of a native program takes none of a guest. A test
//! file of its own: the limit is the process's.

#[allow(dead_code, reason = "these tests make a few of the calls")]
#[path = "calls/guest.rs"]
mod guest;

use std::fs::File;

use epsilon_wasi::{Errno, Limits};
use guest::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes every descriptor that is left.
fn use_up() -> Vec<File> {
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken
}

#[test]
fn names_are_looked_up_when_no_descriptor_is_left() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum: getrlimit(Resource::Nofile).maximum }).unwrap();
    assert_eq!(Limits::default().descriptors, 175, "by default, what the process has but for some");
    let mut guest = Guest::new();
    guest.host_mkdir("a/b");
    guest.host_write("a/b/file", "text");
    guest.host_symlink("b/file", "a/link");
    let directory = guest.open("a/b", DIRECTORY, READ).unwrap();
    for round in 0..3 {
        let taken = use_up();
        assert!(File::open("/dev/null").is_err());
        assert_eq!(guest.path_stat("a/link", 1).unwrap().size, 4, "round {round}");
        assert_eq!(guest.path_stat("a/b", 1).unwrap().filetype, 3);
        assert_eq!(guest.path_stat("a/b/", 1).unwrap().filetype, 3);
        guest.mkdir("one").unwrap();
        guest.mkdir("a/b/new").unwrap();
        guest.rename("a/b/new", "a/other").unwrap();
        guest.rename("a/b/file", "a/b/renamed").unwrap();
        guest.rmdir("a/other").unwrap();
        guest.rmdir("one").unwrap();
        guest.link("a/b/renamed", 0, "a/second").unwrap();
        guest.unlink("a/second").unwrap();
        guest.symlink("b/renamed", "a/soft").unwrap();
        assert_eq!(guest.readlink("a/soft", 100).unwrap(), "b/renamed");
        guest.unlink("a/soft").unwrap();
        guest.rename("a/b/renamed", "a/b/file").unwrap();
        let (ptr, len) = guest.bytes(b"a/b/file");
        guest.call("path_filestat_set_times", &[ROOT.into(), 1, ptr, len, 1_000_000_000, 2_000_000_000, 5]).unwrap();
        assert_eq!(guest.path_stat("a/b/file", 0).unwrap().mtim, 2_000_000_000);
        assert_eq!(guest.names(directory), [".", "..", "file"], "an open directory can be listed");
        guest.call("fd_sync", &[directory.into()]).unwrap();
        // What needs one is told so, and nothing is left behind.
        assert_eq!(guest.open("a/b/file", 0, READ), Err(Errno::Mfile));
        assert_eq!(guest.open("a/b/never", CREAT, WRITE), Err(Errno::Mfile));
        assert_eq!(guest.path_stat("a/b/never", 0), Err(Errno::Noent));
        drop(taken);
        let fd = guest.open("a/b/file", 0, READ).expect("there are descriptors again");
        assert_eq!(guest.read(fd, 10).unwrap(), b"text");
        guest.close(fd).unwrap();
    }
}
