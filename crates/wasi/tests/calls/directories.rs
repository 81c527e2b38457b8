//! Listings, and directories given beforehand.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use epsilon_wasi::{Access, Errno, WasiCtx};
use tempfile::TempDir;

use crate::guest::*;

/// witx `fd_readdir`: "Each directory entry consists of a `dirent` object, followed by `dirent::d_namlen` bytes holding
/// the name of the directory entry."
#[test]
fn an_empty_directory_lists_itself_and_its_parent() {
    let mut guest = Guest::new();
    let entries = guest.list(ROOT, 4096, 0).unwrap();
    let names: BTreeSet<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from([".", ".."]));
    assert!(entries.iter().all(|entry| entry.filetype == 3));
    let own = guest.stat(ROOT).unwrap().ino;
    assert!(entries.iter().all(|entry| entry.ino == own), "the parent is outside and is not told");
}

#[test]
fn entries_tell_type_and_number() {
    let mut guest = Guest::new();
    guest.host_write("file", "");
    guest.host_mkdir("dir");
    guest.host_symlink("file", "link");
    let entries = guest.list(ROOT, 4096, 0).unwrap();
    for (name, filetype) in [("file", 4), ("dir", 3), ("link", 7)] {
        let entry = entries.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(entry.filetype, filetype);
        assert_eq!(entry.ino, std::fs::symlink_metadata(guest.host(name)).unwrap().ino());
    }
}

/// witx `fd_readdir`: "This function fills the output buffer as much as possible, potentially truncating the last
/// directory entry. This allows the caller to grow its read buffer size in case it's too small to fit a single large
/// directory entry, or skip the oversized directory entry."
#[test]
fn any_buffer_that_holds_an_entry_lists_all() {
    let mut guest = Guest::new();
    let mut expected = BTreeSet::from([".".to_owned(), "..".to_owned()]);
    for i in 0..200 {
        let name = format!("file-{i}-{}", "x".repeat(i % 40));
        guest.host_write(&name, "");
        expected.insert(name);
    }
    for room in [100, 101, 128, 1000, 4096, 65536] {
        let entries = guest.list(ROOT, room, 0).unwrap();
        assert_eq!(entries.len(), expected.len(), "with {room} bytes");
        assert_eq!(entries.into_iter().map(|entry| entry.name).collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn small_buffers_are_filled() {
    let mut guest = Guest::new();
    for room in 0..60 {
        let bytes = guest.readdir(ROOT, room, 0).unwrap();
        assert_eq!(bytes.len() as u64, room.min(24 + 1 + 24 + 2), "everything there is, cut where the buffer ends");
    }
    let whole = guest.readdir(ROOT, 4096, 0).unwrap();
    let cut = guest.readdir(ROOT, 30, 0).unwrap();
    assert_eq!(cut, whole[..30]);
}

/// witx `dircookie`: "A reference to the offset of a directory entry. The value 0 signifies the start of the
/// directory." `d_next`: "The offset of the next directory entry stored in this directory."
#[test]
fn any_cookie_can_be_gone_back_to() {
    let mut guest = Guest::new();
    for i in 0..50 {
        guest.host_write(&format!("file-{i}"), "");
    }
    let all = guest.list(ROOT, 4096, 0).unwrap();
    for (i, entry) in all.iter().enumerate() {
        assert_eq!(guest.list(ROOT, 300, entry.next).unwrap(), all[i + 1..], "after entry {i}");
    }
    assert_eq!(guest.list(ROOT, 4096, 0).unwrap(), all);
    assert_eq!(guest.readdir(ROOT, 4096, all.last().unwrap().next), Ok(vec![]), "after the last there is nothing");
}

#[test]
fn cookies_out_of_thin_air_do_no_harm() {
    let mut guest = Guest::new();
    guest.host_write("file", "");
    for cookie in [1, 2, 12345, i64::MAX as u64, 1 << 63, u64::MAX] {
        let result = guest.readdir(ROOT, 4096, cookie);
        assert!(matches!(result, Ok(_) | Err(Errno::Inval | Errno::Noent)), "{cookie}: {result:?}");
    }
    assert_eq!(guest.names(ROOT), [".", "..", "file"]);
}

/// What removing a tree does: list a little, remove it, go on.
#[test]
fn listing_goes_on_while_names_go() {
    let mut guest = Guest::new();
    for i in 0..500 {
        guest.host_write(&format!("file-{i}"), "");
    }
    let mut cookie = 0;
    loop {
        let bytes = guest.readdir(ROOT, 256, cookie).unwrap();
        let entries = whole_entries(&bytes);
        for entry in &entries {
            if entry.filetype == 4 {
                guest.unlink(&entry.name).unwrap();
            }
            cookie = entry.next;
        }
        if bytes.len() < 256 {
            break;
        }
    }
    assert_eq!(guest.names(ROOT), [".", ".."]);
}

#[test]
fn starting_again_shows_what_is_new() {
    let mut guest = Guest::new();
    assert_eq!(guest.names(ROOT).len(), 2);
    guest.create("new", b"");
    assert_eq!(guest.names(ROOT), [".", "..", "new"]);
    guest.unlink("new").unwrap();
    assert_eq!(guest.names(ROOT), [".", ".."]);
}

#[test]
fn two_descriptors_list_on_their_own() {
    let mut guest = Guest::new();
    for i in 0..20 {
        guest.host_write(&format!("file-{i}"), "");
    }
    let (a, b) = (guest.open(".", DIRECTORY, 0).unwrap(), guest.open(".", DIRECTORY, 0).unwrap());
    let first = whole_entries(&guest.readdir(a, 200, 0).unwrap());
    let other = guest.list(b, 4096, 0).unwrap();
    let rest = guest.list(a, 200, first.last().unwrap().next).unwrap();
    assert_eq!([first, rest].concat(), other);
}

#[test]
fn only_directories_can_be_listed() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    assert_eq!(guest.readdir(fd, 100, 0), Err(Errno::NotDir));
    assert_eq!(guest.readdir(0, 100, 0), Err(Errno::Badf));
    let end = guest.memory.len() as u64;
    assert_eq!(guest.call("fd_readdir", &[3, end - 10, 11, 0, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("fd_readdir", &[3, 0, 10, 0, end]), Err(Errno::Fault));
}

/// Data does not move through a directory: the descriptor is bad for that.
#[test]
fn directories_are_not_files() {
    let mut guest = Guest::new();
    for fd in [ROOT, 4] {
        assert_eq!(guest.read(fd, 10), Err(Errno::Badf));
        assert_eq!(guest.pread(fd, 10, 0), Err(Errno::Badf));
        assert_eq!(guest.write(fd, b"x"), Err(Errno::Badf));
        assert_eq!(guest.pwrite(fd, b"x", 0), Err(Errno::Badf));
        assert_eq!(guest.seek(fd, 0, CUR), Err(Errno::Badf));
        assert_eq!(guest.tell(fd), Err(Errno::Badf));
        assert_eq!(guest.call("fd_allocate", &[fd.into(), 0, 1]), Err(Errno::Badf));
        if fd == ROOT {
            assert_eq!(guest.open(".", DIRECTORY, READ), Ok(4));
        }
    }
}

/// witx `fd_prestat_get`: "Return a description of the given preopened file descriptor." Programs ask from 3 upwards
/// until they hear `badf`.
#[test]
fn given_directories_are_found_by_number() {
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::write(second.path().join("file"), "second").unwrap();
    let mut guest = Guest::with(|builder| {
        builder.directory(first.path(), "", Access::ReadWrite).unwrap();
        builder.directory(second.path(), "/data/ünï", Access::ReadWrite).unwrap();
    });
    let mut names = Vec::new();
    for fd in 3.. {
        let out = guest.room(8);
        match guest.call("fd_prestat_get", &[fd, out]) {
            Ok(()) => {}
            Err(errno) => {
                assert_eq!((fd, errno), (6, Errno::Badf));
                break;
            }
        }
        assert_eq!(guest.memory[out as usize], 0, "a directory");
        let len = u64::from(guest.u32_at(out + 4));
        let at = guest.room(100);
        assert_eq!(guest.call("fd_prestat_dir_name", &[fd, at, len]), Ok(()));
        names.push(String::from_utf8(guest.slice(at, len).to_vec()).unwrap());
        if len > 0 {
            assert_eq!(guest.call("fd_prestat_dir_name", &[fd, at, len - 1]), Err(Errno::NameTooLong));
        }
        assert_eq!(guest.call("fd_prestat_dir_name", &[fd, at, len + 50]), Ok(()));
    }
    assert_eq!(names, ["/", "", "/data/ünï"]);
    assert_eq!(guest.call("fd_prestat_get", &[0, 0]), Err(Errno::Badf));
    let fd = guest.open_at(5, 0, "file", 0, READ, 0).unwrap();
    assert_eq!(guest.read(fd, 100), Ok(b"second".to_vec()));
}

#[test]
fn a_file_cannot_be_given_as_a_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(WasiCtx::builder().directory(file.path(), "/", Access::ReadWrite).is_err());
}

/// What the right to read a directory is for: listing it. That to search it is for the names in it.
#[test]
fn listing_takes_the_right_to_read_alone() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    use std::os::unix::fs::PermissionsExt as _;
    // On a thread of its own, which is not above the rights of files.
    let tests = || {
        let mut sets = capabilities(None).unwrap();
        sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        set_capabilities(None, sets).unwrap();
        let mut guest = Guest::new();
        guest.host_mkdir("listed/inner");
        guest.host_mkdir("searched/inner");
        let rights = |path: &std::path::Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let (listed_host, searched_host) = (guest.host("listed"), guest.host("searched"));
        rights(&listed_host, 0o400);
        rights(&searched_host, 0o100);
        let listed = guest.open("listed", DIRECTORY, READ).unwrap();
        let searched = guest.open("searched", DIRECTORY, READ).unwrap();
        assert_eq!(guest.names(listed), [".", "..", "inner"]);
        guest.call("fd_sync", &[listed.into()]).unwrap();
        assert_eq!(guest.open_at(listed, 1, "inner", DIRECTORY, READ, 0), Err(epsilon_wasi::Errno::Acces));
        let itself = guest.open_at(listed, 1, ".", DIRECTORY, READ, 0).unwrap();
        assert_eq!(guest.names(itself), [".", "..", "inner"]);
        assert_eq!(guest.names(listed), [".", "..", "inner"], "each has a position of its own");
        assert!(guest.readdir(searched, 100, 0).is_err());
        guest.open_at(searched, 1, "inner", DIRECTORY, READ, 0).expect("a name in it");
        // The same for directories that are given to the guest.
        let given = |builder: &mut epsilon_wasi::WasiCtxBuilder| {
            builder.directory(&listed_host, "/listed", epsilon_wasi::Access::ReadWrite).unwrap();
            builder.directory(&searched_host, "/searched", epsilon_wasi::Access::ReadWrite).unwrap();
        };
        let mut other = Guest::with(given);
        assert_eq!(other.names(4), [".", "..", "inner"]);
        let itself = other.open_at(4, 1, "./", DIRECTORY, READ, 0).unwrap();
        assert_eq!(other.names(itself), [".", "..", "inner"]);
        let out = other.room(64);
        let (ptr, len) = other.bytes(b".");
        other.call("path_filestat_get", &[4, 1, ptr, len, out]).expect("itself");
        other.open_at(5, 1, "inner", DIRECTORY, READ, 0).expect("a name in it");
        rights(&listed_host, 0o700);
        rights(&searched_host, 0o700);
    };
    std::thread::spawn(tests).join().unwrap();
}
