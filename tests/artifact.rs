//! Modules compiled ahead of time: the same bytes each time, the same results, and an error for everything else.

mod stored;

use epsilon::{ArtifactContents, ArtifactKey, Config, Engine, Instance, MemoryStrategy, Module, Precompiled, Store};
use stored::{Random, damage, fault_count, module_text, result_of};

fn engine_with(set: impl FnOnce(&mut Config) -> &mut Config) -> Engine {
    let mut config = Config::new();
    config.cache(None);
    set(&mut config);
    Engine::new(&config).expect("an engine")
}

fn key() -> ArtifactKey {
    ArtifactKey::new(b"sixteen bytes or more of a secret").expect("a key")
}

#[test]
fn artifacts_run_and_are_the_same_each_time() {
    let engine = engine_with(|config| config);
    let text = module_text(1);
    let expected = result_of(&engine, &Module::new(&engine, &text).expect("a module")).expect("a result");
    let artifact = engine.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
    assert_eq!(artifact, engine.precompile_module_with_key(&text, Some(&key())).expect("an artifact"));
    assert_eq!(
        artifact,
        Module::new(&engine, &text).expect("a module").serialize_with_key(Some(&key())).expect("an artifact")
    );
    assert_eq!(Engine::detect_precompiled(&artifact), Some(Precompiled::KeyedModule));
    assert_eq!(Engine::detect_precompiled(b"\0asm\x01\0\0\0"), None);
    let module = Module::deserialize_with_key(&engine, &artifact, &key()).expect("the module");
    assert_eq!(result_of(&engine, &module).expect("a result"), expected);
}

#[test]
fn what_was_made_for_something_else_is_refused_by_name() {
    let text = module_text(2);
    let guarded = engine_with(|config| config.memory_strategy(MemoryStrategy::Guarded));
    let checked = engine_with(|config| config.memory_strategy(MemoryStrategy::Checked));
    let foreign = engine_with(|config| config.target("aarch64-unknown-linux-gnu").expect("set"));
    let load = |engine: &Engine, artifact: &[u8], key: &ArtifactKey| {
        Module::deserialize_with_key(engine, artifact, key).map(drop).map_err(|error| error.to_string())
    };
    let artifact = checked.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
    let error = load(&guarded, &artifact, &key()).expect_err("another plan");
    assert!(error.contains("memory plan"), "{error}");
    let masked = engine_with(|config| config.memory_strategy(MemoryStrategy::Guarded).gc_heap_reservation(0));
    let artifact = masked.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
    let error = load(&guarded, &artifact, &key()).expect_err("another plan of heaps");
    assert!(error.contains("memory plan"), "{error}");
    if cfg!(target_arch = "x86_64") {
        let artifact = foreign.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
        let error = load(&guarded, &artifact, &key()).expect_err("another target");
        assert!(error.contains("target") && error.contains("aarch64"), "{error}");
        let error = Module::new(&foreign, &text).map(drop).expect_err("not run here").to_string();
        assert!(error.contains("aarch64"), "{error}");
    }
    let artifact = guarded.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
    let other = ArtifactKey::new(b"another secret of enough bytes").expect("a key");
    assert!(load(&guarded, &artifact, &other).expect_err("another key").contains("another key"));
    let unkeyed = guarded.precompile_module(&text).expect("an artifact");
    assert!(load(&guarded, &unkeyed, &key()).expect_err("no key").contains("without a key"));
    let mut newer = artifact.clone();
    newer[8] += 1;
    let format = format!("has format {};", newer[8]);
    assert!(load(&guarded, &newer, &key()).expect_err("another version").contains(&format));
    assert!(load(&guarded, b"\0asm", &key()).expect_err("no artifact").contains("not an artifact"));
    assert!(ArtifactKey::new(b"short").is_err());
}

#[test]
fn damage_is_an_error_or_does_not_matter() {
    let engine = engine_with(|config| config);
    let text = module_text(3);
    let intact = engine.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
    let expected = result_of(&engine, &Module::new(&engine, &text).expect("a module")).expect("a result");
    let seed = 0x05ee_da07;
    let mut random = Random(seed);
    let (mut refused, mut harmless) = (0, 0);
    for case in 0..fault_count(300) {
        let mut bytes = intact.clone();
        let how = damage(&mut bytes, &mut random);
        let result =
            Module::deserialize_with_key(&engine, &bytes, &key()).and_then(|module| result_of(&engine, &module));
        match result {
            Ok(result) => {
                assert_eq!(result, expected, "case {case} of seed {seed:#x}: {how}");
                harmless += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0 && harmless > 0, "{refused} refused, {harmless} harmless");
}

/// Where a guest with debug information traps, as a backtrace tells it.
fn backtrace_of(engine: &Engine, module: &Module) -> String {
    let mut store = Store::new(engine, ());
    let mut linker = epsilon::Linker::new(engine);
    linker.define_unknown_imports_as_traps(module).expect("imports");
    let instance = linker.instantiate(&mut store, module).expect("an instance");
    let error = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("a program").call(&mut store, ());
    format!("{:?}", error.expect_err("what it imports traps"))
}

#[test]
fn all_of_a_module_but_its_code_is_there() {
    let engine = engine_with(|config| config);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/prebuilt/trap-dwarf.wasm");
    let whole = Module::from_file(&engine, path).expect("a module");
    let artifact = whole.serialize_with_key(Some(&key())).expect("an artifact");
    let loaded = Module::deserialize_with_key(&engine, &artifact, &key()).expect("the module");
    assert!(whole.wasm().is_some() && loaded.wasm().is_none());
    assert!(loaded.imports().map(|import| import.name().to_owned()).eq(whole.imports().map(|i| i.name().to_owned())));
    for name in [".debug_info", ".debug_line", ".debug_str", "name", "producers", "none"] {
        let (there, here) = (whole.custom_sections(name), loaded.custom_sections(name));
        assert!(there.map(|section| section.data).eq(here.map(|section| section.data)), "{name}");
    }
    assert!(whole.custom_sections(".debug_info").count() > 0);
    let expected = backtrace_of(&engine, &whole);
    assert!(expected.contains(".c:"), "{expected}");
    assert_eq!(backtrace_of(&engine, &loaded), expected);

    let contents = ArtifactContents::read(&artifact).expect("an artifact");
    assert!(contents.is_keyed && contents.debug_bytes > 0 && contents.functions == whole.function_count());
    assert!(contents.settings.iter().any(|(name, value)| name == "target" && value.contains("linux")));
    assert!(ArtifactContents::read(&b"EPSLAOT"[..]).is_err());
}

#[test]
fn damaged_debug_information_is_left_out_and_the_rest_works() {
    let engine = engine_with(|config| config);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/prebuilt/trap-dwarf.wasm");
    let wasm = std::fs::read(path).expect("a guest");
    let mut artifact = engine.precompile_module_with_key(&wasm, Some(&key())).expect("an artifact");
    let at = artifact.windows(11).position(|window| window == b".debug_info").expect("debug information");
    artifact[at] ^= 1;
    let module = Module::deserialize_with_key(&engine, &artifact, &key()).expect("the module");
    assert_eq!(module.custom_sections(".debug_line").count(), 0);
    let told = backtrace_of(&engine, &module);
    assert!(!told.contains(".c:") && told.contains("_start"), "{told}");
}

#[test]
fn an_artifact_can_be_made_of_an_artifact() {
    let engine = engine_with(|config| config);
    let text = module_text(4);
    let first = engine.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
    let module = Module::deserialize_with_key(&engine, &first, &key()).expect("the module");
    let expected = result_of(&engine, &module).expect("a result");
    assert_eq!(module.serialize_with_key(Some(&key())).expect("an artifact"), first);
    let other = ArtifactKey::new(b"another secret of enough bytes").expect("a key");
    let second = module.serialize_with_key(Some(&other)).expect("an artifact");
    assert!(Module::deserialize_with_key(&engine, &second, &key()).is_err());
    let module = Module::deserialize_with_key(&engine, &second, &other).expect("the module");
    assert_eq!(result_of(&engine, &module).expect("a result"), expected);
    // A function that is damaged cannot be passed on.
    let mut damaged = first;
    *damaged.last_mut().expect("bytes") ^= 1;
    let module = Module::deserialize_with_key(&engine, &damaged, &key()).expect("the header is whole");
    assert!(module.serialize().expect_err("damaged").to_string().contains("`code`"));
}

/// A large file stays open, and what is read later is what was checked, or refused.
#[test]
fn a_large_file_is_read_as_it_is_needed() {
    let engine = engine_with(|config| config);
    let filling = "a".repeat(5 << 20);
    let text = format!(
        "(module (memory 100) (data (i32.const 0) \"{filling}\")
           (func (export \"first\") (result i32) (i32.load8_u (i32.const 7)))
           (func (export \"second\") (result i32) (i32.const 2)))"
    );
    let artifact = engine.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.epsilon");
    let mut store = Store::new(&engine, ());
    let mut call = |module: &Module, name: &str| -> epsilon::Result<i32> {
        let instance = Instance::new(&mut store, module, &[])?;
        instance.get_typed_func::<(), i32>(&mut store, name)?.call(&mut store, ())
    };
    Module::write_artifact(&path, &artifact).expect("written");
    let replaced = Module::deserialize_file_with_key(&engine, &path, &key()).expect("the module");
    Module::write_artifact(&path, b"something else").expect("written");
    assert_eq!(call(&replaced, "first").expect("the file that was opened"), 97);

    std::fs::write(&path, &artifact).expect("written");
    let changed = Module::deserialize_file_with_key(&engine, &path, &key()).expect("the module");
    assert_eq!(call(&changed, "first").expect("as it was"), 97);
    std::fs::write(&path, vec![0x90; artifact.len()]).expect("written");
    assert!(call(&changed, "second").expect_err("changed").to_string().contains("damaged"));
    std::fs::write(&path, b"").expect("written");
    assert!(call(&changed, "second").expect_err("truncated").to_string().contains("damaged"));
    assert_eq!(call(&changed, "first").expect("it has been read"), 97);

    // Behind something else, as executables have it.
    std::fs::write(&path, [&b"before"[..], &artifact].concat()).expect("written");
    let open = || std::fs::File::open(&path).expect("a file");
    let behind = Module::deserialize_open_file_with_key(&engine, open(), 6, &key()).expect("the module");
    assert_eq!(call(&behind, "second").expect("a result"), 2);
    assert!(Module::deserialize_open_file_with_key(&engine, open(), 5, &key()).is_err());
    assert!(Module::deserialize_open_file_with_key(&engine, open(), u64::MAX, &key()).is_err());
}

/// A precompilation is charged to its engine, and refused where it does not fit; the engine goes on.
#[test]
fn compiling_ahead_is_charged() {
    let large = module_text(5);
    let limited = engine_with(|config| config.max_memory(2 << 20));
    let error = limited.precompile_module(&large).map(drop).expect_err("too much");
    assert!(error.to_string().contains("max_memory"), "{error}");
    assert_eq!(limited.memory_in_use(), 0);
    limited.precompile_module("(module (func (export \"f\")))").expect("an artifact");
    let roomy = engine_with(|config| config.max_memory(1 << 30));
    roomy.precompile_module(&large).expect("an artifact");
    assert_eq!(roomy.memory_in_use(), 0);
}
