//! Nothing outside the directory is read or changed, whatever the names, the links and the races.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use epsilon_wasi::{Access, Errno, Random, SeededRandom};
use tempfile::TempDir;

use crate::guest::*;

const SECRET: &str = "a secret that no guest may see";

/// Calls to make: 20,000, or as many as `EPSILON_WASI_SANDBOX_CALLS` says. A million take 46 seconds in an unoptimised
/// build on two processors, and nothing outside was read or changed (November 2026, Linux 6, x86-64).
fn calls_to_make() -> u64 {
    std::env::var("EPSILON_WASI_SANDBOX_CALLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

/// ```text
/// top/ secret   outside/ secret   root/ (given to the guest)
///                                   dir/ file  swap/ (a directory or, at times, a link out)
///                                   links that lead out
/// ```
struct World {
    top: TempDir,
    guest: Guest,
}

impl World {
    fn new() -> World {
        let top = TempDir::new().unwrap();
        let path = |name: &str| top.path().join(name);
        std::fs::create_dir_all(path("outside/deep")).unwrap();
        std::fs::create_dir_all(path("root/dir/swap")).unwrap();
        for name in ["secret", "outside/secret", "outside/deep/secret"] {
            std::fs::write(path(name), SECRET).unwrap();
        }
        std::fs::write(path("root/dir/file"), "inside").unwrap();
        std::fs::write(path("root/dir/swap/secret"), "inside").unwrap();
        let absolute = path("outside").to_str().unwrap().to_owned();
        let links = [
            ("../outside", "relative"),
            (&absolute, "absolute"),
            ("../../outside", "dir/up"),
            ("dir/up", "through"),
            ("..", "parent"),
            ("../secret", "to-file"),
            ("/proc/self/cwd", "magic"),
        ];
        for (target, name) in links {
            std::os::unix::fs::symlink(target, path("root").join(name)).unwrap();
        }
        let root = path("root");
        let mut guest = Guest::with(|builder| {
            builder.directory(root, "/root", Access::ReadWrite).unwrap();
        });
        assert_eq!(guest.call("fd_renumber", &[4, ROOT.into()]), Ok(()));
        World { top, guest }
    }

    /// Everything outside, with contents, kinds and numbers of links.
    fn outside(&self) -> Vec<(String, String, u64)> {
        let mut found = Vec::new();
        for dir in ["", "outside", "outside/deep"] {
            for entry in std::fs::read_dir(self.top.path().join(dir)).unwrap() {
                let entry = entry.unwrap();
                let metadata = std::fs::symlink_metadata(entry.path()).unwrap();
                let links = if entry.file_name() == "root" { 0 } else { metadata.nlink() };
                let contents = match metadata.is_file() {
                    true => std::fs::read_to_string(entry.path()).unwrap(),
                    false => String::new(),
                };
                let name = format!("{dir}/{} {:o}", entry.file_name().to_string_lossy(), metadata.mode());
                found.push((name, contents, links));
            }
        }
        found.sort();
        found
    }
}

#[test]
fn no_link_leads_out() {
    let mut world = World::new();
    let before = world.outside();
    let guest = &mut world.guest;
    for link in ["relative", "absolute", "dir/up", "through", "parent", "magic"] {
        for path in [link.to_owned(), format!("{link}/"), format!("{link}/secret"), format!("{link}/deep/secret")] {
            assert_eq!(guest.open(&path, 0, READ), Err(Errno::Perm), "{path}");
            // POSIX leaves open whether a slash after what is to be made is seen before the way out is.
            assert!(matches!(guest.open(&path, CREAT, RW), Err(Errno::Perm | Errno::IsDir)), "{path}");
            assert_eq!(guest.path_stat(&path, 1), Err(Errno::Perm), "{path}");
        }
        assert_eq!(guest.open(link, DIRECTORY, 0), Err(Errno::Perm), "{link}");
        let below = format!("{link}/new");
        assert_eq!(guest.mkdir(&below), Err(Errno::Perm), "{below}");
        assert_eq!(guest.symlink("x", &below), Err(Errno::Perm), "{below}");
        assert_eq!(guest.rename("dir/file", &below), Err(Errno::Perm), "{below}");
        assert_eq!(guest.link("dir/file", 0, &below), Err(Errno::Perm), "{below}");
        let secret = format!("{link}/secret");
        assert_eq!(guest.unlink(&secret), Err(Errno::Perm), "{secret}");
        assert_eq!(guest.rename(&secret, "stolen"), Err(Errno::Perm), "{secret}");
        assert_eq!(guest.link(&secret, 0, "stolen"), Err(Errno::Perm), "{secret}");
        assert_eq!(guest.rmdir(&format!("{link}/deep")), Err(Errno::Perm), "{link}");
    }
    assert_eq!(guest.open("to-file", 0, READ), Err(Errno::Perm));
    assert_eq!(guest.open("to-file", TRUNC, RW), Err(Errno::Perm));
    assert_eq!(world.outside(), before);
}

/// What the guest may do to the link itself stays inside.
#[test]
fn links_that_lead_out_can_be_handled_as_links() {
    let mut world = World::new();
    let before = world.outside();
    let guest = &mut world.guest;
    assert_eq!(guest.path_stat("relative", 0).map(|stat| stat.filetype), Ok(7));
    assert_eq!(guest.readlink("relative", 100).as_deref(), Ok("../outside"));
    assert_eq!(guest.rename("relative", "dir/relative"), Ok(()));
    assert_eq!(guest.open("dir/relative/secret", 0, READ), Err(Errno::Noent), "now it leads to a place inside");
    assert_eq!(guest.unlink("dir/relative"), Ok(()));
    assert_eq!(world.outside(), before);
}

/// One random call on random names; true if something could be read.
fn one_call(guest: &mut Guest, random: &mut SeededRandom) -> Vec<u8> {
    let mut roll = |limit: u8| {
        let mut byte = [0];
        random.fill(&mut byte).unwrap();
        byte[0] % limit
    };
    let names = [
        "dir/swap/secret",
        "dir/swap",
        "dir/swap/new",
        "dir/swap/../../secret",
        "dir/swap/../file",
        "dir/file",
        "relative/secret",
        "through/deep/secret",
        "dir/swap/deep/secret",
        "parent/secret",
        "absolute/secret",
        "dir/swap/deep",
        "dir/link",
        "dir/new",
        "./dir/swap/./secret",
        "dir/swap/deep/../secret",
    ];
    let (a, b) = (names[usize::from(roll(16))], names[usize::from(roll(16))]);
    match roll(12) {
        0..=3 => {
            let oflags = [0, 0, CREAT, TRUNC][usize::from(roll(4))];
            if let Ok(fd) = guest.open(a, oflags, if roll(4) == 0 { RW } else { READ }) {
                let contents = guest.read(fd, 100).unwrap_or_default();
                let _ = guest.write(fd, b"written by the guest");
                guest.close(fd).unwrap();
                return contents;
            }
        }
        4 => drop(guest.path_stat(a, 1)),
        5 => drop(guest.mkdir(a)),
        6 => drop(guest.unlink(a)),
        7 => drop(guest.rmdir(a)),
        8 => drop(guest.rename(a, b)),
        9 => drop(guest.link(a, 0, b)),
        10 => drop(guest.symlink(["../../outside", "../..", "file", "swap"][usize::from(roll(4))], b)),
        _ => {
            if let Ok(fd) = guest.open(a, DIRECTORY, 0) {
                let names = guest.readdir(fd, 1000, 0).unwrap_or_default();
                guest.close(fd).unwrap();
                return names;
            }
        }
    }
    Vec::new()
}

/// While the guest calls, another thread swaps a directory for a link to the outside, and back.
#[test]
fn no_race_leads_out() {
    let mut world = World::new();
    let before = world.outside();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (stop, dir) = (Arc::clone(&stop), world.top.path().join("root/dir"));
        move || {
            let elsewhere = TempDir::new().unwrap();
            let (swap, kept, fresh) = (dir.join("swap"), dir.join("kept"), elsewhere.path().join("fresh"));
            while !stop.load(Ordering::Relaxed) {
                let _ = std::fs::rename(&swap, &kept);
                let _ = std::os::unix::fs::symlink("../../outside", &swap);
                let _ = std::fs::remove_file(&swap);
                let _ = std::fs::rename(&kept, &swap);
                if !swap.exists() {
                    // The guest has removed or renamed it. A new one is made elsewhere and moved here, for this
                    // thread has no sandbox: writing by this name would follow a link of the guest's.
                    let _ = std::fs::create_dir_all(&fresh);
                    let _ = std::fs::write(fresh.join("secret"), "inside");
                    let _ = std::fs::rename(&fresh, &swap);
                }
            }
        }
    });
    let mut random = SeededRandom::new(2024);
    for i in 0..calls_to_make() {
        let seen = one_call(&mut world.guest, &mut random);
        let seen = String::from_utf8_lossy(&seen);
        assert!(!seen.contains("secret that") && !seen.contains("deep\0"), "call {i} saw {seen}");
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert_eq!(world.outside(), before);
}
