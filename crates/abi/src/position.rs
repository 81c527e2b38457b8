//! Instructions of a function, and the operators that they come from.

use crate::TrapCode;

/// An instruction that may trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// Offset of the instruction.
    pub offset: u32,
    /// The trap that it raises.
    pub code: TrapCode,
}

/// Where instructions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSite {
    /// Offset of the first instruction.
    pub offset: u32,
    /// The operator.
    pub position: Position,
}

/// An operator that instructions come from: its offset in the module's binary, or from [`Position::FIRST_INLINED`] on the
/// number of an [`InlinedSite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position(pub u32);

impl Position {
    /// Instructions that belong to no operator, such as a prologue.
    pub const NONE: Self = Self(u32::MAX);
    /// The first position that is not an offset.
    pub const FIRST_INLINED: u32 = 1 << 31;

    /// The position of an inlined operator.
    pub const fn inlined(site: usize) -> Self {
        Self(Self::FIRST_INLINED | site as u32)
    }

    /// The number of the inlined operator that it is, if it is one.
    pub const fn inlined_site(self) -> Option<usize> {
        if self.0 == Self::NONE.0 { None } else { (self.0 as usize).checked_sub(Self::FIRST_INLINED as usize) }
    }

    /// The offsets of the operator and of the calls around it that were inlined, innermost first.
    ///
    /// Ends whatever the sites hold: a call always comes before what was inlined for it.
    pub fn offsets(self, inlined: &[InlinedSite]) -> impl Iterator<Item = u32> {
        let mut next = (self != Self::NONE).then_some(self);
        std::iter::from_fn(move || {
            let position = next.take()?;
            let Some(number) = position.inlined_site() else { return Some(position.0) };
            let site = inlined.get(number)?;
            next = Some(site.call).filter(|call| call.inlined_site().is_none_or(|call| call < number));
            Some(site.wasm_offset)
        })
    }
}

/// An operator of another function, translated in place of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlinedSite {
    /// Its offset in the module's binary, which also tells its function.
    pub wasm_offset: u32,
    /// The call.
    pub call: Position,
}
