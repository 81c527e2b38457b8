//! `epsilon cache`: what the code cache holds, whether it is intact, and emptying it.

use crate::output;
use crate::report::Advice;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use epsilon::{Cache, CacheConfig};
use std::time::SystemTime;

/// Show or clear the cache of compiled code
#[derive(Args)]
pub struct CacheCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the entries, the one used last first
    Ls,
    /// Tell how many entries there are, and how large they are together
    Stat,
    /// Check every byte of every entry; damaged functions are compiled again when they are next needed
    Verify,
    /// Remove all entries
    Clear,
    /// Print the directory; `EPSILON_CACHE_DIR` names another one
    Path,
}

impl CacheCommand {
    /// Does what was asked for; the exit code tells whether all was intact.
    pub fn execute(self) -> Result<i32> {
        let cache = Cache::open(&CacheConfig::new()).map_err(|error| {
            Advice::error(format!("cannot open the code cache: {error}"), "name another directory in EPSILON_CACHE_DIR")
        })?;
        match self.action {
            Action::Ls => list(&cache),
            Action::Stat => {
                let entries = cache.entries().context("cannot read the code cache")?;
                let bytes: u64 = entries.iter().map(|entry| entry.size_bytes).sum();
                output::line(format_args!("{} entries, {} in {}", entries.len(), size(bytes), cache.path().display()))?;
                Ok(0)
            }
            Action::Verify => verify(&cache),
            Action::Clear => {
                let count = cache.clear().context("cannot clear the code cache")?;
                output::line(format_args!("removed {count} entries"))?;
                Ok(0)
            }
            Action::Path => {
                output::line(cache.path().display())?;
                Ok(0)
            }
        }
    }
}

fn list(cache: &Cache) -> Result<i32> {
    for entry in cache.entries().context("cannot read the code cache")? {
        let age = SystemTime::now().duration_since(entry.last_used).unwrap_or_default().as_secs();
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        output::line(format_args!("{name}  {:>9}  used {} ago", size(entry.size_bytes), duration(age)))?;
    }
    Ok(0)
}

fn verify(cache: &Cache) -> Result<i32> {
    let mut all_intact = true;
    for entry in cache.entries().context("cannot read the code cache")? {
        let name = entry.path.display();
        match cache.verify(&entry) {
            Ok((functions, 0)) => output::line(format_args!("{name}: {functions} functions, intact"))?,
            Ok((functions, damaged)) => {
                all_intact = false;
                output::line(format_args!("{name}: {damaged} of {functions} functions damaged"))?;
            }
            Err(_) => {
                all_intact = false;
                output::line(format_args!("{name}: damaged, or made by another user or version"))?;
            }
        }
    }
    Ok(i32::from(!all_intact))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}
