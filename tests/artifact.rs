//! Modules compiled ahead of time: the same bytes each time, the same results, and an error for everything else.

mod stored;

use epsilon::{ArtifactKey, Config, Engine, MemoryStrategy, Module, Precompiled};
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
    let artifact = engine.precompile_module(&text, Some(&key())).expect("an artifact");
    assert_eq!(artifact, engine.precompile_module(&text, Some(&key())).expect("an artifact"));
    assert_eq!(artifact, Module::new(&engine, &text).expect("a module").serialize(Some(&key())).expect("an artifact"));
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
    let foreign = engine_with(|config| config.target("aarch64-unknown-linux-gnu", &[]));
    let load = |engine: &Engine, artifact: &[u8], key: &ArtifactKey| {
        Module::deserialize_with_key(engine, artifact, key).map(drop).map_err(|error| error.to_string())
    };
    let artifact = checked.precompile_module(&text, Some(&key())).expect("an artifact");
    let error = load(&guarded, &artifact, &key()).expect_err("another plan");
    assert!(error.contains("memory plan"), "{error}");
    if cfg!(target_arch = "x86_64") {
        let artifact = foreign.precompile_module(&text, Some(&key())).expect("an artifact");
        let error = load(&guarded, &artifact, &key()).expect_err("another target");
        assert!(error.contains("target") && error.contains("aarch64"), "{error}");
        let error = Module::new(&foreign, &text).map(drop).expect_err("not run here").to_string();
        assert!(error.contains("aarch64"), "{error}");
    }
    let artifact = guarded.precompile_module(&text, Some(&key())).expect("an artifact");
    let other = ArtifactKey::new(b"another secret of enough bytes").expect("a key");
    assert!(load(&guarded, &artifact, &other).expect_err("another key").contains("another key"));
    let unkeyed = guarded.precompile_module(&text, None).expect("an artifact");
    assert!(load(&guarded, &unkeyed, &key()).expect_err("no key").contains("without a key"));
    let mut newer = artifact.clone();
    newer[8] += 1;
    assert!(load(&guarded, &newer, &key()).expect_err("another version").contains("format 3"));
    assert!(load(&guarded, b"\0asm", &key()).expect_err("no artifact").contains("not an artifact"));
    assert!(ArtifactKey::new(b"short").is_err());
}

#[test]
fn damage_is_an_error_or_does_not_matter() {
    let engine = engine_with(|config| config);
    let text = module_text(3);
    let intact = engine.precompile_module(&text, Some(&key())).expect("an artifact");
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
