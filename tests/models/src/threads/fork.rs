//! Nobody forks in a model.

/// Holds off nothing.
pub struct HoldOff;

/// Holds off nothing.
pub fn hold_off() -> HoldOff {
    HoldOff
}
