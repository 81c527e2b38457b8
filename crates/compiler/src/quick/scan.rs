//! A first look at a body: how often each local is used and how often anything is called, where what stands in a loop
//! counts more; and whether exceptions are caught.

use super::operators;
use super::reader::Reader;

/// What a body does.
#[derive(Default)]
pub(super) struct Scan {
    /// Weight of each local.
    pub uses: Vec<u32>,
    /// Weight of all calls.
    pub calls: u32,
    /// Whether there is a `try_table`.
    pub catches: bool,
    /// Weights outside of the open blocks.
    outer: Vec<u32>,
}

/// How much more a loop makes of what stands in it, and where that ends.
const LOOP_FACTOR: u32 = 8;
const MAX_WEIGHT: u32 = 512;

impl Scan {
    /// Looks at the operators of a body with so many locals.
    pub fn run(&mut self, mut reader: Reader<'_>, locals: usize) {
        self.uses.clear();
        self.uses.resize(locals, 0);
        self.outer.clear();
        (self.calls, self.catches) = (0, false);
        let mut weight = 1u32;
        while !reader.is_at_end() {
            let code = reader.byte();
            match code {
                // local.get, local.set, local.tee
                0x20..=0x22 => {
                    let uses = &mut self.uses[reader.u32() as usize];
                    *uses = uses.saturating_add(weight);
                }
                // block, if
                0x02 | 0x04 => {
                    reader.block();
                    self.outer.push(weight);
                }
                // loop
                0x03 => {
                    reader.block();
                    self.outer.push(weight);
                    weight = (weight * LOOP_FACTOR).min(MAX_WEIGHT);
                }
                // try_table
                0x1f => {
                    operators::skip(code, &mut reader);
                    self.catches = true;
                    self.outer.push(weight);
                }
                // end
                0x0b => weight = self.outer.pop().unwrap_or(1),
                _ => {
                    if operators::skip(code, &mut reader) {
                        self.calls = self.calls.saturating_add(weight);
                    }
                }
            }
        }
    }
}
