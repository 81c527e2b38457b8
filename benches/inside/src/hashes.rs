//! What hashing takes of a start from the cache: a module is loaded as the command loads it, in this process that has
//! loaded nothing before, and the crate tells how long it has hashed.

use anyhow::{Result, ensure};
use epsilon::{CacheConfig, CacheStatus, Config, Engine, Module};
use std::path::Path;

/// Prints the seconds of checking compiled code, and those of hashing the module, by which its entry is found.
pub fn print(cache: &Path, module: &Path) -> Result<()> {
    let engine = Engine::new(Config::new().cache(Some(CacheConfig::new().directory(cache))))?;
    let module = Module::from_file(&engine, module)?;
    let status = module.cache_status();
    ensure!(
        matches!(status, CacheStatus::Hit { damaged: 0, .. }),
        "not from the cache, which the command of this checkout has filled: {status:?}"
    );
    let time = epsilon::hash_time();
    println!("{}\t{}", time.code.as_secs_f64(), time.module.as_secs_f64());
    Ok(())
}
