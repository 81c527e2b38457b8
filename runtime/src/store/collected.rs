//! What a store holds for its collector, beside heap and values.

use crate::base::pool::Places;
use crate::heap::hosts::HostValue;
use crate::store::frames::KnownMaps;

/// An operand of a constant expression that is being evaluated.
#[derive(Clone, Copy)]
pub struct Constant {
    pub bits: u128,
    /// Whether the collector follows it.
    pub is_traced: bool,
}

/// What a store holds for its collector, beside heap and values.
#[derive(Default)]
pub struct Collected {
    /// Operands of constant expressions that are being evaluated.
    pub constants: Vec<Constant>,
    /// What is known of frames.
    pub known_maps: KnownMaps,
    /// The heap's place in the engine's pool.
    pub heap_place: Option<Places>,
    /// Values of the host that nothing refers to, to be dropped where code of the host may run.
    pub unused: Vec<HostValue>,
}
