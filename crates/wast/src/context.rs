//! Runs directives, one after the other, in one store; those of a `thread` in a store of their own, on a thread.

use crate::{spectest, values};
use epsilon::{Engine, Error, Export, Instance, Linker, Module, SharedMemory, Store, Trap, Val};
use std::collections::HashMap;
use std::thread::{Scope, ScopedJoinHandle};
use wast::token::Id;
use wast::{QuoteWat, QuoteWatTest, WastDirective, WastExecute, WastInvoke, WastRet, WastThread, Wat};

/// A script's state.
pub struct Context<'s, 'e> {
    scope: &'s Scope<'s, 'e>,
    engine: Engine,
    store: Store<()>,
    linker: Linker<()>,
    current: Option<Instance>,
    instances: HashMap<String, Instance>,
    definitions: HashMap<String, Module>,
    last_definition: Option<Module>,
    /// In a thread: what it may register of the script's instances, and only shared memories.
    shared: HashMap<String, Exports>,
    threads: HashMap<String, ScopedJoinHandle<'s, Outcome>>,
}

/// Shared memories that an instance exports.
type Exports = Vec<(String, SharedMemory)>;

type Outcome<T = ()> = Result<T, String>;

impl<'s, 'e> Context<'s, 'e> {
    /// A script's state at its beginning. Threads of the script end with `scope`.
    pub fn new(engine: &Engine, scope: &'s Scope<'s, 'e>) -> Self {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.allow_shadowing(true);
        spectest::define(&mut linker, &mut store).expect("the host module of the test suite");
        Self {
            scope,
            engine: engine.clone(),
            store,
            linker,
            current: None,
            instances: HashMap::new(),
            definitions: HashMap::new(),
            last_definition: None,
            shared: HashMap::new(),
            threads: HashMap::new(),
        }
    }

    /// Runs a directive; the error says how it did not do what the script says.
    pub fn run(&mut self, directive: WastDirective<'s>) -> Outcome {
        match directive {
            WastDirective::Module(module) => self.module(module),
            WastDirective::ModuleDefinition(module) => self.definition(module),
            WastDirective::ModuleInstance { instance, module, .. } => self.instantiate_definition(instance, module),
            WastDirective::Register { name, module, .. } => self.register(name, module),
            WastDirective::Thread(thread) => self.thread(thread),
            WastDirective::Wait { thread, .. } => self.wait(thread),
            WastDirective::Invoke(call) => self.invoke(call).map(drop).map_err(text),
            WastDirective::AssertReturn { exec, results, .. } => self.assert_return(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.assert_trap(exec, message),
            WastDirective::AssertExhaustion { call, .. } => match self.invoke(call) {
                Err(error) if error.trap() == Some(Trap::StackOverflow) => Ok(()),
                other => Err(format!("expected a stack overflow, got {other:?}")),
            },
            WastDirective::AssertException { exec, .. } => match self.execute(exec) {
                Err(error) if error.exception().is_some() => Ok(()),
                other => Err(format!("expected an exception, got {other:?}")),
            },
            WastDirective::AssertInvalid { module, message, .. } => self.assert_refused(module, message),
            WastDirective::AssertMalformed { module, message, .. } => self.assert_refused(module, message),
            WastDirective::AssertUnlinkable { module, message, .. } => self.assert_unlinkable(module, message),
            other => Err(format!("directive not supported: {other:?}").chars().take(120).collect()),
        }
    }

    fn module(&mut self, mut module: QuoteWat<'_>) -> Outcome {
        let name = module.name().map(|id| id.name().to_owned());
        // If this fails, what follows must not meet an older instance.
        self.current = None;
        if let Some(name) = &name {
            self.instances.remove(name);
        }
        let compiled = self.compile(&mut module)?;
        self.add_instance(&compiled, name)
    }

    fn definition(&mut self, mut module: QuoteWat<'_>) -> Outcome {
        let name = module.name().map(|id| id.name().to_owned());
        let compiled = self.compile(&mut module)?;
        if let Some(name) = name {
            self.definitions.insert(name, compiled.clone());
        }
        self.last_definition = Some(compiled);
        Ok(())
    }

    fn instantiate_definition(&mut self, instance: Option<Id<'_>>, module: Option<Id<'_>>) -> Outcome {
        let found = match module {
            Some(id) => self.definitions.get(id.name()),
            None => self.last_definition.as_ref(),
        };
        let module = found.cloned().ok_or("no such module definition")?;
        self.add_instance(&module, instance.map(|id| id.name().to_owned()))
    }

    fn add_instance(&mut self, module: &Module, name: Option<String>) -> Outcome {
        let instance = self.linker.instantiate(&mut self.store, module).map_err(text)?;
        self.current = Some(instance);
        if let Some(name) = name {
            self.instances.insert(name, instance);
        }
        Ok(())
    }

    /// Starts a thread. Of the script's instances it has what can be shared of the one that it names.
    fn thread(&mut self, thread: WastThread<'s>) -> Outcome {
        let mut shared = HashMap::new();
        if let Some(id) = thread.shared_module {
            let instance = self.instance(Some(id))?;
            let memory = |export: Export<'_>| Some((export.name().to_owned(), export.into_shared_memory()?));
            shared.insert(id.name().to_owned(), instance.exports(&mut self.store).filter_map(memory).collect());
        }
        let (engine, scope, directives) = (self.engine.clone(), self.scope, thread.directives);
        let running = scope.spawn(move || {
            let mut context = Context::new(&engine, scope);
            context.shared = shared;
            directives.into_iter().try_for_each(|directive| context.run(directive))
        });
        self.threads.insert(thread.name.name().to_owned(), running);
        Ok(())
    }

    fn wait(&mut self, thread: Id<'_>) -> Outcome {
        let running = self.threads.remove(thread.name()).ok_or("no such thread")?;
        running.join().map_err(|_| "the thread panicked")?
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>) -> Outcome {
        if let Some(exports) = module.and_then(|id| self.shared.get(id.name())) {
            for (export, memory) in exports {
                self.linker.define(&self.store, name, export, memory.clone()).map_err(text)?;
            }
            return Ok(());
        }
        let instance = self.instance(module)?;
        self.linker.instance(&mut self.store, name, instance).map(drop).map_err(text)
    }

    fn instance(&self, name: Option<Id<'_>>) -> Outcome<Instance> {
        match name {
            Some(id) => self.instances.get(id.name()).copied().ok_or_else(|| format!("no instance `{}`", id.name())),
            None => self.current.ok_or_else(|| "no instance yet".into()),
        }
    }

    fn compile(&self, module: &mut QuoteWat<'_>) -> Outcome<Module> {
        match module.to_test().map_err(|error| error.to_string())? {
            QuoteWatTest::Binary(wasm) => Module::from_binary(&self.engine, &wasm).map_err(text),
            QuoteWatTest::Text(text_format) => Module::new(&self.engine, text_format).map_err(text),
        }
    }

    fn invoke(&mut self, call: WastInvoke<'_>) -> Result<Vec<Val>, Error> {
        let instance = self.instance(call.module).map_err(Error::misuse)?;
        let arguments: Result<Vec<Val>, String> =
            call.args.iter().map(|arg| values::argument(&mut self.store, arg)).collect();
        let arguments = arguments.map_err(Error::misuse)?;
        let Some(func) = instance.get_func(&mut self.store, call.name) else {
            return Err(Error::misuse(format!("no exported function `{}`", call.name)));
        };
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &arguments, &mut results)?;
        Ok(results)
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Vec<Val>, Error> {
        match exec {
            WastExecute::Invoke(call) => self.invoke(call),
            WastExecute::Wat(module) => {
                let module = self.compile(&mut QuoteWat::Wat(module)).map_err(Error::misuse)?;
                self.linker.instantiate(&mut self.store, &module).map(|_| Vec::new())
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module).map_err(Error::misuse)?;
                let found = instance.get_global(&mut self.store, global);
                let found = found.ok_or_else(|| Error::misuse(format!("no exported global `{global}`")))?;
                Ok(vec![found.get(&mut self.store)])
            }
        }
    }

    fn assert_return(&mut self, exec: WastExecute<'_>, expected: &[WastRet<'_>]) -> Outcome {
        let results = self.execute(exec).map_err(text)?;
        let equal = results.len() == expected.len()
            && results.iter().zip(expected).all(|(value, want)| values::matches(&mut self.store, value, want));
        if equal { Ok(()) } else { Err(format!("expected {expected:?}, got {results:x?}")) }
    }

    fn assert_trap(&mut self, exec: WastExecute<'_>, message: &str) -> Outcome {
        match self.execute(exec) {
            Err(error) => match error.trap() {
                // The suite's older files say "undefined" where newer ones append the element's index.
                Some(code) if message.starts_with(code.message()) || code.message().starts_with(message) => Ok(()),
                // A call beyond the end of a table has words of its own.
                Some(Trap::TableOutOfBounds)
                    if message.starts_with("undefined") && error.to_string().ends_with("undefined element") =>
                {
                    Ok(())
                }
                // It also says what kind of reference is null.
                Some(Trap::NullReference) if message.starts_with("null ") && message.ends_with(" reference") => Ok(()),
                _ => Err(format!("expected the trap `{message}`, got `{error}`")),
            },
            Ok(results) => Err(format!("expected the trap `{message}`, got {results:x?}")),
        }
    }

    /// The wording of messages is not part of the specification; that the module is refused is.
    fn assert_refused(&mut self, mut module: QuoteWat<'_>, message: &str) -> Outcome {
        match self.compile(&mut module) {
            Err(_) => Ok(()),
            Ok(_) => Err(format!("expected the module to be refused: {message}")),
        }
    }

    fn assert_unlinkable(&mut self, module: Wat<'_>, message: &str) -> Outcome {
        let module = self.compile(&mut QuoteWat::Wat(module))?;
        match self.linker.instantiate(&mut self.store, &module) {
            Err(error) if is_link_error(&error) => Ok(()),
            other => Err(format!("expected a link error `{message}`, got {other:?}")),
        }
    }
}

/// Whether an import is missing, or of another type.
fn is_link_error(error: &Error) -> bool {
    matches!(error.kind(), epsilon::ErrorKind::Import { .. }) || error.is::<epsilon::UnknownImportError>()
}

fn text(error: Error) -> String {
    error.to_string()
}
