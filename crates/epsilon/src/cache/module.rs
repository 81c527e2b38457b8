//! One module's share of the cache: what was loaded, what was compiled since, and when to write.

use super::Cache;
use super::entry::{Contents, Entry, Key};
use crate::codec;
use crate::hash;
use crate::tiering::Heat;
use epsilon_abi::{CompiledFunction, DefinedFuncIndex};
use epsilon_compiler::Compiler;
use epsilon_runtime::{Budget, Charge, Demand, ForkGuard, ForkMutex};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// Whether, and why or why not, a module came from the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// There was an intact entry.
    Hit {
        /// Functions in it.
        functions: usize,
        /// Functions of it that were damaged, and have been or will be compiled again.
        damaged: usize,
    },
    /// There was no intact entry; one will be written.
    Miss,
    /// The cache is not used for this module.
    Unused {
        /// Why.
        reason: String,
    },
}

/// What an entry for the module of this hash is for.
pub fn key_of(compiler: &Compiler, module: &blake3::Hash) -> Key {
    hash::counted(hash::Of::Module, || {
        let mut hasher = blake3::Hasher::new();
        hasher.update(module.as_bytes());
        for (name, value) in compiler.fingerprint() {
            hasher.update(format!("{name}: {value}\n").as_bytes());
        }
        *hasher.finalize().as_bytes()
    })
}

/// One module's share of the cache.
pub struct CachedModule {
    cache: Arc<Cache>,
    key: Key,
    entry: Option<Entry>,
    function_count: usize,
    /// What is written beside it.
    heat: Arc<Heat>,
    /// The engine's. Code that waits to be written counts; what there is no room for is not kept.
    budget: Budget,
    /// What is to be written. Code in it is whole, and what is missing is compiled again: the lock is taken whether poisoned
    /// or not.
    state: ForkMutex<State>,
    /// Held while the entry is written: the second writer adds to what the first one wrote. After a panic nothing more of
    /// this module is written.
    writing: ForkMutex<()>,
}

struct State {
    contents: Contents,
    /// For the new code in `contents`.
    charge: Charge,
    /// Whether the entry lacks something that is known now.
    dirty: bool,
    /// Whether it lacks something that a guest called.
    called: bool,
    damaged: usize,
    /// What compiling took since the entry was last written, and before.
    unsaved: Duration,
    saved: Duration,
}

/// What waiting code is charged for.
const WAITING: &str = "compiled code that is being written to the cache";

impl State {
    fn new(budget: &Budget) -> Self {
        Self {
            contents: Contents::default(),
            charge: budget.empty_charge(WAITING),
            dirty: false,
            called: false,
            damaged: 0,
            unsaved: Duration::ZERO,
            saved: Duration::ZERO,
        }
    }

    /// Keeps the code of a function until it is written, in place of what it had before, if there is room.
    fn keep(&mut self, index: DefinedFuncIndex, bytes: Vec<u8>) {
        let earlier = self.contents.fresh.get(&index).map_or(0, Vec::len);
        if self.charge.resize(self.charge.bytes() - earlier + bytes.len()).is_ok() {
            self.contents.fresh.insert(index, bytes);
        }
    }
}

impl CachedModule {
    /// Whether a module with these bodies is worth an entry.
    pub fn is_worth_it(cache: &Cache, bodies: &[std::ops::Range<usize>]) -> bool {
        bodies.iter().map(|body| body.len()).sum::<usize>() >= cache.min_code_bytes
    }

    /// What the cache has of a module.
    pub fn open(
        cache: &Arc<Cache>,
        compiler: &Compiler,
        module: &blake3::Hash,
        function_count: usize,
        budget: &Budget,
    ) -> Self {
        let key = key_of(compiler, module);
        let entry = cache.load(&key);
        let (state, writing) = (ForkMutex::new(State::new(budget)), ForkMutex::default());
        let heat = Arc::new(Heat::default());
        if let Some(entry) = &entry {
            heat.add_earlier(entry.heat());
        }
        let (cache, budget) = (cache.clone(), budget.clone());
        Self { cache, key, entry, function_count, heat, budget, state, writing }
    }

    /// How often guests were found in functions, from earlier runs on.
    pub fn heat(&self) -> &Arc<Heat> {
        &self.heat
    }

    /// Whether there is an intact entry: then the module was valid when it was written.
    pub fn is_hit(&self) -> bool {
        self.entry.is_some()
    }

    pub fn status(&self) -> CacheStatus {
        match &self.entry {
            Some(entry) => CacheStatus::Hit { functions: entry.len(), damaged: self.state().damaged },
            None => CacheStatus::Miss,
        }
    }

    fn state(&self) -> ForkGuard<MutexGuard<'_, State>> {
        self.state.lock_sound()
    }

    /// The functions to link before anything runs: above all those that guests called in earlier runs.
    pub fn beginning(&self) -> Vec<(DefinedFuncIndex, CompiledFunction)> {
        let Some(entry) = &self.entry else { return Vec::new() };
        let (functions, damaged) = entry.beginning();
        let mut state = self.state();
        let called = functions.iter().map(|(index, _)| *index).filter(|index| entry.was_called(*index));
        state.contents.called = called.collect();
        state.damaged = damaged;
        state.dirty |= damaged > 0;
        functions
    }

    /// A function, if it is in the entry and intact.
    pub fn function(&self, index: DefinedFuncIndex) -> Option<CompiledFunction> {
        let entry = self.entry.as_ref().filter(|entry| entry.contains(index))?;
        let function = entry.function(index);
        if function.is_none() {
            let mut state = self.state();
            state.damaged += 1;
            state.dirty = true;
        }
        function
    }

    /// Notes that a function was linked, and what it took to compile it if it was not there. Says whether it is time to
    /// [`Self::save`].
    pub fn linked(
        &self,
        index: DefinedFuncIndex,
        function: &CompiledFunction,
        compiled_in: Option<Duration>,
        demand: Demand,
    ) -> bool {
        let fresh = compiled_in.map(|took| (codec::encode(function), took));
        let mut state = self.state();
        if demand == Demand::Call {
            state.contents.called.push(index);
            state.dirty = true;
            state.called = true;
        }
        let Some((bytes, took)) = fresh else { return false };
        state.keep(index, bytes);
        state.dirty = true;
        state.unsaved += took;
        let due = state.unsaved >= self.cache.save_after.max(state.saved / 2);
        if due {
            let unsaved = std::mem::take(&mut state.unsaved);
            state.saved += unsaved;
        }
        due
    }

    /// Notes that the module is valid, though no function of it has been called yet.
    pub fn validated(&self) {
        self.state().dirty = true;
    }

    /// Writes the entry, if there is anything new. Threads that link functions meanwhile do not wait.
    pub fn save(&self) {
        let Ok(_writing) = self.writing.lock() else { return };
        let (contents, charge) = {
            let mut state = self.state();
            if !std::mem::take(&mut state.dirty) && !self.heat.has_risen() {
                return;
            }
            state.called = false;
            // From here on, the entry on disk has them.
            let fresh = std::mem::take(&mut state.contents.fresh);
            let charge = std::mem::replace(&mut state.charge, self.budget.empty_charge(WAITING));
            (Contents { called: state.contents.called.clone(), fresh, heat: self.heat.keep() }, charge)
        };
        if !self.cache.store(&self.key, &contents, self.function_count) {
            // Counted anew.
            drop(charge);
            let mut state = self.state();
            for (index, bytes) in contents.fresh {
                if !state.contents.fresh.contains_key(&index) {
                    state.keep(index, bytes);
                }
            }
        }
    }
}

/// Instances may have gone on after the last handle of the module wrote the entry. What workers alone have added since is
/// not written: they may be at it long after the module is gone, when the entry has been removed, or is another's.
impl Drop for CachedModule {
    fn drop(&mut self) {
        if self.state().called {
            self.save();
        }
    }
}
