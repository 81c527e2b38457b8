//! A bar for what takes over a second, where somebody looks: the error stream is a terminal.

use epsilon::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What takes less than this has no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bar that is on the terminal, if there is one. Nothing but that is lost if a panic leaves it wrong.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the bar off the terminal: something else is about to be said there.
pub fn clear() {
    if let Some(bar) = shown().take() {
        bar.finish_and_clear();
    }
}

/// The compilation of one module. Dropping it takes the bar away.
pub struct Compiling {
    name: String,
    started: Instant,
    is_watched: bool,
}

impl Compiling {
    /// Begins.
    pub fn begin(name: &str) -> Self {
        Self { name: name.to_owned(), started: Instant::now(), is_watched: std::io::stderr().is_terminal() }
    }

    /// Shows how far it is.
    pub fn show(&self, progress: Progress) {
        if !self.is_watched || self.started.elapsed() < PATIENCE {
            return;
        }
        let mut shown = shown();
        let bar = shown.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("compiling {msg} {wide_bar} {pos}/{len} functions, {elapsed}");
            let bar =
                ProgressBar::new(progress.functions as u64).with_message(epsilon::Escaped::new(&self.name).to_string());
            bar.with_style(style.expect("a template without a mistake")).with_elapsed(self.started.elapsed())
        });
        bar.set_position(progress.compiled as u64);
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        clear();
    }
}
