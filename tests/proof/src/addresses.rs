//! tmp
use crate::case::*;
pub struct Addresses;
impl Addresses { pub fn new() -> Self { Self } }
impl Check for Addresses { fn run(&mut self, _s: u64, _t: &mut Tally) -> Result<(), Finding> { Ok(()) } }
