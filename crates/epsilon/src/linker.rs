//! [`Linker`]: names for what modules import.

use crate::engine::Engine;
use crate::externs::ExternType;
use crate::module::Module;
use crate::{
    AsContext, AsContextMut, Caller, Error, ErrorKind, Extern, Func, FuncType, ImportType, Instance, IntoHostFunc,
    Result, Trap, Val,
};
use epsilon_abi::Escaped;
use epsilon_runtime::{HostFunc, ImportItem, TypedExtern};
use std::collections::HashMap;
use std::sync::Arc;

/// Gives modules what they import, by name. Host functions are defined once and serve any number of stores.
///
/// ```
/// use epsilon::{Caller, Engine, Linker, Module, Store};
///
/// # fn main() -> epsilon::Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap("host", "add_to_sum", |mut caller: Caller<'_, i32>, n: i32| *caller.data_mut() += n)?;
/// let module = Module::new(&engine, r#"(module
///     (import "host" "add_to_sum" (func $add (param i32)))
///     (func (export "run") (call $add (i32.const 40)) (call $add (i32.const 2))))"#)?;
/// let mut store = Store::new(&engine, 0);
/// let instance = linker.instantiate(&mut store, &module)?;
/// instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
/// assert_eq!(*store.data(), 42);
/// # Ok(())
/// # }
/// ```
pub struct Linker<T: 'static> {
    engine: Engine,
    allow_shadowing: bool,
    allow_unknown_exports: bool,
    definitions: HashMap<Arc<str>, HashMap<Arc<str>, Definition<T>>>,
}

enum Definition<T: 'static> {
    /// An item of one store.
    Item(TypedExtern),
    /// A host function for any store.
    Host(HostFunc<T>),
}

impl<T: 'static> Clone for Definition<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Item(item) => Self::Item(item.clone()),
            Self::Host(func) => Self::Host(func.clone()),
        }
    }
}

impl<T: 'static> Clone for Linker<T> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            allow_shadowing: self.allow_shadowing,
            allow_unknown_exports: self.allow_unknown_exports,
            definitions: self.definitions.clone(),
        }
    }
}

impl<T: 'static> std::fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.definitions.iter().flat_map(|(module, items)| items.keys().map(move |name| (module, name)));
        f.debug_set().entries(names).finish()
    }
}

impl<T: 'static> Linker<T> {
    /// Without definitions.
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            allow_shadowing: false,
            allow_unknown_exports: false,
            definitions: HashMap::new(),
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether modules that are commands may export other things than functions, which [`Linker::module`] does not define. Off
    /// by default: they are an error there, but for memories, and for what toolchains are known to export.
    pub fn allow_unknown_exports(&mut self, allow: bool) -> &mut Self {
        self.allow_unknown_exports = allow;
        self
    }

    /// Whether a name may be defined again. Off by default.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Self {
        self.allow_shadowing = allow;
        self
    }

    /// Defines a host function from a Rust closure of WebAssembly's number types.
    ///
    /// # Errors
    /// If the name is defined already.
    pub fn func_wrap<P, R>(&mut self, module: &str, name: &str, func: impl IntoHostFunc<T, P, R>) -> Result<&mut Self> {
        let func = HostFunc::wrap(self.engine.runtime(), func)?;
        self.insert(module, name, Definition::Host(func))
    }

    /// Defines a host function of a type that is known only at run time.
    ///
    /// # Errors
    /// If the name is defined already.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        let func = HostFunc::new(self.engine.runtime(), &ty, func)?;
        self.insert(module, name, Definition::Host(func))
    }

    /// Defines an item of a store. Only that store can use it; a [`SharedMemory`](crate::SharedMemory), all of its engine.
    ///
    /// # Errors
    /// If the name is defined already, or the item is of another store.
    pub fn define(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        let item = TypedExtern::new(&store, item.into())?;
        self.insert(module, name, Definition::Item(item))
    }

    /// Defines every import of `module` that has no definition as a function that traps when it is called.
    ///
    /// Imports of other kinds are left as they are: instantiation says that they are missing.
    ///
    /// # Errors
    /// If the engine's limit is reached.
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<()> {
        self.for_undefined(module, |linker, import| {
            let ExternType::Func(ty) = import.ty() else { return Ok(()) };
            let unknown = UnknownImportError::called(import);
            linker.func_new(import.module(), import.name(), ty, move |_, _, _| Err(unknown.clone().into()))?;
            Ok(())
        })
    }

    /// Defines every export of an instance under `module`.
    ///
    /// # Errors
    /// If a name is defined already, or the instance is of another store.
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Self> {
        if !instance.is_of(&store) {
            return Err(ErrorKind::WrongStore { item: "instance" }.into());
        }
        let exports: Vec<_> =
            instance.exports(&mut store).map(|export| (export.name().to_owned(), export.into_extern())).collect();
        for (name, item) in exports {
            let item = TypedExtern::new(&store, item)?;
            self.insert(module, &name, Definition::Item(item))?;
        }
        Ok(self)
    }

    /// Instantiates a module, runs its `_initialize` if it exports one, and defines its exports under `name`.
    ///
    /// # Errors
    /// If a name is defined already; and as [`Linker::instantiate`].
    pub fn module(&mut self, mut store: impl AsContextMut<Data = T>, name: &str, module: &Module) -> Result<&mut Self> {
        let exports = |name: &str| module.get_export(name).is_some_and(|ty| ty.func().is_some());
        if exports("_start") && !exports("_initialize") {
            return self.command(name, module);
        }
        let instance = self.instantiate(&mut store, module)?;
        if module.get_export("_initialize").is_some_and(|ty| ty.func().is_some()) {
            instance.get_typed_func::<(), ()>(&mut store, "_initialize")?.call(&mut store, ())?;
        }
        self.instance(store, name, instance)
    }

    /// Defines the functions of a command, each call of which has an instance of its own.
    fn command(&mut self, name: &str, module: &Module) -> Result<&mut Self> {
        let pre = self.instantiate_pre(module)?;
        for export in module.exports() {
            match export.ty() {
                ExternType::Func(ty) => {
                    let (pre, export) = (pre.clone(), export.name().to_owned());
                    self.func_new(name, &export.clone(), ty, move |mut caller, params, results| {
                        let instance = pre.instantiate(&mut caller)?;
                        let func = instance.get_func(&mut caller, &export).expect("the module exports the function");
                        func.call(&mut caller, params, results)
                    })?;
                }
                ExternType::Memory(_) => {}
                _ if self.allow_unknown_exports || is_known_of_toolchains(export.name()) => {}
                _ => {
                    let problem = "a command exports functions; `allow_unknown_exports` leaves out the rest";
                    return Err(Error::misuse(format!("export `{}`: {problem}", Escaped::new(export.name()))));
                }
            }
        }
        Ok(self)
    }

    /// Instantiates a module with what is defined here.
    ///
    /// # Errors
    /// If an import is not defined or of another type; and as [`Instance::new`].
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>, module: &Module) -> Result<Instance> {
        let definitions = self.definitions_for(module)?;
        instantiate(&mut store, module, &definitions)
    }

    /// Looks up all imports of a module and checks them, so that instantiating it again and again need not. Afterwards only
    /// the store may still be the wrong one: another than that of the items that it imports, or of another engine.
    ///
    /// # Errors
    /// If an import is not defined, is of another type, or of another engine; or if no store has all of them.
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        let definitions = self.definitions_for(module)?;
        let linked = module.linked();
        let mut first: Option<&TypedExtern> = None;
        for (import, definition) in linked.info().imports.iter().zip(&definitions) {
            let item = match definition {
                Definition::Host(func) => {
                    func.check(linked, import)?;
                    continue;
                }
                Definition::Item(item) => item,
            };
            item.check(linked, import)?;
            if !first.is_none_or(|first| first.goes_with(item)) {
                let problem = "it belongs to a different store from an earlier import; \
                               all imports of a module must belong to one store";
                return Err(import_error(&import.module, &import.name, problem));
            }
            if item.is_of_a_store() {
                first = first.or(Some(item));
            }
        }
        if !Engine::same(&self.engine, module.engine()) {
            let problem = "the linker and the module belong to different engines; use one engine for both";
            return Err(Error::misuse(problem));
        }
        Ok(InstancePre { module: module.clone(), definitions: definitions.into() })
    }

    /// The item defined under a name, as an item of `store`.
    ///
    /// # Errors
    /// If nothing is defined under it; or if it is a host function and the store is of another engine, or has no room for
    /// it.
    pub fn get(&self, mut store: impl AsContextMut<Data = T>, module: &str, name: &str) -> Result<Extern> {
        let missing = || {
            let hint = "define it first".into();
            Error::new(ErrorKind::Missing { what: format!("a definition of `{module}`.`{name}`"), hint })
        };
        to_item(&mut store, self.find(module, name).ok_or_else(missing)?)
    }

    /// The item that an import of a module has here, if there is one that `store` can have.
    pub fn get_by_import(&self, store: impl AsContextMut<Data = T>, import: &ImportType<'_>) -> Option<Extern> {
        self.get(store, import.module(), import.name()).ok()
    }

    /// As [`Linker::get_by_import`], but what keeps the store from having the item is an error.
    ///
    /// # Errors
    /// If the item is a host function and the store is of another engine, or has no room for it.
    pub fn try_get_by_import(
        &self,
        mut store: impl AsContextMut<Data = T>,
        import: &ImportType<'_>,
    ) -> Result<Option<Extern>> {
        self.find(import.module(), import.name()).map(|definition| to_item(&mut store, definition)).transpose()
    }

    /// The function that is called when the module of this name is run: the item with an empty name, else `_start`, else a
    /// function that does nothing.
    ///
    /// # Errors
    /// If that export is not a function.
    pub fn get_default(&self, mut store: impl AsContextMut<Data = T>, module: &str) -> Result<Func> {
        for name in ["", "_start"] {
            if let Ok(item) = self.get(&mut store, module, name) {
                let kind = item.kind();
                return item.into_func().ok_or_else(|| Error::mismatch(format!("`{module}`.`{name}`"), "func", kind));
            }
        }
        HostFunc::wrap(self.engine.runtime(), || ())?.insert(&mut store)
    }

    /// All definitions, as items of `store`: the two names of each. Host functions of another engine than the store's are
    /// left out.
    pub fn iter<'a: 'p, 'p>(
        &'a self,
        mut store: impl AsContextMut<Data = T> + 'p,
    ) -> impl Iterator<Item = (&'a str, &'a str, Extern)> + 'p {
        let all = self.definitions.iter().flat_map(|(module, items)| items.iter().map(move |item| (&**module, item)));
        all.filter_map(move |(module, (name, definition))| {
            Some((module, &**name, to_item(&mut store, definition).ok()?))
        })
    }

    /// Defines under a second pair of names what a first one names.
    ///
    /// # Errors
    /// If nothing is defined under the first names, or something under the second.
    pub fn alias(&mut self, module: &str, name: &str, as_module: &str, as_name: &str) -> Result<&mut Self> {
        let Some(definition) = self.find(module, name).cloned() else {
            return Err(import_error(module, name, "not defined; define it before its alias"));
        };
        self.insert(as_module, as_name, definition)
    }

    /// Defines all that is defined under the module name `module` under another one as well.
    ///
    /// # Errors
    /// If a name is defined already under the other one.
    pub fn alias_module(&mut self, module: &str, as_module: &str) -> Result<()> {
        let items = self.definitions.get(module);
        let items: Vec<_> =
            items.into_iter().flatten().map(|(name, definition)| (name.clone(), definition.clone())).collect();
        for (name, definition) in items {
            self.insert(as_module, &name, definition)?;
        }
        Ok(())
    }

    /// Defines every import of `module` that has no definition: functions return zeros and nulls; memories, tables and globals
    /// have their least size and contain zeros and nulls.
    ///
    /// # Errors
    /// If a type has no such value, such as a reference that cannot be null, or an import is a tag; or limits are reached.
    pub fn define_unknown_imports_as_default_values(
        &mut self,
        mut store: impl AsContextMut<Data = T, Engine = Engine>,
        module: &Module,
    ) -> Result<()> {
        self.for_undefined(module, |linker, import| {
            let none = |error: Error| {
                let problem = format!("not defined, and {} has no default value: {error}", import.ty());
                import_error(import.module(), import.name(), problem)
            };
            if let ExternType::Func(ty) = import.ty() {
                let values: Option<Vec<Val>> = ty.results().map(|ty| ty.default_value()).collect();
                let values = values.ok_or_else(|| none(Error::misuse("a result cannot be null")))?;
                linker.func_new(import.module(), import.name(), ty, move |_, _, results| {
                    results.copy_from_slice(&values);
                    Ok(())
                })?;
                return Ok(());
            }
            let item = import.ty().default_value(&mut store).map_err(none)?;
            linker.define(&store, import.module(), import.name(), item)?;
            Ok(())
        })
    }

    /// Defines each import of a module that has no definition.
    fn for_undefined(
        &mut self,
        module: &Module,
        mut define: impl FnMut(&mut Self, &ImportType<'_>) -> Result<()>,
    ) -> Result<()> {
        for import in module.imports() {
            if self.find(import.module(), import.name()).is_none() {
                define(self, &import)?;
            }
        }
        Ok(())
    }

    fn find(&self, module: &str, name: &str) -> Option<&Definition<T>> {
        self.definitions.get(module)?.get(name)
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition<T>) -> Result<&mut Self> {
        let items = match self.definitions.get_mut(module) {
            Some(items) => items,
            None => self.definitions.entry(module.into()).or_default(),
        };
        if !self.allow_shadowing && items.contains_key(name) {
            return Err(import_error(module, name, "defined twice; call `allow_shadowing(true)` to replace it"));
        }
        items.insert(name.into(), definition);
        Ok(self)
    }

    fn definitions_for(&self, module: &Module) -> Result<Vec<Definition<T>>> {
        let find = |import: crate::ImportType<'_>| match self.find(import.module(), import.name()) {
            Some(definition) => Ok(definition.clone()),
            None => {
                let problem = Some(self.missing(&import));
                Err(UnknownImportError { problem, ..UnknownImportError::called(&import) }.into())
            }
        };
        module.imports().map(find).collect()
    }

    /// Why an import is not defined, and what would mend it.
    fn missing(&self, import: &crate::ImportType<'_>) -> String {
        let ty = import.ty();
        if let Some(items) = self.definitions.get(import.module()) {
            let close = items.keys().find(|name| name.eq_ignore_ascii_case(import.name()));
            if let Some(close) = close {
                return format!("unknown import of a {ty}; there is `{close}`, spelled otherwise");
            }
            return format!(
                "unknown import of a {ty}; the module `{}` is defined but does not contain an item of this name",
                import.module()
            );
        }
        let elsewhere = self.definitions.iter().find(|(_, items)| items.contains_key(import.name()));
        match elsewhere {
            Some((module, items)) if !items.is_empty() => {
                format!("unknown import of a {ty}; there is `{module}`.`{}`", import.name())
            }
            _ => format!("unknown import of a {ty}; define it, or let unknown imports trap when they are called"),
        }
    }
}

/// A module with all of its imports looked up.
pub struct InstancePre<T: 'static> {
    module: Module,
    definitions: Arc<[Definition<T>]>,
}

/// Globals that toolchains export from commands, which nobody uses.
fn is_known_of_toolchains(name: &str) -> bool {
    matches!(name, "__indirect_function_table" | "__data_end" | "__heap_base" | "__dso_handle" | "__rtti_base")
}

impl<T: 'static> Clone for InstancePre<T> {
    fn clone(&self) -> Self {
        Self { module: self.module.clone(), definitions: self.definitions.clone() }
    }
}

impl<T: 'static> std::fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstancePre").field("module", &self.module).finish_non_exhaustive()
    }
}

impl<T: 'static> InstancePre<T> {
    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Instantiates the module.
    ///
    /// # Errors
    /// If the store is not that of the items, or of another engine; and as [`Instance::new`], but for what it says of
    /// imports.
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        instantiate(&mut store, &self.module, &self.definitions)
    }
}

fn instantiate<T: 'static>(
    store: &mut impl AsContextMut<Data = T>,
    module: &Module,
    definitions: &[Definition<T>],
) -> Result<Instance> {
    let imports = definitions.iter().map(|definition| match definition {
        Definition::Item(item) => ImportItem::Item(item.item()),
        Definition::Host(func) => ImportItem::Host(func),
    });
    Instance::new_with(store, module, imports)
}

fn to_item<T: 'static>(store: &mut impl AsContextMut<Data = T>, definition: &Definition<T>) -> Result<Extern> {
    match definition {
        Definition::Item(item) => Ok(item.item().clone()),
        Definition::Host(func) => func.insert(store).map(Extern::Func),
    }
}

fn import_error(module: &str, name: &str, problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::Import { module: module.into(), name: name.into(), problem: problem.into() })
}

/// A call to an import that was left undefined and set to trap; or an import that is not defined.
///
/// ```
/// use epsilon::{Engine, Linker, Module, Store, UnknownImportError};
/// # fn main() -> epsilon::Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(&engine, r#"(module (import "a" "b" (func)))"#)?;
/// let error = Linker::new(&engine).instantiate(Store::new(&engine, ()), &module).unwrap_err();
/// let unknown: UnknownImportError = error.downcast()?;
/// assert_eq!((unknown.module(), unknown.name()), ("a", "b"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownImportError {
    module: String,
    name: String,
    ty: ExternType,
    /// What would mend it; `None` if it was called.
    problem: Option<String>,
}

impl UnknownImportError {
    /// That an import was called.
    fn called(import: &ImportType<'_>) -> Self {
        let (module, name) = (import.module().to_owned(), import.name().to_owned());
        Self { module, name, ty: import.ty(), problem: None }
    }

    /// The first of the import's names.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The second of the import's names.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of the import.
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}

impl std::fmt::Display for UnknownImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (module, name) = (Escaped::new(&self.module), Escaped::new(&self.name));
        match &self.problem {
            Some(problem) => write!(f, "import `{module}`.`{name}`: {}", Escaped::new(problem)),
            None => write!(f, "{}: `{module}`.`{name}`", Trap::UnknownImport.message()),
        }
    }
}

impl std::error::Error for UnknownImportError {}
