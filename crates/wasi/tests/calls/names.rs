//! Making, renaming and removing names.

use epsilon_wasi::Errno;

use crate::guest::*;

/// POSIX `mkdir`; a slash at the end is allowed, for it names a directory.
#[test]
fn making_directories() {
    let cases = [
        ("dir", Ok(())),
        ("dir", Err(Errno::Exist)),
        ("dir/", Err(Errno::Exist)),
        ("slash/", Ok(())),
        ("dir/nested", Ok(())),
        ("missing/nested", Err(Errno::Noent)),
        ("file", Err(Errno::Exist)),
        ("file/nested", Err(Errno::NotDir)),
        ("dangling", Err(Errno::Exist)),
        (".", Err(Errno::Exist)),
        ("../outside", Err(Errno::Perm)),
        ("/absolute", Err(Errno::Perm)),
        ("", Err(Errno::Noent)),
    ];
    let mut guest = Guest::new();
    guest.host_write("file", "");
    guest.host_symlink("missing", "dangling");
    for (path, result) in cases {
        assert_eq!(guest.mkdir(path), result, "{path:?}");
    }
    assert!(guest.host("dir/nested").is_dir() && guest.host("slash").is_dir());
}

/// POSIX resolves what stands before a last `.` as a directory, behind a link too, and in whatever call.
#[test]
fn a_dot_at_the_end_asks_for_a_directory() {
    let mut guest = Guest::new();
    guest.host_mkdir("dir");
    guest.host_write("file", "");
    guest.host_symlink("dir", "link");
    for (path, filetype) in [("dir/.", 3), ("dir/././/", 3), ("link/.", 3), (".", 3), ("./.", 3), ("link", 7)] {
        assert_eq!(guest.path_stat(path, 0).map(|stat| stat.filetype), Ok(filetype), "{path}");
    }
    for path in ["file/.", "file/./", "file//."] {
        for follow in [0, 1] {
            assert_eq!(guest.path_stat(path, follow).map(|stat| stat.filetype), Err(Errno::NotDir), "{path}");
        }
        assert_eq!(guest.open(path, 0, READ), Err(Errno::NotDir), "{path}");
        assert_eq!(guest.unlink(path), Err(Errno::NotDir), "{path}");
    }
}

/// witx `path_remove_directory`: "Return `errno::notempty` if the directory is not empty. Note: This is similar to
/// `unlinkat(fd, path, AT_REMOVEDIR)` in POSIX."
#[test]
fn removing_directories() {
    let cases = [
        ("full", Err(Errno::NotEmpty)),
        ("empty", Ok(())),
        ("empty", Err(Errno::Noent)),
        ("slash/", Ok(())),
        ("file", Err(Errno::NotDir)),
        ("file/", Err(Errno::NotDir)),
        ("link", Err(Errno::NotDir)),
        ("../outside", Err(Errno::Perm)),
        ("", Err(Errno::Noent)),
    ];
    let mut guest = Guest::new();
    for dir in ["full/nested", "empty", "slash"] {
        guest.host_mkdir(dir);
    }
    guest.host_write("file", "");
    guest.host_symlink("full", "link");
    for (path, result) in cases {
        assert_eq!(guest.rmdir(path), result, "{path:?}");
    }
    assert!(guest.host("full/nested").is_dir() && guest.host("file").exists());
}

/// witx `path_unlink_file`: "Return `errno::isdir` if the path refers to a directory."
#[test]
fn removing_files() {
    let cases = [
        ("file", Ok(())),
        ("file", Err(Errno::Noent)),
        ("other/", Err(Errno::NotDir)),
        ("dir", Err(Errno::IsDir)),
        ("link", Ok(())),
        ("dangling", Ok(())),
        ("missing/file", Err(Errno::Noent)),
        ("../outside", Err(Errno::Perm)),
        ("", Err(Errno::Noent)),
    ];
    let mut guest = Guest::new();
    guest.host_write("file", "");
    guest.host_write("other", "");
    guest.host_mkdir("dir");
    guest.host_symlink("dir", "link");
    guest.host_symlink("nowhere", "dangling");
    for (path, result) in cases {
        assert_eq!(guest.unlink(path), result, "{path:?}");
    }
    assert!(guest.unlink("dir/").is_err());
    assert!(guest.host("dir").is_dir() && guest.host("other").exists());
}

/// POSIX `rename`
#[test]
fn renaming() {
    let cases = [
        ("file", "moved", Ok(())),
        ("file", "moved", Err(Errno::Noent)),
        ("moved", "existing", Ok(())),
        ("existing", "existing", Ok(())),
        ("existing", "dir", Err(Errno::IsDir)),
        ("dir", "existing", Err(Errno::NotDir)),
        ("dir", "full", Err(Errno::NotEmpty)),
        ("full", "full/inside", Err(Errno::Inval)),
        ("dir", "empty", Ok(())),
        ("empty/", "slashes/", Ok(())),
        ("existing/", "x", Err(Errno::NotDir)),
        ("existing", "x/", Err(Errno::NotDir)),
        ("link", "renamed link", Ok(())),
        ("existing", "../outside", Err(Errno::Perm)),
        ("../outside", "x", Err(Errno::Perm)),
        ("", "x", Err(Errno::Noent)),
        ("existing", "", Err(Errno::Noent)),
    ];
    let mut guest = Guest::new();
    guest.host_write("file", "contents");
    guest.host_write("existing", "other");
    for dir in ["dir", "empty", "full/nested"] {
        guest.host_mkdir(dir);
    }
    guest.host_symlink("full", "link");
    for (old, new, result) in cases {
        assert_eq!(guest.rename(old, new), result, "{old:?} to {new:?}");
    }
    assert_eq!(guest.host_read("existing"), b"contents");
    assert!(guest.host("slashes").is_dir() && !guest.host("empty").exists());
    assert!(guest.host("renamed link").is_symlink() && guest.host("full/nested").is_dir());
}

#[test]
fn renaming_between_directories() {
    let mut guest = Guest::new();
    guest.host_mkdir("a");
    guest.host_mkdir("b");
    guest.host_write("a/file", "moves");
    let (a, b) = (guest.open("a", DIRECTORY, 0).unwrap(), guest.open("b", DIRECTORY, 0).unwrap());
    let ((old, old_len), (new, new_len)) = (guest.bytes(b"file"), guest.bytes(b"moved"));
    assert_eq!(guest.call("path_rename", &[a.into(), old, old_len, b.into(), new, new_len]), Ok(()));
    assert_eq!(guest.host_read("b/moved"), b"moves");
    assert_eq!(guest.call("path_rename", &[a.into(), old, old_len, 99, new, new_len]), Err(Errno::Badf));
    assert_eq!(guest.call("path_rename", &[a.into(), old, old_len, 1, new, new_len]), Err(Errno::NotDir));
}

#[test]
fn names_of_names_calls_are_checked_like_all_others() {
    let mut guest = Guest::new();
    let end = guest.memory.len() as u64;
    for call in ["path_create_directory", "path_remove_directory", "path_unlink_file"] {
        assert_eq!(guest.call(call, &[3, end - 1, 2]), Err(Errno::Fault), "{call}");
        assert_eq!(guest.call(call, &[0, 0, 1]), Err(Errno::Inval), "{call}: a zero byte");
        let (ptr, len) = guest.bytes(b"x");
        assert_eq!(guest.call(call, &[0, ptr, len]), Err(Errno::NotDir), "{call}");
        assert_eq!(guest.call(call, &[77, ptr, len]), Err(Errno::Badf), "{call}");
        assert_eq!(guest.on_path(call, "a\0b"), Err(Errno::Inval), "{call}");
    }
}

/// POSIX path resolution: a name that ends in a slash "shall be resolved as if a single dot character were appended".
#[test]
fn slashes_at_the_end_name_directories() {
    let mut guest = Guest::new();
    guest.host_write("file", "");
    guest.host_mkdir("dir");
    guest.host_symlink("dir", "to-dir");
    guest.host_symlink("file", "to-file");
    for look in [0, 1] {
        for (path, filetype) in [
            ("dir/", Ok(3)),
            ("dir//", Ok(3)),
            ("to-dir/", Ok(3)),
            ("file/", Err(Errno::NotDir)),
            ("file//", Err(Errno::NotDir)),
            ("to-file/", Err(Errno::NotDir)),
            ("missing/", Err(Errno::Noent)),
            ("/", Err(Errno::Perm)),
            ("../", Err(Errno::Perm)),
        ] {
            assert_eq!(guest.path_stat(path, look).map(|stat| stat.filetype), filetype, "{path} with {look}");
        }
    }
    for path in ["file/", "to-file/", "to-dir/"] {
        assert!(guest.unlink(path).is_err(), "{path}");
        assert_eq!(guest.rmdir(path), Err(Errno::NotDir), "{path}");
        assert_eq!(guest.rename(path, "x"), Err(Errno::NotDir), "{path}");
    }
    assert_eq!(guest.open("dir/", 0, READ).map(drop), Ok(()));
    assert_eq!(guest.open("to-dir/", DIRECTORY, 0).map(drop), Ok(()));
    assert!(guest.open("new/", CREAT, RW).is_err());
    assert_eq!(guest.rename("dir/", "moved"), Ok(()));
    assert_eq!(guest.rmdir("moved/"), Ok(()));
}
