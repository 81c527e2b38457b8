//! The world in which a case runs, and how what its guest says of the host's view is checked.
//!
//! ```text
//! root/   given as "/", number 3            fixed/  given as "/fixed", number 4, read-only
//!   hello    "hello, world\n"                 note  "fixed\n"
//!   digits   "0123456789"                     sub/
//!   empty    ""                             outside/  not given
//!   dir/     inner "inner\n", sub/            secret  SECRET
//!   link -> hello         dirlink -> dir    dangling -> nowhere     loop -> loop
//!   out -> ../outside/secret                outdir -> ../outside    abs -> /etc/passwd
//! ```
//!
//! Guests print what the host must see once they have ended, one line each; other lines are not looked at:
//!
//! ```text
//! host file NAME TEXT      a file with these contents (\n is a line end)
//! host dir NAME            a directory                 host none NAME        nothing
//! host link NAME TARGET    a symbolic link             host size NAME N      its size
//! host zeros NAME A B      zero bytes from A to B      host mtime NAME NS    its time of last change
//! host nlink NAME N        its number of links         host ino NAME N       its number
//! ```

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use epsilon_wasi::{Access, Captured, InputStream, Limits, OutputStream, WasiCtx};
use tempfile::TempDir;

const SECRET: &str = "what no guest may see";

/// A fresh tree for one case.
pub struct World {
    top: TempDir,
}

impl World {
    pub fn new() -> World {
        let top = TempDir::new().expect("a directory");
        let path = |name: &str| top.path().join(name);
        for dir in ["root/dir/sub", "fixed/sub", "outside"] {
            fs::create_dir_all(path(dir)).expect("a directory");
        }
        let files = [
            ("root/hello", "hello, world\n"),
            ("root/digits", "0123456789"),
            ("root/empty", ""),
            ("root/dir/inner", "inner\n"),
            ("fixed/note", "fixed\n"),
            ("outside/secret", SECRET),
        ];
        for (name, contents) in files {
            fs::write(path(name), contents).expect("a file");
        }
        let links = [
            ("hello", "link"),
            ("dir", "dirlink"),
            ("nowhere", "dangling"),
            ("loop", "loop"),
            ("../outside/secret", "out"),
            ("../outside", "outdir"),
            ("/etc/passwd", "abs"),
        ];
        for (target, name) in links {
            symlink(target, path("root").join(name)).expect("a link");
        }
        World { top }
    }

    pub fn root(&self) -> PathBuf {
        self.top.path().join("root")
    }

    /// A context with this tree; the guest's output is captured.
    pub fn context(&self, args: &[&str], stdout: &Captured, stderr: &Captured) -> WasiCtx {
        let mut builder = WasiCtx::builder();
        builder.try_args(args).expect("arguments");
        builder.env("GREETING", "hello = world").env("EMPTY", "");
        builder.directory(self.root(), "/", Access::ReadWrite).expect("a directory");
        builder.directory(self.top.path().join("fixed"), "/fixed", Access::ReadOnly).expect("a directory");
        builder.stdin(InputStream::bytes("typed in")).limits(Limits { descriptors: 100, ..Limits::default() });
        builder.stdout(OutputStream::captured(stdout.clone())).stderr(OutputStream::captured(stderr.clone()));
        builder.build()
    }

    /// What is wrong with the host's view: with what the guest said of it, and with what it could not touch.
    pub fn complaints(&self, output: &str) -> Vec<String> {
        let said = output.lines().filter_map(|line| line.strip_prefix("host "));
        let mut complaints: Vec<String> = said
            .filter_map(|line| self.check(line).err().map(|why| format!("the host should see `{line}`: {why}")))
            .collect();
        for (dir, names) in [("outside", &["secret"][..]), ("fixed", &["note", "sub"]), ("fixed/sub", &[])] {
            let entries = fs::read_dir(self.top.path().join(dir)).expect("a directory");
            let mut seen: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
            seen.sort();
            if seen != names {
                complaints.push(format!("{dir} contains {seen:?}"));
            }
        }
        for (name, contents) in [("outside/secret", SECRET), ("fixed/note", "fixed\n")] {
            if fs::read_to_string(self.top.path().join(name)).ok().as_deref() != Some(contents) {
                complaints.push(format!("{name} is not what it was"));
            }
        }
        complaints
    }

    /// Checks one line.
    fn check(&self, line: &str) -> Result<(), String> {
        let mut words = line.splitn(3, ' ');
        let (what, name, rest) =
            (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or("").to_owned());
        let path = self.root().join(name);
        let metadata = fs::symlink_metadata(&path);
        if what == "none" {
            return if metadata.is_err() { Ok(()) } else { Err("something is there".into()) };
        }
        let metadata = metadata.map_err(|error| error.to_string())?;
        let (seen, expected) = match what {
            "file" => (fs::read_to_string(&path).map_err(|error| error.to_string())?, rest.replace("\\n", "\n")),
            "dir" => (metadata.is_dir().to_string(), "true".into()),
            "link" => (fs::read_link(&path).map_err(|error| error.to_string())?.display().to_string(), rest),
            "size" => (metadata.len().to_string(), rest),
            "nlink" => (metadata.nlink().to_string(), rest),
            "ino" => (metadata.ino().to_string(), rest),
            "mtime" => ((metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec()).to_string(), rest),
            "zeros" => (are_zeros(&path, &rest)?.to_string(), "true".into()),
            _ => return Err("this says nothing".into()),
        };
        if seen == expected { Ok(()) } else { Err(format!("it sees `{seen}`")) }
    }
}

fn are_zeros(path: &Path, range: &str) -> Result<bool, String> {
    let (from, to) = range.split_once(' ').ok_or("two numbers are needed")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    let (from, to) = (number(from)?, number(to)?);
    let mut bytes = Vec::new();
    let mut file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.seek(SeekFrom::Start(from)).map_err(|error| error.to_string())?;
    file.take(to - from).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes.len() as u64 == to - from && bytes.iter().all(|byte| *byte == 0))
}
