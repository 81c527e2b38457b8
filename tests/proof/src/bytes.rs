//! tmp
use crate::case::*;
pub struct Bytes;
impl Bytes { pub fn new() -> Self { Self } }
impl Check for Bytes { fn run(&mut self, _s: u64, _t: &mut Tally) -> Result<(), Finding> { Ok(()) } }
