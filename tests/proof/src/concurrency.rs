//! tmp
use crate::case::*;
pub struct Concurrency;
impl Concurrency { pub fn new() -> Self { Self } }
impl Check for Concurrency { fn run(&mut self, _s: u64, _t: &mut Tally) -> Result<(), Finding> { Ok(()) } }
