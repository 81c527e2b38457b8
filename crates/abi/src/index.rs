//! Index newtypes: one per index space of the specification (section 2.5.1), and one for defined functions.

macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The index as a position in a slice.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
            /// The index for a position in a slice.
            ///
            /// # Panics
            /// If `position` does not fit 32 bits; validation limits every index space far below that.
            pub fn new(position: usize) -> Self {
                Self(u32::try_from(position).expect("index spaces fit 32 bits"))
            }
        }
    )*};
}

indices! {
    /// A type of the module's type section.
    TypeIndex
    /// A function; imported functions come first.
    FuncIndex
    /// A function defined by the module itself: its position in the code section.
    DefinedFuncIndex
    /// A table; imported tables come first.
    TableIndex
    /// A linear memory; imported memories come first.
    MemoryIndex
    /// A global; imported globals come first.
    GlobalIndex
    /// An exception tag; imported tags come first.
    TagIndex
    /// An element segment.
    ElemIndex
    /// A data segment.
    DataIndex
}
