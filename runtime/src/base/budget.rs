//! How much memory an engine and its stores may take: all that guests make the host hold counts here, in bytes.
//!
//! ```text
//! budget of the engine   used: stores, compiled code, types, images, and what is being compiled (`in_work`)
//!      ▲        ▲
//! budget of a store      used: memories, tables, globals, exceptions, references, functions, instances
//! ```
//! What is charged to a store is charged to its engine as well. A [`Charge`] gives back when it is dropped. There is no
//! lock here, so that a child of `fork` finds none held.

use crate::base::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// No limit.
pub const UNLIMITED: usize = usize::MAX;

/// What is charged often and in small pieces is charged in steps of so many bytes.
const STEP_BYTES: usize = 64 << 10;

/// How often a compilation that waits for room looks again. It waits for other compilations, which take longer.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A limit in bytes, and what counts against it. Clones are the same budget.
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

struct Shared {
    owner: Owner,
    limit_bytes: AtomicUsize,
    /// Never more than the limit was when it was raised.
    used_bytes: AtomicUsize,
    /// How much of `used_bytes` is given back soon: what compilations in work hold.
    in_work_bytes: AtomicUsize,
    /// The one that is next when something is given back; 0 if nobody waits. It keeps small ones from passing a large
    /// one for ever.
    next_in_line: AtomicU64,
    parent: Option<Budget>,
}

/// Whose limit it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Engine,
    Store,
}

/// A charge that a limit refuses, and all that there is to say about it.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    owner: Owner,
    limit_bytes: usize,
    used_bytes: usize,
    wanted_bytes: usize,
    what: &'static str,
}

impl Budget {
    /// The budget of an engine.
    pub fn of_engine(limit_bytes: usize) -> Self {
        Self::new(Owner::Engine, limit_bytes, None)
    }

    /// The budget of a store: without a limit of its own until [`Self::set_limit`].
    pub fn of_store(engine: &Self) -> Self {
        Self::new(Owner::Store, UNLIMITED, Some(engine.clone()))
    }

    fn new(owner: Owner, limit_bytes: usize, parent: Option<Self>) -> Self {
        Self(Arc::new(Shared {
            owner,
            limit_bytes: AtomicUsize::new(limit_bytes),
            used_bytes: AtomicUsize::new(0),
            in_work_bytes: AtomicUsize::new(0),
            next_in_line: AtomicU64::new(0),
            parent,
        }))
    }

    /// The limit; [`UNLIMITED`] if there is none.
    pub fn limit_bytes(&self) -> usize {
        self.0.limit_bytes.load(Ordering::Relaxed)
    }

    /// Changes the limit. What is used already stays.
    pub fn set_limit(&self, limit_bytes: usize) {
        self.0.limit_bytes.store(limit_bytes, Ordering::Relaxed);
    }

    /// How much counts against the limit now.
    pub fn used_bytes(&self) -> usize {
        self.0.used_bytes.load(Ordering::Relaxed)
    }

    /// Charges `bytes` for `what`, a plural such as `linear memories`.
    ///
    /// # Errors
    /// If that would exceed this budget's limit, or that of the engine behind it. Nothing is charged then.
    pub fn charge(&self, bytes: usize, what: &'static str) -> Result<Charge, Refused> {
        self.take(bytes, what)?;
        Ok(Charge { budget: self.clone(), bytes, what, in_work: false })
    }

    /// A charge of nothing yet.
    pub fn empty_charge(&self, what: &'static str) -> Charge {
        Charge { budget: self.clone(), bytes: 0, what, in_work: false }
    }

    /// Charges `bytes` for work that ends by itself, such as a compilation. Waits for other work to end if that leaves
    /// no room; returns `None` when `cancelled`, which is asked about once a millisecond.
    ///
    /// A holder of such a charge must not wait for another one: two that wait for each other would never end.
    /// Of an engine only.
    ///
    /// # Errors
    /// If there is no room though no other work holds any: it alone, with what guests hold, exceeds the limit.
    pub fn reserve_waiting(
        &self,
        bytes: usize,
        what: &'static str,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Charge>, Refused> {
        debug_assert!(self.0.parent.is_none(), "work is charged to engines");
        if self.0.next_in_line.load(Ordering::SeqCst) == 0
            && let Ok(charge) = self.reserve_now(bytes, what)
        {
            return Ok(Some(charge));
        }
        let place = Place::new(self);
        loop {
            if cancelled() {
                return Ok(None);
            }
            if place.is_next() {
                // Looked at before trying: giving back reduces the use first, and this afterwards.
                let others = self.0.in_work_bytes.load(Ordering::SeqCst);
                match self.reserve_now(bytes, what) {
                    Ok(charge) => return Ok(Some(charge)),
                    Err(refused) if others == 0 => return Err(refused),
                    Err(_) => {}
                }
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// As [`Self::reserve_waiting`], without waiting: for work that can be done later, or not at all.
    ///
    /// # Errors
    /// If there is no room now.
    pub fn reserve_now(&self, bytes: usize, what: &'static str) -> Result<Charge, Refused> {
        self.0.in_work_bytes.fetch_add(bytes, Ordering::SeqCst);
        match self.take(bytes, what) {
            Ok(()) => Ok(Charge { budget: self.clone(), bytes, what, in_work: true }),
            Err(refused) => {
                self.0.in_work_bytes.fetch_sub(bytes, Ordering::SeqCst);
                Err(refused)
            }
        }
    }

    /// In a child of `fork`: gives back what work of threads holds that are not there.
    pub fn forget_work(&self) {
        self.0.next_in_line.store(0, Ordering::SeqCst);
        let bytes = self.0.in_work_bytes.swap(0, Ordering::SeqCst);
        self.0.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
    }

    fn take(&self, bytes: usize, what: &'static str) -> Result<(), Refused> {
        let limit_bytes = self.limit_bytes();
        let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit_bytes || bytes == 0);
        self.0.used_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).map_err(|used_bytes| Refused {
            owner: self.0.owner,
            limit_bytes,
            used_bytes,
            wanted_bytes: bytes,
            what,
        })?;
        match self.0.parent.as_ref().map_or(Ok(()), |parent| parent.take(bytes, what)) {
            Ok(()) => Ok(()),
            Err(refused) => {
                self.0.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
                Err(refused)
            }
        }
    }

    fn give_back(&self, bytes: usize) {
        self.0.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
        if let Some(parent) = &self.0.parent {
            parent.give_back(bytes);
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("owner", &self.0.owner)
            .field("used_bytes", &self.used_bytes())
            .field("limit_bytes", &self.limit_bytes())
            .finish_non_exhaustive()
    }
}

/// A place in the line of those that wait for room: only whether it is the next one counts.
struct Place<'a> {
    budget: &'a Budget,
    number: u64,
}

impl<'a> Place<'a> {
    fn new(budget: &'a Budget) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Self { budget, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    fn is_next(&self) -> bool {
        let next = &self.budget.0.next_in_line;
        match next.compare_exchange(0, self.number, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => true,
            Err(number) => number == self.number,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let next = &self.budget.0.next_in_line;
        let _ = next.compare_exchange(self.number, 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Bytes that count against a budget until this is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    bytes: usize,
    what: &'static str,
    /// Whether it was made by [`Budget::reserve_waiting`].
    in_work: bool,
}

impl Charge {
    /// How many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it counts against this budget.
    pub fn is_of(&self, budget: &Budget) -> bool {
        Arc::ptr_eq(&self.budget.0, &budget.0)
    }

    /// Charges more, or gives some back. Work that has begun never waits here.
    ///
    /// # Errors
    /// If a limit refuses more. The charge is what it was then.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Refused> {
        if let Some(more) = bytes.checked_sub(self.bytes) {
            self.budget.take(more, self.what)?;
            if self.in_work {
                self.budget.0.in_work_bytes.fetch_add(more, Ordering::SeqCst);
            }
            self.bytes = bytes;
        } else {
            self.shrink(bytes);
        }
        Ok(())
    }

    /// Gives back all but `bytes`, if it is more.
    pub fn shrink(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        if !self.in_work {
            return self.budget.give_back(less);
        }
        // After a `fork`, what was in work may be forgotten already.
        let in_work = &self.budget.0.in_work_bytes;
        let known = |held: usize| (held > 0).then(|| held.saturating_sub(less));
        let held = in_work.load(Ordering::SeqCst);
        self.budget.give_back(less.min(held));
        let _ = in_work.fetch_update(Ordering::SeqCst, Ordering::SeqCst, known);
    }

    /// Charges more so that it is at least `bytes`: in steps, for what grows often and by little.
    ///
    /// # Errors
    /// If a limit refuses even what is needed exactly. The charge is what it was then.
    #[inline]
    pub fn cover(&mut self, bytes: usize) -> Result<(), Refused> {
        if bytes <= self.bytes { Ok(()) } else { self.cover_more(bytes) }
    }

    #[cold]
    fn cover_more(&mut self, bytes: usize) -> Result<(), Refused> {
        self.resize(bytes.saturating_add(STEP_BYTES)).or_else(|_| self.resize(bytes))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whose, raise) = match self.owner {
            Owner::Engine => ("engine", "`Config::max_memory` or, on the command line, `-W max-total-memory=SIZE`"),
            Owner::Store => ("store", "`StoreLimitsBuilder::total_memory`"),
        };
        let (what, wanted, limit) = (self.what, Size(self.wanted_bytes), Size(self.limit_bytes));
        let used = Size(self.used_bytes);
        write!(
            f,
            "{what} need {wanted} more, of the {limit} that the {whose} may take {used} are in use; {raise} raises \
             the limit"
        )
    }
}

impl From<Refused> for Error {
    #[cold]
    fn from(refused: Refused) -> Self {
        Self::limit(refused.to_string())
    }
}

/// A number of bytes, in the unit that suits it.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes < 10 << 10 => write!(f, "{bytes} bytes"),
            bytes if bytes < 10 << 20 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{} MiB", bytes >> 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn what_is_charged_is_given_back() {
        let engine = Budget::of_engine(1000);
        let (a, b) = (Budget::of_store(&engine), Budget::of_store(&engine));
        a.set_limit(500);
        let charge = a.charge(400, "tables").expect("room");
        assert!(a.charge(101, "tables").is_err());
        let mut other = b.charge(500, "tables").expect("room");
        assert!(a.charge(100, "tables").is_ok());
        assert!(b.charge(101, "tables").is_err());
        assert_eq!((engine.used_bytes(), a.used_bytes(), b.used_bytes()), (900, 400, 500));
        assert!(other.resize(601).is_err());
        assert_eq!(other.bytes(), 500);
        other.resize(10).expect("less");
        drop(charge);
        assert_eq!((engine.used_bytes(), a.used_bytes(), b.used_bytes()), (10, 0, 10));
    }

    #[test]
    fn steps_end_where_the_limit_is_near() {
        let engine = Budget::of_engine(STEP_BYTES + 100);
        let mut charge = engine.empty_charge("exceptions");
        charge.cover(60).expect("room");
        assert_eq!(charge.bytes(), STEP_BYTES + 60);
        charge.cover(STEP_BYTES + 61).expect("exactly this much");
        assert_eq!(charge.bytes(), STEP_BYTES + 61);
        assert!(charge.cover(STEP_BYTES + 101).is_err());
        assert_eq!(engine.used_bytes(), STEP_BYTES + 61);
    }

    #[test]
    fn a_refusal_names_the_limit_and_how_to_raise_it() {
        let engine = Budget::of_engine(64 << 20);
        let store = Budget::of_store(&engine);
        store.set_limit(1 << 20);
        let text = store.charge(2 << 20, "tables").expect_err("too much").to_string();
        assert!(text.contains("tables") && text.contains("1024 KiB") && text.contains("total_memory"), "{text}");
        let text = engine.charge(65 << 20, "types").expect_err("too much").to_string();
        assert!(text.contains("64 MiB") && text.contains("max_memory") && text.contains("max-total-memory"), "{text}");
    }

    #[test]
    fn work_waits_for_other_work_alone() {
        let engine = Budget::of_engine(1000);
        let never = || false;
        let guest = engine.charge(300, "tables").expect("room");
        assert!(engine.reserve_waiting(701, "compilations", &never).is_err(), "alone it has no room");
        let work = engine.reserve_waiting(600, "compilations", &never).expect("room").expect("not cancelled");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| engine.reserve_waiting(500, "compilations", &never).map(|_| ()));
            let small = scope.spawn(|| engine.reserve_waiting(700, "compilations", &never).map(|_| ()));
            std::thread::sleep(20 * LOOK_AGAIN);
            assert!(!waiting.is_finished() && !small.is_finished());
            drop(work);
            assert!(waiting.join().expect("no panic").is_ok() && small.join().expect("no panic").is_ok());
        });
        assert_eq!(engine.used_bytes(), guest.bytes());
        assert_eq!(engine.0.in_work_bytes.load(Ordering::SeqCst), 0);
        assert_eq!(engine.0.next_in_line.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_cancelled_wait_ends_and_lets_others_pass() {
        let engine = Budget::of_engine(1000);
        let work = engine.reserve_now(900, "compilations").expect("room");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| engine.reserve_waiting(500, "compilations", &|| stop.load(Ordering::SeqCst)));
            std::thread::sleep(5 * LOOK_AGAIN);
            stop.store(true, Ordering::SeqCst);
            assert!(waiting.join().expect("no panic").expect("no refusal").is_none());
        });
        let small = engine.reserve_waiting(100, "compilations", &|| true).expect("room");
        assert!(small.is_some(), "what has room is not cancelled");
        engine.forget_work();
        assert_eq!(engine.used_bytes(), 0);
        std::mem::forget((work, small));
    }
}
