//! `epsilon build-exe`: one native executable with a compiled module in it. It is this command itself, with the artifact
//! behind it:
//!
//! | bytes | what |
//! |---|---|
//! | … | this command |
//! | *a* | the artifact |
//! | *o* | options of `epsilon run`, each ended by a zero byte |
//! | 32 | the key of the artifact |
//! | 8, 8 | lengths *a* and *o*, little-endian |
//! | 8 | `EPSLEXE1` |
//!
//! A user that can change the executable can change what it runs, as with any executable: the key guards against damage only.

use super::run::RunCommand;
use crate::input::Input;
use crate::output::refuse_to_replace;
use crate::report::Advice;
use crate::stop::Stop;
use anyhow::{Context as _, Result};
use clap::{Args, Parser};
use epsilon::{ArtifactKey, Engine};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"EPSLEXE1";
const KEY_BYTES: usize = 32;
const TRAILER_BYTES: usize = KEY_BYTES + 8 + 8 + MAGIC.len();

/// Build a native executable that runs a module
#[derive(Args)]
pub struct BuildExeCommand {
    /// A module in the binary or the text format
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write the executable; FILE without its extension if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Options of `epsilon run` that hold whenever it runs: `-- --dir . --env HOME`
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

/// The command line of a guest that is part of an executable.
#[derive(Parser)]
struct GuestLine {
    #[command(flatten)]
    run: RunCommand,
}

fn guest_line(options: &[OsString], words: impl IntoIterator<Item = OsString>) -> Result<RunCommand, clap::Error> {
    // The first of the words is whatever the executable was called by.
    let line = ["epsilon".into()].into_iter().chain(options.iter().cloned()).chain(["--".into()]).chain(words);
    GuestLine::try_parse_from(line).map(|line| line.run)
}

impl BuildExeCommand {
    /// Compiles the module, and writes the executable.
    pub fn execute(self) -> Result<i32> {
        let stop = Stop::begin()?;
        let line = guest_line(&self.options, ["guest".into()]).map_err(|error| {
            Advice::error(error.to_string(), "the words after `--` must be options of `epsilon run`")
        })?;
        let output = self.output.unwrap_or_else(|| default_output(&self.file));
        refuse_to_replace(&self.file, &output)?;
        let input = Input::read(&self.file)?;
        // As the engine that will run it.
        let mut options = line.engine_options()?;
        let engine = Engine::new(options.config.cache(None))?;
        let mut key = [0; KEY_BYTES];
        File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut key)).context("cannot make a key")?;
        stop.watch_compilation(&input.name, None)?;
        let artifact = input.precompile(&engine, &ArtifactKey::new(&key)?)?;
        let own = std::env::current_exe().context("cannot find the path of this executable")?;
        let mut bytes = std::fs::read(&own).with_context(|| format!("cannot read `{}`", own.display()))?;
        let options: Vec<u8> =
            self.options.iter().flat_map(|option| option.as_bytes().iter().copied().chain([0])).collect();
        bytes.extend_from_slice(&artifact);
        bytes.extend_from_slice(&options);
        bytes.extend_from_slice(&key);
        bytes.extend_from_slice(&(artifact.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(options.len() as u64).to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        write(&output, &bytes)?;
        Ok(0)
    }
}

fn default_output(input: &Path) -> PathBuf {
    let stem = if input.as_os_str() == "-" { None } else { input.file_stem() };
    PathBuf::from(stem.unwrap_or_else(|| "guest".as_ref()))
}

/// Renamed when it is whole; and an executable that runs can be replaced, but not written. What stands at the temporary
/// name already, a link to somewhere else perhaps, is neither followed nor removed: another name is taken.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp-");
    let executable = std::fs::Permissions::from_mode(0o755);
    let write = || {
        let mut file = tempfile::Builder::new().prefix(&name).permissions(executable).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// What stands behind the command in an executable that `build-exe` made.
pub struct Embedded {
    file: File,
    /// Where in the file the artifact begins.
    start: u64,
    artifact_len: u64,
    key: [u8; KEY_BYTES],
    options: Vec<OsString>,
}

impl Embedded {
    /// The module in the executable of this process; `None` in the plain command.
    pub fn of_this_process() -> Option<Self> {
        // Linux has the file itself, wherever it has been moved to since.
        let own = File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?));
        Self::of_file(own.ok()?)
    }

    /// The module in an executable; `None` if there is none.
    pub fn of_file(mut file: File) -> Option<Self> {
        let end = file.seek(SeekFrom::End(-(TRAILER_BYTES as i64))).ok()?;
        let mut trailer = [0; TRAILER_BYTES];
        file.read_exact(&mut trailer).ok()?;
        let (key, rest) = trailer.split_first_chunk::<KEY_BYTES>()?;
        let (artifact_len, rest) = rest.split_first_chunk::<8>()?;
        let (options_len, magic) = rest.split_first_chunk::<8>()?;
        if magic != MAGIC {
            return None;
        }
        let (artifact_len, options_len) = (u64::from_le_bytes(*artifact_len), u64::from_le_bytes(*options_len));
        let start = end.checked_sub(artifact_len.checked_add(options_len)?)?;
        file.seek(SeekFrom::Start(start + artifact_len)).ok()?;
        let mut options = vec![0; usize::try_from(options_len).ok()?];
        file.read_exact(&mut options).ok()?;
        let options = options.split_inclusive(|byte| *byte == 0).map(|word| word[..word.len() - 1].to_vec());
        let options = options.map(OsString::from_vec).collect();
        Some(Self { file, start, artifact_len, key: *key, options })
    }

    /// The artifact's bytes, and the options of `epsilon run` that hold for it.
    pub fn read(mut self) -> Result<(Vec<u8>, Vec<OsString>)> {
        let mut artifact = Vec::new();
        self.file.seek(SeekFrom::Start(self.start))?;
        self.file.take(self.artifact_len).read_to_end(&mut artifact)?;
        Ok((artifact, self.options))
    }

    /// Runs the module with the arguments of this process; returns the exit code.
    pub fn execute(self) -> Result<i32> {
        let run = guest_line(&self.options, std::env::args_os())?;
        run.execute_embedded(self.file, self.start, &ArtifactKey::new(&self.key)?)
    }
}
