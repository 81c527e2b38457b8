//! `epsilon run`: loads a module, gives it what it imports, runs it, and ends as it ended.

use crate::exit;
use crate::exit::Cause;
use crate::host::{GuestOptions, Host};
use crate::input::Input;
use crate::invoke::{self, Call};
use crate::key::KeyOption;
use crate::options::{EngineOptions, OptimizeOptions, Options};
use crate::output;
use crate::report::{self, Advice};
use crate::stop::Stop;
use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use epsilon::{
    ArtifactKey, Engine, ErrorKind, Escaped, ExternType, FuncType, ImportType, Instance, Linker, Module,
    ResourceLimiter as _, SharedMemory, Store, UnknownImportError,
};
use epsilon_wasi::Exit;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Run a program, or call a function of a module
#[derive(Args)]
#[command(override_usage = "epsilon run [OPTIONS] <FILE> [ARGS]...")]
pub struct RunCommand {
    /// A module in the binary or the text format, `-` for the standard input; then the guest's arguments
    // One list, so that what follows the file is never taken for an option of ours.
    #[arg(value_name = "FILE [ARGS]", required = true, trailing_var_arg = true)]
    words: Vec<OsString>,
    /// Call this function with the words after the file as its arguments, instead of running the program, and print its
    /// results
    #[arg(long, value_name = "FUNCTION")]
    invoke: Option<String>,
    /// With --invoke, give the guest this argument of its own: the words after the file are those of the function; may be
    /// repeated
    #[arg(long, value_name = "WORD", requires = "invoke")]
    argv: Vec<OsString>,
    /// Load another module first, and let imports from NAME find its exports; may be repeated
    #[arg(long = "preload", value_name = "NAME=FILE", value_parser = OsStringValueParser::new().try_map(Preload::parse))]
    preloads: Vec<Preload>,
    /// Let unknown imports trap when they are called, instead of refusing the module
    #[arg(long)]
    unknown_imports_trap: bool,
    #[command(flatten)]
    key: KeyOption,
    #[command(flatten)]
    guest: GuestOptions,
    #[command(flatten)]
    engine: EngineOptions,
    #[command(flatten)]
    optimize: OptimizeOptions,
}

/// A module to be loaded first, and the name under which its exports are found.
#[derive(Clone, Debug)]
struct Preload {
    name: String,
    path: PathBuf,
}

impl Preload {
    fn parse(text: OsString) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let split = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
        let at = split.ok_or("write NAME=FILE")?;
        let name = String::from_utf8(bytes[..at].to_vec()).map_err(|_| "the name is not UTF-8")?;
        Ok(Self { name, path: OsString::from_vec(bytes[at + 1..].to_vec()).into() })
    }
}

/// What runs: a module, its store, and what it can import.
struct Session {
    name: String,
    module: Module,
    linker: Linker<Host>,
    store: Store<Host>,
    stop: Stop,
}

impl RunCommand {
    /// Runs the guest; returns the exit code.
    pub fn execute(self) -> Result<i32> {
        let stop = Stop::begin()?;
        let file = self.words.first().context("no module was given; name a module file")?;
        let input = Input::read(Path::new(file))?;
        self.execute_input(stop, input, |input, engine, key| input.compile(engine, key))
    }

    /// Runs a module that is part of this executable, as `self` says; the first word is the executable's name.
    pub fn execute_embedded(mut self, executable: File, start: u64, key: &ArtifactKey) -> Result<i32> {
        let stop = Stop::begin()?;
        // The artifact has all of its code; only what is loaded besides could come from the cache.
        self.optimize.no_cache |= self.preloads.is_empty();
        let name = self.words.first().map_or_else(Default::default, |word| word.to_string_lossy().into_owned());
        self.execute_input(stop, Input::artifact(name), |input, engine, _| {
            Module::deserialize_open_file_with_key(engine, executable, start, key).map_err(|error| input.refused(error))
        })
    }

    /// What the flags about the engine set.
    pub fn engine_options(&self) -> Result<Options> {
        let mut options = self.engine.options(&self.optimize)?;
        self.guest.set(&mut options)?;
        options.unknown_imports_trap |= self.unknown_imports_trap;
        Ok(options)
    }

    fn execute_input(
        self,
        stop: Stop,
        mut input: Input,
        load: impl FnOnce(&mut Input, &Engine, &KeyOption) -> Result<Module>,
    ) -> Result<i32> {
        let options = self.engine_options()?;
        let engine = Engine::new(&options.config)?;
        let (file, args) = self.words.split_first().context("no module was given; name a module file")?;
        let path = Path::new(file);
        stop.watch_compilation(&input.name, options.timeout.clone())?;
        // What is wrong with the module may take longer to tell than there is time left.
        let module = load(&mut input, &engine, &self.key).inspect_err(|_| drop(stop.settle()))?;
        let call = match &self.invoke {
            Some(function) => Some(Call::new(&module, &input.name, function, args)?),
            None if can_start(&module) => None,
            None => {
                let message = format!("`{}` is not a program: it does not export `_start`", input.name);
                return Err(Advice::error(message, invoke::functions(&module)));
            }
        };
        // The arguments of a call are not those of the program around it.
        let wasi = self.guest.wasi(path, if call.is_some() { &self.argv } else { args }, &options)?;
        let interrupt = wasi.interrupt().clone();
        let mut store = Store::new(&engine, Host::new(wasi, &options));
        store.limiter(|host| &mut host.limits);
        let mut linker = Linker::new(&engine);
        epsilon_wasi::add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi)?;
        stop.watch(&input.name, store.interrupt_handle(), interrupt);
        let mut session = Session { name: input.name, module, linker, store, stop };
        let code = session.run(&self.preloads, &options, call);
        session.module.save_to_cache();
        // Not dropped: the process ends now, and takes everything with it.
        std::mem::forget(session);
        code
    }
}

/// Whether running the module without a call of a function does anything.
fn can_start(module: &Module) -> bool {
    module.get_export("_start").is_some_and(|ty| ty.func().is_some()) || module.has_start_function()
}

impl Session {
    /// Runs the guest; returns the exit code.
    fn run(&mut self, preloads: &[Preload], options: &Options, mut call: Option<Call>) -> Result<i32> {
        report::leave_broken_pipes_to_guest(true);
        let outcome = self.run_guest(preloads, options, call.as_mut());
        // What the guest has written comes before anything that is said about it.
        let flushed = self.store.data().wasi.lock().flush();
        report::leave_broken_pipes_to_guest(false);
        let code = match outcome {
            Ok(()) => 0,
            Err(error) => self.end_code(error)?,
        };
        // A reader that has closed the pipe, such as `head`, is not a failure.
        let flushed = flushed.or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        });
        flushed.with_context(|| format!("cannot write the output of `{}`", self.name))?;
        if let Some(call) = call.filter(|_| code == 0) {
            output::print(call.results_text())?;
        }
        Ok(code)
    }

    fn run_guest(&mut self, preloads: &[Preload], options: &Options, call: Option<&mut Call>) -> Result<()> {
        for preload in preloads {
            self.preload(preload, options)?;
        }
        let module = self.module.clone();
        let has_threads = self.prepare_threads(&module)?;
        let instance = self.instantiate(&module, &self.name.clone(), options)?;
        if !has_threads {
            return self.call_guest(&module, instance, call);
        }
        let threads = self.store.data().threads.clone();
        threads.begin(self.linker.instantiate_pre(&module)?, &self.store);
        let end = self.call_guest(&module, instance, call).map_err(epsilon::Error::from_anyhow);
        Ok(threads.finish(end)?)
    }

    /// Defines what a program with threads imports: how to start one, and the memory that they share. Says whether the
    /// module is one.
    fn prepare_threads(&mut self, module: &Module) -> Result<bool> {
        if !module.imports().any(|import| (import.module(), import.name()) == ("wasi", "thread-spawn")) {
            return Ok(false);
        }
        epsilon_wasi::add_threads_to_linker(&mut self.linker, |host: &Host| &host.threads)?;
        for import in module.imports() {
            if let ExternType::Memory(ty) = import.ty()
                && ty.is_shared()
                && self.linker.get(&mut self.store, import.module(), import.name()).is_err()
            {
                let bytes =
                    |pages: u64| usize::try_from(u128::from(pages) << ty.page_size_log2()).unwrap_or(usize::MAX);
                let (size, max) = (bytes(ty.minimum()), ty.maximum().map(bytes));
                // Made for the guest, so what the guest may take holds for it as well.
                if !self.store.data_mut().limits.memory_growing(0, size, max)? {
                    let message = format!("the {ty} that `{}` imports exceeds a limit", self.name);
                    return Err(Advice::error(
                        message,
                        "raise `-W max-memory-size=SIZE` or `-W max-total-memory=SIZE`",
                    ));
                }
                let memory = SharedMemory::new(self.linker.engine(), ty)?;
                self.linker.define(&self.store, import.module(), import.name(), memory)?;
            }
        }
        Ok(true)
    }

    fn call_guest(&mut self, module: &Module, instance: Instance, call: Option<&mut Call>) -> Result<()> {
        self.call_if_there(module, instance, "_initialize")?;
        match call {
            Some(call) => {
                let func = instance.get_func(&mut self.store, &call.name).context("the function is exported")?;
                func.call(&mut self.store, &call.arguments, &mut call.results)?;
            }
            None => self.call_if_there(module, instance, "_start")?,
        }
        Ok(())
    }

    /// Calls a function without parameters and results, if the module exports it.
    fn call_if_there(&mut self, module: &Module, instance: Instance, name: &str) -> Result<()> {
        let Some(ExternType::Func(ty)) = module.get_export(name) else { return Ok(()) };
        let plain = FuncType::new(self.linker.engine(), [], []);
        if ty != plain {
            let message = format!("`{name}` has the type {ty}; it must have the type {plain}");
            return Err(Advice::error(message, format!("`--invoke {name}` calls it with arguments")));
        }
        instance.get_typed_func::<(), ()>(&mut self.store, name)?.call(&mut self.store, ())?;
        Ok(())
    }

    fn preload(&mut self, preload: &Preload, options: &Options) -> Result<()> {
        let mut input = Input::read(&preload.path)?;
        let module = input.compile(self.linker.engine(), &KeyOption::default())?;
        let instance = self.instantiate(&module, &input.name, options)?;
        self.call_if_there(&module, instance, "_initialize")?;
        self.linker.instance(&mut self.store, &preload.name, instance)?;
        Ok(())
    }

    fn instantiate(&mut self, module: &Module, name: &str, options: &Options) -> Result<Instance> {
        if options.unknown_imports_trap {
            self.linker.define_unknown_imports_as_traps(module)?;
        }
        let error = match self.linker.instantiate(&mut self.store, module) {
            Ok(instance) => return Ok(instance),
            Err(error) => error,
        };
        match error.kind() {
            _ if error.is::<UnknownImportError>() => Err(self.unknown_imports(module, name).unwrap_or(error.into())),
            ErrorKind::Limit(message) if error.backtrace().is_none() => {
                Err(Advice::error(format!("cannot instantiate `{name}`: {message}"), "the limits are set with `-W`"))
            }
            _ => Err(error.into()),
        }
    }

    /// The error for a module with imports that nothing here provides.
    fn unknown_imports(&mut self, module: &Module, name: &str) -> Option<anyhow::Error> {
        let is_unknown =
            |import: &ImportType<'_>| self.linker.get(&mut self.store, import.module(), import.name()).is_err();
        let unknown: Vec<_> = module.imports().filter(is_unknown).collect();
        let first = unknown.first()?;
        let mut message = format!("`{name}` has unresolved imports:");
        for import in &unknown {
            let (module, name) = (Escaped::new(import.module()), Escaped::new(import.name()));
            message += &format!("\n    `{module}`.`{name}`: {}", import.ty());
        }
        let mut help = help_for_import(first.module(), first.name());
        if unknown.iter().all(|import| import.ty().func().is_some()) {
            help += "; with `--unknown-imports-trap`, an unresolved import traps only when it is called";
        }
        Some(Advice::error(message, help))
    }

    /// The exit code of a guest that did not return.
    fn end_code(&self, error: anyhow::Error) -> Result<i32> {
        let error = error.downcast::<epsilon::StdError>()?.0;
        if let Some(Exit(code)) = error.downcast_ref::<Exit>() {
            return Ok(*code);
        }
        if let Some(cause) = self.stop.settle() {
            if let Cause::Time(limit) = &cause {
                report::timeout(&self.name, &limit.text, Some(&error));
            }
            return Ok(cause.exit_code());
        }
        if error.trap().is_none() && error.backtrace().is_none() {
            return Err(anyhow::Error::from(error).context(format!("cannot run `{}`", self.name)));
        }
        report::guest_end(&self.name, &error);
        Ok(exit::TRAP)
    }
}

/// What to do about an import that nothing here provides.
fn help_for_import(module: &str, name: &str) -> String {
    let reason = match (module, name) {
        ("wasi", "thread-spawn") => {
            "only the main program may start threads; a module that is loaded before it may not"
        }
        ("wasi_snapshot_preview1" | "wasi_unstable", _) => {
            "this function belongs to an extension of WASI preview 1, not to preview 1 itself"
        }
        _ if module.starts_with("wasix_") => "the module is built for WASIX; build it for WASI preview 1",
        _ if module.starts_with("wasi:") => "the module is made for a component; build it for WASI preview 1",
        _ if module.starts_with("__wbindgen") || module == "wbg" => {
            "the module is built for JavaScript by wasm-bindgen; build it for WASI preview 1"
        }
        _ => return format!("`--preload {}=FILE` takes them from another module", Escaped::new(module)),
    };
    reason.into()
}
