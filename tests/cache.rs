//! The code cache: what is stored is used, and whatever happens to it, results stay right.

mod stored;

use epsilon::{CacheConfig, CacheStatus, Compilation, Config, Engine, Instance, Module, Store};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stored::{Random, damage, fault_count, module_text, module_text_of, result_of};

fn engine_in(directory: &Path) -> Engine {
    engine_with(directory, |config| config)
}

fn engine_with(directory: &Path, set: impl FnOnce(&mut Config) -> &mut Config) -> Engine {
    let mut config = Config::new();
    // Entries are written at the ends of modules alone, however slow the machine is.
    config.cache(Some(CacheConfig::new().directory(directory).save_after(Duration::MAX)));
    set(&mut config);
    Engine::new(&config).expect("an engine")
}

/// Loads the module, runs it, and lets it be stored; returns the result and how the cache served.
fn run_in(directory: &Path, text: &str) -> (i32, CacheStatus) {
    let engine = engine_in(directory);
    let module = Module::new(&engine, text).expect("a module");
    let result = result_of(&engine, &module).expect("a result");
    (result, module.cache_status())
}

fn entry_file(directory: &Path) -> PathBuf {
    let mut entries = fs::read_dir(directory).expect("the cache").map(|entry| entry.expect("an entry").path());
    entries.find(|path| path.extension().is_some_and(|extension| extension == "code")).expect("an entry")
}

#[test]
fn the_second_run_begins_where_the_first_one_ended() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = module_text(1);
    let (first, status) = run_in(directory.path(), &text);
    assert_eq!(status, CacheStatus::Miss);
    let engine = engine_in(directory.path());
    let module = Module::new(&engine, &text).expect("a module");
    assert!(matches!(module.cache_status(), CacheStatus::Hit { functions: 16.., damaged: 0 }));
    assert!(module.compiled_count() >= 16, "what was called before is linked before anything runs");
    assert_eq!(result_of(&engine, &module).expect("a result"), first);
}

#[test]
fn a_long_run_leaves_its_code_before_it_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = module_text_of(2400, 1);
    let mut config = Config::new();
    let cache = CacheConfig::new().directory(directory.path()).save_after(Duration::from_millis(20));
    let engine = Engine::new(config.cache(Some(cache))).expect("an engine");
    let module = Module::new(&engine, &text).expect("a module");
    module.compile_all(|_| ()).expect("code");
    // The module lives on, as in a process that will be killed.
    let started = Instant::now();
    while engine.cache().expect("a cache").entries().expect("entries").is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was saved");
        std::thread::sleep(Duration::from_millis(20));
    }
    let other = engine_in(directory.path());
    let status = Module::new(&other, &text).expect("a module").cache_status();
    assert!(matches!(status, CacheStatus::Hit { functions: 1.., damaged: 0 }), "{status:?}");
    // What is saved piece by piece adds up.
    drop(module);
    let status = Module::new(&other, &text).expect("a module").cache_status();
    assert!(matches!(status, CacheStatus::Hit { functions: 2401, damaged: 0 }), "{status:?}");
}

#[test]
fn a_secret_that_the_disk_never_had_is_made_anew() {
    // What file systems leave of a file after the power has failed.
    for left in [&[][..], &[0; 32]] {
        let directory = tempfile::tempdir().expect("a directory");
        let text = module_text(1);
        let (first, _) = run_in(directory.path(), &text);
        fs::write(directory.path().join("secret"), left).expect("damage");
        assert_eq!(run_in(directory.path(), &text), (first, CacheStatus::Miss));
        assert_ne!(fs::read(directory.path().join("secret")).expect("a secret"), left);
        assert!(matches!(run_in(directory.path(), &text), (result, CacheStatus::Hit { .. }) if result == first));
    }
}

#[test]
fn an_entry_that_the_disk_never_had_is_passed_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = module_text(1);
    let (first, _) = run_in(directory.path(), &text);
    let len = fs::metadata(entry_file(directory.path())).expect("an entry").len() as usize;
    for left in [vec![], vec![0; len]] {
        fs::write(entry_file(directory.path()), left).expect("damage");
        assert_eq!(run_in(directory.path(), &text), (first, CacheStatus::Miss));
        assert!(matches!(run_in(directory.path(), &text), (result, CacheStatus::Hit { .. }) if result == first));
    }
}

#[test]
fn settings_that_affect_code_have_entries_of_their_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = module_text(1);
    run_in(directory.path(), &text);
    let settings: [fn(&mut Config) -> &mut Config; 4] = [
        |config| config.memory_strategy(epsilon::MemoryStrategy::Checked),
        |config| config.gc_heap_reservation(0),
        |config| config.cranelift_opt_level(epsilon::OptLevel::None),
        |config| config.wasm_simd(false).wasm_relaxed_simd(false),
    ];
    for set in settings {
        let engine = engine_with(directory.path(), set);
        assert_eq!(Module::new(&engine, &text).expect("a module").cache_status(), CacheStatus::Miss);
    }
    let (_, status) = run_in(directory.path(), &text);
    assert!(matches!(status, CacheStatus::Hit { .. }));
}

#[test]
fn eager_and_lazy_engines_share_entries() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = module_text(2);
    let eager = engine_with(directory.path(), |config| config.compilation(Compilation::Eager));
    let module = Module::new(&eager, &text).expect("a module");
    assert_eq!(module.compiled_count(), module.function_count());
    let expected = result_of(&eager, &module).expect("a result");
    drop((module, eager));
    assert_eq!(run_in(directory.path(), &text).0, expected);
}

/// Whatever workers still had to do.
#[test]
fn engines_that_are_gone_have_let_go_of_entries() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = module_text(4);
    run_in(directory.path(), &text);
    let path = entry_file(directory.path());
    let intact = fs::read(&path).expect("the entry");
    for _ in 0..60 {
        // A function that has to be compiled gets the workers going.
        let mut damaged = intact.clone();
        let len = damaged.len();
        damaged[len - 2000..].fill(0);
        damaged[len / 2..len / 2 + 2000].fill(0);
        fs::write(&path, &damaged).expect("written");
        run_in(directory.path(), &text);
    }
    let is_open = |fd: &fs::DirEntry| fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(directory.path()));
    let open = || fs::read_dir("/proc/self/fd").expect("descriptors").flatten().filter(is_open).count();
    let started = Instant::now();
    while open() > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "{} entries are open", open());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_fault_is_passed_over_and_repaired() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = module_text(3);
    let (expected, _) = run_in(directory.path(), &text);
    let path = entry_file(directory.path());
    let intact = fs::read(&path).expect("the entry");
    let seed = 0x5eed_cafe_0001;
    let mut random = Random(seed);
    for case in 0..fault_count(300) {
        let mut bytes = intact.clone();
        let how = damage(&mut bytes, &mut random);
        fs::write(&path, &bytes).expect("writing the fault");
        let (result, status) = run_in(directory.path(), &text);
        assert_eq!(result, expected, "case {case} of seed {seed:#x}: {how}");
        if bytes == intact {
            continue;
        }
        // What the fault touched may not have been needed; what was is repaired, so that the next load is whole.
        let engine = engine_in(directory.path());
        let repaired = Module::new(&engine, &text).expect("a module").cache_status();
        assert!(
            matches!(repaired, CacheStatus::Hit { damaged: 0, .. }),
            "case {case} of seed {seed:#x}: {how}: first {status:?}, then {repaired:?}"
        );
    }
}

#[test]
fn entries_of_another_module_version_or_user_are_passed_over() {
    let (ours, theirs) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let text = module_text(4);
    let (expected, _) = run_in(ours.path(), &text);
    let path = entry_file(ours.path());
    // The same module, stored under another user's secret.
    run_in(theirs.path(), &text);
    fs::copy(entry_file(theirs.path()), &path).expect("copying an entry");
    assert_eq!(run_in(ours.path(), &text), (expected, CacheStatus::Miss));
    // Another module of ours, under this one's name.
    let other = tempfile::tempdir().expect("a directory");
    fs::copy(ours.path().join("secret"), other.path().join("secret")).expect("copying the secret");
    run_in(other.path(), &module_text(5));
    fs::copy(entry_file(other.path()), &path).expect("copying an entry");
    assert_eq!(run_in(ours.path(), &text), (expected, CacheStatus::Miss));
    // Another version of the format.
    let mut bytes = fs::read(&path).expect("the entry");
    bytes[8] ^= 0xff;
    fs::write(&path, bytes).expect("writing");
    assert_eq!(run_in(ours.path(), &text), (expected, CacheStatus::Miss));
}

#[test]
fn a_directory_that_others_can_write_is_not_used() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
    let (_, status) = run_in(directory.path(), &module_text(6));
    let CacheStatus::Unused { reason } = status else { panic!("{status:?}") };
    assert!(reason.contains("can be written by other users"), "{reason}");
}

#[test]
fn a_secret_that_others_can_read_is_not_used() {
    let directory = tempfile::tempdir().expect("a directory");
    run_in(directory.path(), &module_text(6));
    let secret = directory.path().join("secret");
    assert_eq!(fs::metadata(&secret).expect("a secret").permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("permissions");
    let (_, status) = run_in(directory.path(), &module_text(6));
    let CacheStatus::Unused { reason } = status else { panic!("{status:?}") };
    assert!(reason.contains("secret` can be read by other users"), "{reason}");
}

#[test]
fn a_cache_that_cannot_be_written_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cache");
    fs::write(&path, "a file where a directory should be").expect("writing");
    let (_, status) = run_in(&path, &module_text(7));
    assert!(matches!(status, CacheStatus::Unused { .. }), "{status:?}");
}

#[test]
fn the_size_limit_holds_and_the_least_recently_used_go_first() {
    let directory = tempfile::tempdir().expect("a directory");
    run_in(directory.path(), &module_text(10));
    let one = fs::metadata(entry_file(directory.path())).expect("metadata").len();
    let limit = one * 7 / 2;
    for salt in 11..20 {
        let mut config = Config::new();
        config.cache(Some(CacheConfig::new().directory(directory.path()).size_limit(limit)));
        let engine = Engine::new(&config).expect("an engine");
        let module = Module::new(&engine, module_text(salt)).expect("a module");
        result_of(&engine, &module).expect("a result");
        module.save_to_cache();
        let entries = engine.cache().expect("a cache").entries().expect("entries");
        assert!(entries.iter().map(|entry| entry.size_bytes).sum::<u64>() <= limit);
    }
    assert!(matches!(run_in(directory.path(), &module_text(19)).1, CacheStatus::Hit { .. }));
    assert_eq!(run_in(directory.path(), &module_text(10)).1, CacheStatus::Miss);
}

#[test]
fn many_threads_share_one_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let texts: Vec<String> = (30..36).map(module_text).collect();
    let expected: Vec<i32> = texts.iter().map(|text| run_in(directory.path(), text).0).collect();
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let (texts, expected, directory) = (&texts, &expected, directory.path());
            scope.spawn(move || {
                let mut random = Random(0x7ead + thread as u64);
                for _ in 0..25 {
                    let n = random.below(texts.len());
                    if random.below(4) == 0 {
                        let path = entry_file(directory);
                        let mut bytes = fs::read(&path).unwrap_or_default();
                        if !bytes.is_empty() {
                            damage(&mut bytes, &mut random);
                            // Another thread may have removed or replaced it meanwhile: all the better.
                            let _ = fs::write(&path, bytes);
                        }
                    }
                    assert_eq!(run_in(directory, &texts[n]).0, expected[n]);
                }
            });
        }
    });
}

#[test]
fn verifying_finds_damage_and_clearing_removes_all() {
    let directory = tempfile::tempdir().expect("a directory");
    run_in(directory.path(), &module_text(40));
    let engine = engine_in(directory.path());
    let cache = engine.cache().expect("a cache");
    let entries = cache.entries().expect("entries");
    assert_eq!(entries.len(), 1);
    let (functions, damaged) = cache.verify(&entries[0]).expect("an entry");
    assert!(functions >= 16 && damaged == 0);
    let mut bytes = fs::read(&entries[0].path).expect("the entry");
    *bytes.last_mut().expect("bytes") ^= 1;
    fs::write(&entries[0].path, bytes).expect("writing");
    assert_eq!(cache.verify(&entries[0]).expect("an entry"), (functions, 1));
    assert_eq!(cache.clear().expect("clearing"), 1);
    assert!(cache.entries().expect("entries").is_empty());
}

#[test]
fn workers_write_nothing_after_the_end_of_a_module() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = engine_in(directory.path());
    for n in 0..40 {
        let text = module_text_of(400, n).replacen("(func $f0", "(func $f0 (export \"first\")", 1);
        let module = Module::new(&engine, text).expect("a module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let first = instance.get_typed_func::<i32, i32>(&mut store, "first").expect("a function");
        first.call(&mut store, 1).expect("a result");
        // Workers have nearly all of it to go, and are in the middle of one function when the module ends.
        drop((store, module));
        assert_eq!(engine.cache().expect("a cache").clear().expect("clearing"), 1);
        std::thread::sleep(Duration::from_millis(20));
        assert!(engine.cache().expect("a cache").entries().expect("entries").is_empty());
    }
}
