//! Which functions get optimised code, and when: those that guests are found in most often, hottest first, as far as that
//! is worth what it takes.
//!
//! ```text
//! signal handler ─ notes ─► heat of functions that have quick code ─ enough? ─► a worker optimises ─► takes its place
//!                                    ▲                                              │
//!                                    └──────────── entry of the cache ◄─────────────┘
//! ```

use crate::background::{Process, guarded, spawn};
use crate::source::ModuleSource;
use epsilon_abi::DefinedFuncIndex;
use epsilon_runtime::{ForkGuard, ForkMutex, LinkedModule, SAMPLE_PERIOD, Samples};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    #[cfg(feature = "cache")]
    kept: u32,
    /// Whether a worker has been at it. That may have come to nothing, and is not tried a second time.
    taken: bool,
}

/// What one run leaves to the next.
#[cfg(feature = "cache")]
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
}

impl Heat {
    fn lock(&self) -> ForkGuard<MutexGuard<'_, HashMap<DefinedFuncIndex, Warmth>>> {
        self.0.lock_sound()
    }
}

/// A module whose quick code may be replaced.
struct Tracked {
    module: Weak<LinkedModule>,
    source: Weak<ModuleSource>,
}

impl Tracked {
    fn upgrade(&self) -> Option<(Arc<LinkedModule>, Arc<ModuleSource>)> {
        Some((self.module.upgrade()?, self.source.upgrade()?))
    }
}

/// Optimises what is hot, for all modules of an engine, until none of its modules and stores is left.
pub struct Tiering {
    samples: Arc<Samples>,
    /// Changes are single calls of collections, which no panic leaves half-done. Only one thread at a time reads notes: the
    /// one that has the lock.
    state: ForkMutex<State>,
    /// How many workers there are to be, if that was said.
    workers: Option<usize>,
    /// Set in the process that has workers.
    started: ForkMutex<Option<Process>>,
    replaces_all: bool,
}

#[derive(Default)]
struct State {
    /// By where their code begins. Some may be gone.
    modules: BTreeMap<usize, Tracked>,
    /// How many of them there are when those that are gone are taken out again.
    tidied_at: usize,
    /// What is worth it, the hottest last: how many notes there are of it, and where its module's code begins.
    ready: BTreeSet<(u32, usize, DefinedFuncIndex)>,
    /// How many notes there were in all.
    notes: u32,
    /// What optimising has taken, by the estimate.
    spent: Duration,
}

impl State {
    fn track(&mut self, module: &Arc<LinkedModule>, source: &Arc<ModuleSource>) {
        const LEAST: usize = 64;
        if self.modules.len() >= self.tidied_at.max(LEAST) {
            self.modules.retain(|_, tracked| tracked.module.strong_count() > 0);
            self.tidied_at = 2 * self.modules.len();
            // Code of another module may soon begin where that of one of these did.
            let modules = &self.modules;
            self.ready.retain(|(_, start, _)| modules.contains_key(start));
        }
        let start = module.code_start();
        let tracked = Tracked { module: Arc::downgrade(module), source: Arc::downgrade(source) };
        if self.modules.insert(start, tracked).is_some() {
            // A module that is gone has left its place.
            self.ready.retain(|(_, other, _)| *other != start);
        }
        self.look_over(module, source);
    }

    /// Finds all of a module that is worth it.
    fn look_over(&mut self, module: &LinkedModule, source: &ModuleSource) {
        let mut heat = source.heat.lock();
        heat.retain(|index, _| !module.has_last_code(*index));
        for (index, Warmth { notes, .. }) in heat.iter().filter(|(_, warmth)| !warmth.taken) {
            if is_worth_it(module, *index, *notes) {
                self.ready.insert((*notes, module.code_start(), *index));
            }
        }
    }

    /// The module whose code an address lies in or behind.
    fn module_at(&self, pc: usize) -> Option<(Arc<LinkedModule>, Arc<ModuleSource>)> {
        self.modules.range(..=pc).next_back()?.1.upgrade()
    }

    /// A thread was there, in quick code of the module.
    fn note(&mut self, module: &LinkedModule, source: &ModuleSource, index: DefinedFuncIndex) {
        let mut heat = source.heat.lock();
        let Warmth { notes, taken, .. } = heat.entry(index).or_default();
        let before = *notes;
        *notes = before.saturating_add(1);
        if !*taken && is_worth_it(module, index, *notes) {
            self.ready.remove(&(before, module.code_start(), index));
            self.ready.insert((*notes, module.code_start(), index));
        }
    }
}

impl Tiering {
    /// With so many workers; as many as there are processors to spare, if that is not said.
    /// Whether it `replaces_all` code, however cold.
    pub fn new(samples: &Arc<Samples>, workers: Option<usize>, replaces_all: bool) -> Self {
        Self {
            replaces_all,
            samples: samples.clone(),
            state: ForkMutex::default(),
            workers,
            started: ForkMutex::default(),
        }
    }

    /// Watches a module, which has the code that it begins with.
    pub fn track(&self, module: &Arc<LinkedModule>, source: &Arc<ModuleSource>) {
        self.state.lock_sound().track(module, source);
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
        if self.workers == Some(0) {
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

    fn work(&self) {
        loop {
            let made = self.samples.made();
            if self.samples.have_ended() {
                return;
            }
            match self.next() {
                Some((module, source, index)) => {
                    // If better code cannot be had, the quick code goes on.
                    guarded(|| Some(module.clone()), "optimised", || drop(module.optimise(index)));
                    if module.has_last_code(index) {
                        source.heat.lock().remove(&index);
                    }
                }
                None => self.samples.wait(made, LOOK_AGAIN),
            }
        }
    }

    /// The hottest function that is worth it.
    fn next(&self) -> Option<(Arc<LinkedModule>, Arc<ModuleSource>, DefinedFuncIndex)> {
        // What this thread is the last to hold goes when the lock is free again.
        let mut held = Vec::new();
        let mut state = self.state.lock_sound();
        self.samples.read(|pc| {
            state.notes = state.notes.saturating_add(1);
            let Some((module, source)) = state.module_at(pc) else { return };
            if let Some(index) = module.function_at(pc).filter(|index| !module.has_last_code(*index)) {
                state.note(&module, &source, index);
            }
            held.push((module, source));
        });
        if self.replaces_all {
            state.spent = Duration::ZERO;
            let all: Vec<_> = state.modules.values().filter_map(Tracked::upgrade).collect();
            all.iter().for_each(|(module, source)| state.look_over(module, source));
            held.extend(all);
        }
        let affordable = BEFOREHAND + SAMPLE_PERIOD * state.notes / SHARE;
        while state.spent <= affordable {
            let (_, start, index) = state.ready.pop_last()?;
            let Some((module, source)) = state.modules.get(&start).and_then(Tracked::upgrade) else { continue };
            if module.has_last_code(index) {
                held.push((module, source));
                continue;
            }
            source.heat.lock().entry(index).or_default().taken = true;
            state.spent += takes(&module, index);
            return Some((module, source, index));
        }
        None
    }
}

/// What optimising a function takes, roughly.
fn takes(module: &LinkedModule, index: DefinedFuncIndex) -> Duration {
    COMPILING_ONE_BYTE * module.info().bodies[index.index()].len() as u32
}

fn is_worth_it(module: &LinkedModule, index: DefinedFuncIndex, notes: u32) -> bool {
    notes >= LEAST_HEAT && SAMPLE_PERIOD.saturating_mul(notes) >= takes(module, index) && module.is_linked(index)
}

impl std::fmt::Debug for Tiering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tiering").field("workers", &self.workers).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "cache", feature = "wat"))]
mod tests {
    use super::*;
    use crate::{Config, Engine, Instance, Module, Store};
    use std::time::Instant;

    const LOOP: &str = r#"(module
        (func $work (param $n i32)
            (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func (export "run") (param i32) (call $work (local.get 0)) (call $work (local.get 0))))"#;

    fn engine() -> Engine {
        Engine::new(Config::new().cache(None).workers(1)).expect("an engine")
    }

    /// The engine and the module may be dropped before what runs is.
    #[test]
    fn what_runs_is_optimised_when_all_handles_are_gone() {
        let (mut store, run, tiering) = {
            let engine = engine();
            let module = Module::new(&engine, LOOP).expect("a module");
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let run = instance.get_typed_func::<i32, ()>(&mut store, "run").expect("exported");
            (store, run, engine.tiering().expect("there are two tiers").clone())
        };
        let module = tiering.state.lock_sound().modules.values().next().expect("tracked").module.clone();
        let module = module.upgrade().expect("the store has it");
        let started = Instant::now();
        while module.last_functions() == 0 {
            assert!(started.elapsed() < Duration::from_secs(60), "{module:?}");
            run.call(&mut store, 100_000).expect("no trap");
        }
        assert!(!tiering.samples.have_ended());
        drop((store, module));
        // A worker may hold the module a little longer.
        while !tiering.samples.have_ended() {
            assert!(started.elapsed() < Duration::from_secs(120));
            std::thread::yield_now();
        }
    }

    /// Nobody takes what nobody needs.
    #[test]
    fn callees_are_not_collected_where_nothing_is_compiled_ahead() {
        let engine = engine();
        let module = Module::new(&engine, LOOP).expect("a module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run").expect("exported");
        run.call(&mut store, 1).expect("no trap");
        let source = engine.tiering().map(|tiering| tiering.state.lock_sound().module_at(usize::MAX));
        let (_, source) = source.flatten().expect("tracked");
        assert_eq!(source.likely.take(), None);
    }

    /// A worker would otherwise ask another module, whose code lies at the same place, for functions that it does not have.
    #[test]
    fn what_was_worth_it_goes_with_its_module() {
        let engine = engine();
        let tiering = engine.tiering().expect("there are two tiers");
        let new = || Module::new(&engine, LOOP).expect("a module");
        let _others: Vec<_> = (0..63).map(|_| new()).collect();
        let module = new();
        let gone = (HOT, module.linked().code_start(), DefinedFuncIndex(50));
        tiering.state.lock_sound().ready.insert(gone);
        drop(module);
        let _next = new();
        assert!(!tiering.state.lock_sound().ready.contains(&gone));
    }

    #[test]
    fn modules_that_are_gone_leave_nothing() {
        let engine = engine();
        let tiering = engine.tiering().expect("there are two tiers");
        for _ in 0..1000 {
            Module::new(&engine, LOOP).expect("a module");
        }
        assert!(tiering.state.lock_sound().modules.len() <= 65);
        let all: Vec<_> = (0..300).map(|_| Module::new(&engine, LOOP).expect("a module")).collect();
        let state = tiering.state.lock_sound();
        assert!(all.iter().all(|module| {
            let at = module.linked().code_start();
            state.module_at(at + 1).is_some_and(|(found, _)| std::ptr::eq(&*found, module.linked()))
        }));
    }
}
