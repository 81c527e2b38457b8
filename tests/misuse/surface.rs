//! The list of what the public API offers, read from the sources, against what is misused in this folder: a new method
//! is noticed here, and has either a name in a test or a reason why nothing can be wrong with a call of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the exported types have their methods.
const SOURCES: [&str; 2] = ["runtime/src", "crates/epsilon/src"];

/// Types, or single methods, whose calls cannot be wrong: they take no item, no store and no bytes from elsewhere, or
/// only give what is inside; or they are misused in a suite of their own.
const HARMLESS: &[(&str, &str)] = &[
    ("ArtifactKey", "tests/artifact.rs"),
    ("Cache", "tests/cache.rs"),
    ("CacheConfig", "values; tests/cache.rs"),
    ("Config", "values; what contradicts itself is an error of Engine::new (tests/api/modules.rs)"),
    ("Engine", "takes values alone; artifacts are of tests/artifact.rs"),
    ("Error", "values"),
    ("ExportType", "gives what is inside"),
    ("Extern", "gives what is inside"),
    ("ExternType", "gives what is inside"),
    ("Frame", "gives what is inside"),
    ("ImportType", "gives what is inside"),
    ("InterruptHandle", "works with any store, running or gone (when.rs, threads.rs)"),
    ("Module", "bytes are of tests/proof bytes and tests/artifact.rs; of another engine: foreign.rs"),
    ("Store", "owns what it is asked about"),
    ("StoreContext", "gives what is inside"),
    ("StoreContextMut", "gives what is inside"),
    ("StoreLimitsBuilder", "values"),
    ("Val", "values; what they are used as is checked there"),
    ("WasmBacktrace", "gives what is inside"),
    ("Exception::tag", "gives what is inside"),
    ("Exception::fields", "gives what is inside"),
    ("TypedFunc::func", "gives what is inside"),
    ("Caller::data", "gives what is inside"),
    ("Linker::engine", "gives what is inside"),
    ("Ref", "values; what they are used as is checked there"),
    ("ArtifactContents", "bytes are of tests/artifact.rs and tests/fuzz"),
    ("SharedMemory::page_size", "gives what is inside"),
    ("SharedMemory::data", "gives what is inside, in cells"),
    ("AnyRef::from_i31", "takes a value alone"),
    ("I31", "values"),
    ("ArrayType", "values; of another engine: foreign.rs"),
    ("Chain", "gives what is inside"),
    ("EngineWeak", "gives what is inside"),
    ("ExnType", "values; of another engine: foreign.rs"),
    ("Export", "gives what is inside"),
    ("FieldType", "values"),
    ("Finality", "values"),
    ("FrameModule", "gives what is inside"),
    ("FuncType", "values; of another engine: foreign.rs; too many: types.rs"),
    ("GlobalType", "values; of another engine: foreign.rs"),
    ("HeapType", "values"),
    ("HostError", "gives what is inside"),
    ("MemoryType", "values; what makes no sense: types.rs"),
    ("MemoryTypeBuilder", "values; what makes no sense: types.rs"),
    ("ModuleExport", "gives what is inside; of another module: api/known.rs"),
    ("Mutability", "values"),
    ("Linker::allow_unknown_exports", "a value, which changes nothing"),
    ("RefType", "values"),
    ("StorageType", "values"),
    ("StructType", "values; of another engine: foreign.rs"),
    ("Symbol", "gives what is inside"),
    ("TableType", "values; what makes no sense: types.rs"),
    ("Tag::eq", "compares"),
    ("TagType", "values; of another engine: foreign.rs"),
    ("UnknownImportError", "gives what is inside"),
    ("ValType", "values"),
    ("V128", "gives what is inside"),
    ("GcHeapOutOfMemory", "gives what is inside"),
    ("Fault", "values, for tests of Epsilon itself"),
    ("CallHook", "values"),
    ("PoolingAllocationConfig", "values; what is reached: api/pool.rs"),
    ("PoolingAllocatorMetrics", "gives what is inside"),
    ("ValRaw", "values; what they are used as is up to unsafe code"),
    ("Func::matches_ty", "compares; of another store as Func::ty"),
    ("Func::try_wrap", "what it may do wrong is a limit: tests/budget/limits.rs"),
];

/// Methods that appear in the tests of this folder in every way that they can be called, if not by `Type::method`.
const USED: &[&str] = &[
    "CancelToken::cancel",
    "CancelToken::is_cancelled",
    "Watch::cancelled_by",
    "Watch::progress",
    "Caller::data_mut",
    "Caller::get_export",
    "Caller::memory_and_data",
    "InstancePre::module",
    "Linker::new",
    "Linker::allow_shadowing",
    "Linker::func_wrap",
    "Linker::func_new",
    "Linker::define_unknown_imports_as_traps",
    "Func::wrap",
    "SharedMemory::ty",
    "SharedMemory::size",
    "SharedMemory::data_size",
    "HostFunc::new",
    "HostFunc::wrap",
    "HostFunc::insert",
    "HostFunc::ty",
    "HostFunc::matches",
    "ExternRef::new",
    "RootScope::new",
    "RootScope::reserve",
    "Rooted::rooted_eq",
    "Rooted::rooted_hash",
    "OwnedRooted::rooted_hash",
    "Instance::get_module_export",
];

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(fs::read_to_string(&path).expect("a source"));
        }
    }
}

fn capitalised(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// `Type::method` for every public method of an exported type.
fn methods(root: &Path) -> BTreeSet<String> {
    let exports = fs::read_to_string(root.join("crates/epsilon/src/lib.rs")).expect("the crate");
    let exported: BTreeSet<&str> =
        exports.split("pub use ").skip(1).flat_map(|rest| capitalised(rest.split(';').next().unwrap_or(""))).collect();
    let mut files = Vec::new();
    SOURCES.iter().for_each(|folder| sources(&root.join(folder), &mut files));
    let mut methods = BTreeSet::new();
    for file in &files {
        let mut of = None;
        for line in file.lines() {
            if line.starts_with('}') {
                of = None;
            } else if let Some(rest) = line.strip_prefix("impl").filter(|rest| !rest.contains(" for ")) {
                // Behind the parameters, if there are any, stands the type.
                let ty = if rest.starts_with('<') { rest.split_once("> ").map_or("", |(_, ty)| ty) } else { rest };
                of = capitalised(ty).next().filter(|ty| exported.contains(ty));
            } else if let (Some(ty), Some(name)) = (of, line.strip_prefix("    pub fn ")) {
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                methods.insert(format!("{ty}::{}", &name[..end]));
            }
        }
    }
    methods
}

#[test]
fn every_public_method_is_misused_or_harmless() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = Vec::new();
    sources(&root.join("tests/misuse"), &mut tests);
    // What this file names is not misuse.
    tests.retain(|text| !text.contains("every_public_method_is_misused_or_harmless"));
    let methods = methods(root);
    assert!(methods.len() > 100, "the sources were understood: {methods:?}");
    let is_harmless =
        |method: &str| HARMLESS.iter().any(|(name, _)| method == *name || method.split("::").next() == Some(name));
    let named =
        |method: &String| tests.iter().any(|text| text.contains(method.as_str())) || USED.contains(&method.as_str());
    let missing: Vec<_> = methods.iter().filter(|method| !is_harmless(method) && !named(method)).collect();
    assert!(missing.is_empty(), "misuse these in tests/misuse, and name them there: {missing:?}");
}
