//! Which functions get optimised code, and when: those that guests are found in most often, hottest first, as far as that
//! is worth what it takes.
//!
//! ```text
//! signal handler ─ notes ─► heat of functions that have quick code ─ enough? ─► a worker optimises ─► takes its place
//!                                    ▲                                              │
//!                                    └──────────── entry of the cache ◄─────────────┘
//! ```

use crate::background::{Process, spawn};
use crate::source::ModuleSource;
use epsilon_abi::DefinedFuncIndex;
use epsilon_runtime::{ForkGuard, ForkMutex, LinkedModule, SAMPLE_PERIOD, Samples, panic_message};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

/// A function is worth optimising once it has run for as long as that is going to take, by this estimate.
const COMPILING_ONE_BYTE: Duration = Duration::from_micros(1);
/// One note may be chance.
const LEAST_HEAT: u32 = 2;
/// What is worth it in any case.
const HOT: u32 = u32::MAX / 2;

/// Of the time that guests were seen to run, so much may go into optimising; and this beforehand.
const SHARE: u32 = 4;
const BEFOREHAND: Duration = Duration::from_millis(40);

/// How long a worker waits for notes before it looks whether it is still needed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How often guests were found in functions that do not have their last code. Each change is one call of the map, which no
/// panic leaves half-done.
#[derive(Debug, Default)]
pub struct Heat(ForkMutex<HashMap<DefinedFuncIndex, Warmth>>);

#[derive(Clone, Copy, Debug, Default)]
struct Warmth {
    notes: u32,
    /// How many of them a later run will know of.
    kept: u32,
    /// Whether a worker has been at it. That may have come to nothing, and is not tried a second time.
    taken: bool,
}

impl Heat {
    /// As an earlier run left it: time that was spent then counts as well.
    pub fn add_earlier(&self, heat: impl Iterator<Item = (DefinedFuncIndex, u32)>) {
        let warmth = |notes: u32| Warmth { notes, kept: notes, taken: false };
        self.lock().extend(heat.map(|(index, notes)| (index, warmth(notes))));
    }

    /// All of it, by function, for a later run.
    pub fn keep(&self) -> Vec<(DefinedFuncIndex, u32)> {
        let mut heat = self.lock();
        heat.values_mut().for_each(|warmth| warmth.kept = warmth.notes);
        let mut all: Vec<_> = heat.iter().map(|(index, warmth)| (*index, warmth.notes)).collect();
        all.sort_unstable();
        all
    }

    /// Whether there is more that a later run should know of. A first note may be chance.
    pub fn has_risen(&self) -> bool {
        self.lock().values().any(|warmth| warmth.notes > warmth.kept && warmth.notes >= LEAST_HEAT)
    }

    fn lock(&self) -> ForkGuard<MutexGuard<'_, HashMap<DefinedFuncIndex, Warmth>>> {
        self.0.lock_sound()
    }
}

/// A module whose quick code may be replaced.
struct Tracked {
    module: Weak<LinkedModule>,
    source: Weak<ModuleSource>,
}

/// Optimises what is hot, for all modules of an engine.
pub struct Tiering {
    samples: Arc<Samples>,
    /// Changes are single calls of `Vec`, which no panic leaves half-done. Only one thread at a time reads notes: the one
    /// that has the lock.
    modules: ForkMutex<State>,
    /// How many workers there are to be, if that was said.
    workers: Option<usize>,
    /// Set in the process that has workers.
    started: ForkMutex<Option<Process>>,
    ended: AtomicBool,
    replaces_all: bool,
}

#[derive(Default)]
struct State {
    modules: Vec<Tracked>,
    /// How many notes there were in all.
    notes: u32,
    /// What optimising has taken, by the estimate.
    spent: Duration,
}

impl Tiering {
    /// With so many workers; as many as there are processors to spare, if that is not said.
    /// Whether it `replaces_all` code, however cold.
    pub fn new(samples: &Arc<Samples>, workers: Option<usize>, replaces_all: bool) -> Self {
        Self {
            replaces_all,
            samples: samples.clone(),
            modules: ForkMutex::default(),
            workers,
            started: ForkMutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    /// Watches a module.
    pub fn track(&self, module: &Arc<LinkedModule>, source: &Arc<ModuleSource>) {
        let mut state = self.modules.lock_sound();
        state.modules.retain(|tracked| tracked.module.strong_count() > 0);
        state.modules.push(Tracked { module: Arc::downgrade(module), source: Arc::downgrade(source) });
    }

    /// A function is about to have quick code.
    pub fn expect(self: &Arc<Self>, index: DefinedFuncIndex, heat: &Heat) {
        if self.replaces_all {
            heat.lock().entry(index).or_default().notes = HOT;
            self.samples.wake_all();
        }
        self.begin();
    }

    /// There is quick code that may be replaced: sees to it that somebody notes where guests are, and reads it.
    pub fn begin(self: &Arc<Self>) {
        if self.workers == Some(0) || self.samples.are_wanted() && self.has_workers() {
            return;
        }
        let mut started = self.started.lock_sound();
        if started.as_ref().is_none_or(|process| !process.is_this()) {
            let tiering = self.clone();
            *started = Some(Process::default());
            spawn(self.workers, 1, Arc::new(move || tiering.work()));
        }
        drop(started);
        self.samples.begin();
    }

    fn has_workers(&self) -> bool {
        self.started.lock_sound().as_ref().is_some_and(Process::is_this)
    }

    fn work(&self) {
        while !self.ended.load(Ordering::Acquire) {
            match self.next() {
                Some((module, index)) => optimise(&module, index),
                None => self.samples.wait(LOOK_AGAIN),
            }
        }
    }

    /// The hottest function that is worth it.
    fn next(&self) -> Option<(Arc<LinkedModule>, DefinedFuncIndex)> {
        let mut state = self.modules.lock_sound();
        let State { modules, notes, spent } = &mut *state;
        let modules: Vec<_> =
            modules.iter().filter_map(|tracked| Some((tracked.module.upgrade()?, tracked.source.upgrade()?))).collect();
        self.samples.read(|pc| {
            *notes += 1;
            let found = modules.iter().find_map(|(module, source)| Some((module, source, module.function_at(pc)?)));
            if let Some((module, source, index)) = found
                && !module.has_last_code(index)
            {
                source.heat.lock().entry(index).or_default().notes += 1;
            }
        });
        if self.replaces_all {
            *spent = Duration::ZERO;
        }
        let affordable = BEFOREHAND + SAMPLE_PERIOD * *notes / SHARE;
        if *spent > affordable {
            return None;
        }
        let mut hottest = None;
        for (module, source) in &modules {
            let mut heat = source.heat.lock();
            heat.retain(|index, _| !module.has_last_code(*index));
            for (index, Warmth { notes, .. }) in heat.iter().filter(|(_, warmth)| !warmth.taken) {
                let is_hotter = hottest.as_ref().is_none_or(|(_, _, _, most)| notes > most);
                if is_hotter && is_worth_it(module, *index, *notes) {
                    hottest = Some((module, source, *index, *notes));
                }
            }
        }
        let (module, source, index, _) = hottest?;
        source.heat.lock().entry(index).or_default().taken = true;
        *spent += takes(module, index);
        Some((module.clone(), index))
    }

    /// Ends the workers.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.samples.stop();
        self.samples.wake_all();
    }
}

/// What optimising a function takes, roughly.
fn takes(module: &LinkedModule, index: DefinedFuncIndex) -> Duration {
    COMPILING_ONE_BYTE * module.info().bodies[index.index()].len() as u32
}

fn is_worth_it(module: &LinkedModule, index: DefinedFuncIndex, notes: u32) -> bool {
    notes >= LEAST_HEAT && SAMPLE_PERIOD.saturating_mul(notes) >= takes(module, index) && module.is_linked(index)
}

/// Lets optimised code take the place of a function's quick code. If that cannot be had, the quick code goes on.
fn optimise(module: &Arc<LinkedModule>, index: DefinedFuncIndex) {
    // Nothing depends on it. If the compiler panicked, the module is broken, and says so to all that use it.
    let optimised = catch_unwind(AssertUnwindSafe(|| drop(module.optimise(index))));
    if let Err(panic) = optimised {
        module.fail(&format!("a thread that optimised panicked ({})", panic_message(&*panic)));
    }
}

impl std::fmt::Debug for Tiering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tiering").field("workers", &self.workers).finish_non_exhaustive()
    }
}
