//! tmp
use crate::case::*;
pub struct DamagedCache;
impl DamagedCache { pub fn new(_:&std::path::Path) -> Self { Self } }
impl Check for DamagedCache { fn run(&mut self, _s: u64, _t: &mut Tally) -> Result<(), Finding> { Ok(()) } }
