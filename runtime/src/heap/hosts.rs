//! Things of the host that guests hold: values in numbered rows, which go when a collection finds nothing that refers to
//! them. They do not move.

use crate::base::alloc;
use crate::base::budget::{Budget, Charge, Refused};
use crate::base::error::{Error, Result};
use crate::heap::HostMarks;
use std::any::Any;

/// What a row is charged with, beside its value.
const ROW_BYTES: usize = 64;

/// There is no collection for fewer rows.
const FIRST_COLLECTION: usize = 4 << 10;

/// Rows that references can name.
const MAX_ROWS: usize = 1 << 30;

/// A value of the host.
pub type HostValue = Box<dyn Any + Send + Sync>;

/// All values of a store that guests may hold.
pub struct HostValues {
    rows: Vec<Option<HostValue>>,
    free: Vec<u32>,
    /// How many rows may be in use before the next collection.
    collect_at: usize,
    used_bytes: usize,
    charge: Charge,
    /// How many there ever were.
    pub made: u64,
}

fn row_bytes(value: &HostValue) -> usize {
    ROW_BYTES + size_of_val(&**value)
}

impl HostValues {
    /// None yet.
    pub fn new(budget: &Budget) -> Self {
        Self {
            rows: Vec::new(),
            free: Vec::new(),
            collect_at: FIRST_COLLECTION,
            used_bytes: 0,
            charge: budget.empty_charge("references to the host"),
            made: 0,
        }
    }

    /// How many values there are.
    pub fn used(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// Whether to look for unused ones before another one is added.
    pub fn is_collection_due(&self) -> bool {
        self.used() >= self.collect_at
    }

    /// How many numbers there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Whether more has to be charged for a value than has been.
    pub fn needs_more(&self, value: &HostValue) -> bool {
        self.used_bytes + row_bytes(value) > self.charge.bytes()
    }

    /// Charges for a value that is to be added.
    ///
    /// # Errors
    /// If a limit refuses.
    pub fn cover(&mut self, value: &HostValue) -> Result<(), Refused> {
        self.charge.cover(self.used_bytes + row_bytes(value))
    }

    /// Makes room for one more value.
    ///
    /// # Errors
    /// If the system or the numbers have none.
    pub fn reserve(&mut self) -> Result<()> {
        if self.free.is_empty() && self.rows.len() >= MAX_ROWS {
            return Err(Error::limit(format!("a store holds at most {MAX_ROWS} external references")));
        }
        alloc::reserve(&mut self.rows, 1, "a list of external references")
    }

    /// Gives a value a number. It has been charged for, and there is room.
    pub fn add(&mut self, value: HostValue) -> u32 {
        self.used_bytes += row_bytes(&value);
        self.made += 1;
        match self.free.pop() {
            Some(number) => {
                self.rows[number as usize] = Some(value);
                number
            }
            None => {
                self.rows.push(Some(value));
                self.rows.len() as u32 - 1
            }
        }
    }

    /// The value with a number.
    pub fn get(&self, number: u32) -> Option<&(dyn Any + Send + Sync)> {
        self.rows.get(number as usize)?.as_deref()
    }

    /// The value with a number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut (dyn Any + Send + Sync)> {
        self.rows.get_mut(number as usize)?.as_deref_mut()
    }

    /// Takes out all that are not marked. The caller drops them: that runs code of the host.
    pub fn sweep(&mut self, marks: &HostMarks) -> Vec<HostValue> {
        let mut unused = Vec::new();
        for (number, row) in self.rows.iter_mut().enumerate() {
            let number = number as u32;
            if row.is_none() || marks.is_marked(number) {
                continue;
            }
            if alloc::reserve(&mut unused, 1, "unused references").is_err()
                || alloc::reserve(&mut self.free, 1, "unused references").is_err()
            {
                break; // the next collection goes on
            }
            let value = row.take().expect("just asked");
            self.used_bytes -= row_bytes(&value);
            self.free.push(number);
            unused.push(value);
        }
        self.charge.shrink(self.used_bytes);
        self.collect_at = (2 * self.used()).max(FIRST_COLLECTION);
        unused
    }
}
