//! Replays modules that once failed: `regressions/<check>-<seed>.wasm`, in the check that failed.

use crate::case::Tally;
use crate::drive;
use std::fs;
use std::io;

/// Runs every case; returns whether all are right now.
///
/// # Errors
/// If files cannot be read.
pub fn replay() -> io::Result<bool> {
    let scratch = std::env::temp_dir().join(format!("epsilon-proof-regressions-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let mut clean = true;
    let mut cases = 0;
    for file in fs::read_dir(drive::regressions_folder())? {
        let path = file?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((check, seed)) = name.rsplit_once('-') else { continue };
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let seed = seed.parse().map_err(io::Error::other)?;
        cases += 1;
        if let Err(finding) = drive::check(check, &scratch)?.replay(&fs::read(&path)?, seed, &mut Tally::default()) {
            clean = false;
            eprintln!("FINDING {name}: {}", finding.what);
        }
    }
    fs::remove_dir_all(&scratch)?;
    println!("regressions: {cases} cases, {}", if clean { "all right" } else { "some wrong" });
    Ok(clean)
}
