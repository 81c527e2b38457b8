//! Who is compared: where each contender's command is, and how it runs a program.

use crate::Options;
use crate::programs::Program;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The commands, and where things are.
pub struct Peers {
    /// The checkout.
    pub root: PathBuf,
    /// Epsilon's command.
    pub epsilon: PathBuf,
    /// Wasmtime's command, or that of the other Epsilon.
    pub wasmtime: PathBuf,
    /// Node's command.
    pub node: Option<PathBuf>,
    /// Ruby's interpreter, the large module.
    pub ruby: Option<PathBuf>,
    native: PathBuf,
    /// Options of the other Epsilon, if that is what Epsilon is compared with.
    pub other_epsilon: Option<Vec<String>>,
}

/// Who runs a program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Contender {
    /// Epsilon, in its third run or a later one.
    EpsilonCached,
    /// Wasmtime, likewise.
    WasmtimeCached,
    /// Epsilon with an empty cache.
    EpsilonCold,
    /// Wasmtime, likewise.
    WasmtimeCold,
    /// Node, which keeps nothing between runs.
    Node,
    /// The program compiled for the host.
    Native,
}

impl Peers {
    /// Finds the peers, having installed them if that is asked for, and builds Epsilon.
    pub fn find(root: &Path, options: &Options) -> Result<Self> {
        if options.install_peers {
            run_visibly(Command::new(root.join("benches/peers.sh")))?;
        }
        let epsilon = match &options.epsilon {
            Some(path) => path.clone(),
            None => build_epsilon(root)?,
        };
        let installed = root.join("benches/target/peers");
        let find = |named: &Option<PathBuf>, place: &str, command: Option<&str>| {
            let found = installed.join(place);
            let on_path =
                || command.map(PathBuf::from).filter(|path| Command::new(path).arg("--version").output().is_ok());
            named.clone().or_else(|| found.exists().then_some(found)).or_else(on_path)
        };
        let with = options.against_epsilon_with.as_deref().unwrap_or_default();
        let is_other = options.against_epsilon.is_some() || options.against_epsilon_with.is_some();
        let other_epsilon = is_other.then(|| with.split_whitespace().map(str::to_owned).collect());
        let wasmtime = match &other_epsilon {
            Some(_) => options.against_epsilon.clone().unwrap_or_else(|| epsilon.clone()),
            None => find(&options.wasmtime, "bin/wasmtime", Some("wasmtime"))
                .context("there is no `wasmtime`: name it with --wasmtime, or let --install-peers build it")?,
        };
        Ok(Self {
            root: root.to_owned(),
            epsilon,
            wasmtime,
            node: find(&options.node, "node_modules/node/bin/node", Some("node")),
            ruby: find(&options.ruby, "node_modules/@ruby/3.4-wasm-wasi/dist/ruby.wasm", None),
            native: options.native.clone().unwrap_or_else(|| root.join("target/native-guests")),
            other_epsilon,
        })
    }

    /// The first line that a command prints about its version.
    pub fn version(command: &Path) -> Result<String> {
        let output = Command::new(command).arg("--version").output();
        let output = output.with_context(|| format!("cannot run `{}`", command.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
    }

    /// A program's module.
    pub fn module(&self, program: &Program) -> PathBuf {
        self.root.join(program.folder.path()).join("prebuilt").join(format!("{}.wasm", program.guest))
    }

    /// The file of what a program must print.
    pub fn expected(&self, program: &Program) -> PathBuf {
        self.root.join(program.folder.path()).join("expected").join(format!("{}.stdout", program.guest))
    }

    /// The command by which a contender runs a program; `None` if it is not there.
    pub fn command(&self, contender: Contender, program: &Program, cache: &Path) -> Result<Option<Command>> {
        let module = self.module(program);
        let mut command = match contender {
            Contender::EpsilonCached | Contender::EpsilonCold => self.epsilon(cache, &["run"]),
            Contender::WasmtimeCached | Contender::WasmtimeCold => self.wasmtime(cache, "run")?,
            Contender::Node => {
                let Some(node) = &self.node else { return Ok(None) };
                let mut command = Command::new(node);
                command.arg("--no-warnings").arg(self.root.join("benches/node.mjs"));
                command
            }
            Contender::Native => {
                let path = self.native.join(program.guest);
                if !path.exists() {
                    return Ok(None);
                }
                let mut command = Command::new(path);
                command.args(program.args);
                return Ok(Some(command));
            }
        };
        command.arg(module).args(program.args);
        Ok(Some(command))
    }

    /// Epsilon's command with a cache of its own.
    pub fn epsilon(&self, cache: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.epsilon);
        command.env("EPSILON_CACHE_DIR", cache).args(args);
        command
    }

    /// Wasmtime's command, or that of the other Epsilon, with a cache of its own.
    pub fn wasmtime(&self, cache: &Path, subcommand: &str) -> Result<Command> {
        if let Some(options) = &self.other_epsilon {
            let mut command = Command::new(&self.wasmtime);
            command.env("EPSILON_CACHE_DIR", cache).arg(subcommand).args(options);
            return Ok(command);
        }
        let config = cache.join("wasmtime.toml");
        std::fs::write(&config, format!("[cache]\ndirectory = {:?}\n", cache.join("code")))?;
        let mut command = Command::new(&self.wasmtime);
        command.arg(subcommand).arg("-C").arg(format!("cache-config={}", config.display())).arg("-C").arg("cache=y");
        Ok(command)
    }
}

fn build_epsilon(root: &Path) -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "-p", "epsilon-cli"]).current_dir(root);
    run_visibly(build)?;
    Ok(root.join("target/release/epsilon"))
}

/// Runs a command that talks to the terminal.
pub fn run_visibly(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
