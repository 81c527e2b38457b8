//! How the command is linked, so that it starts fast: a small program is over before two milliseconds have passed, and
//! loading the command is a large part of them. Where the tools of the machine cannot do it, it is linked as any other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// The unwinder that the standard library asks the linker for, and archives of it.
const UNWINDER: (&str, [&str; 2]) = ("libgcc_s.so", ["libgcc_eh.a", "libgcc.a"]);

/// The first version of the C library that relocates addresses listed in the short form (`DT_RELR`).
const SHORT_RELOCATIONS: (u32, u32) = (2, 36);

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CC");
    let (target, host) = (env::var("TARGET").unwrap_or_default(), env::var("HOST").unwrap_or_default());
    // What this machine has says nothing about another one.
    if !target.ends_with("-linux-gnu") || target != host {
        return Ok(());
    }
    if c_library_version().is_some_and(|version| version >= SHORT_RELOCATIONS) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    link_unwinder()
}

/// Puts the archives in the place of the library, which would be loaded at each start.
fn link_unwinder() -> io::Result<()> {
    let (library, archives) = UNWINDER;
    let Some(archives) = archives.iter().map(|archive| find(archive)).collect::<Option<Vec<_>>>() else {
        return Ok(());
    };
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    // To the linker, a text in the place of a library is a script.
    fs::write(folder.join(library), format!("INPUT ( {} )\n", archives.join(" ")))?;
    println!("cargo:rustc-link-search=native={}", folder.display());
    Ok(())
}

/// Where the C compiler has an archive, quoted for the linker.
fn find(archive: &str) -> Option<String> {
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let path = output(Command::new(compiler).arg(format!("-print-file-name={archive}")))?;
    // An archive that is not there is answered with its name.
    (Path::new(&path).is_absolute() && Path::new(&path).is_file()).then(|| format!("\"{path}\""))
}

fn c_library_version() -> Option<(u32, u32)> {
    let text = output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let (major, minor) = text.strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
