//! Types of what modules import and export, beside functions.

use super::composite::FuncType;
use super::value::{Mutability, RefType, ValType};
use crate::base::error::Result;
use crate::module::linked::LinkedModule;
use crate::module::signature::Signatures;
use epsilon_abi::{GlobalType as AbiGlobal, Limits, MemoryType as AbiMemory, TableType as AbiTable};
use std::fmt;
use std::sync::Arc;

/// The type of a linear memory. Sizes are in pages.
///
/// ```
/// use epsilon::MemoryType;
/// let ty = MemoryType::new(1, Some(16));
/// assert_eq!((ty.minimum(), ty.maximum(), ty.page_size()), (1, Some(16), 65536));
/// assert!(MemoryType::shared(1, 4).is_shared() && MemoryType::new64(1, None).is_64());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MemoryType(AbiMemory);

impl MemoryType {
    fn of_limits(min: u64, max: Option<u64>, is_64: bool, shared: bool) -> Self {
        let ty = Self(AbiMemory { limits: Limits { min, max }, is_64, shared, page_size_log2: 16 });
        crate::memory::linear::check_type(&ty.0).unwrap_or_else(|error| panic!("{error}"));
        ty
    }

    /// A memory of 32-bit addresses, not shared, with pages of 64 KiB.
    ///
    /// # Panics
    /// If the minimum exceeds the maximum, or one of them what 32 bits can address.
    pub fn new(minimum: u32, maximum: Option<u32>) -> Self {
        Self::of_limits(minimum.into(), maximum.map(Into::into), false, false)
    }

    /// As [`MemoryType::new`], with 64-bit addresses.
    ///
    /// # Panics
    /// If the minimum exceeds the maximum, or one of them what 64 bits can address.
    pub fn new64(minimum: u64, maximum: Option<u64>) -> Self {
        Self::of_limits(minimum, maximum, true, false)
    }

    /// As [`MemoryType::new`], for a memory that threads share.
    ///
    /// # Panics
    /// As there.
    pub fn shared(minimum: u32, maximum: u32) -> Self {
        Self::of_limits(minimum.into(), Some(maximum.into()), false, true)
    }

    /// A builder, for every type that there is.
    pub fn builder() -> MemoryTypeBuilder {
        MemoryTypeBuilder::new()
    }

    /// The type as modules have it.
    #[doc(hidden)]
    pub fn of_abi(ty: AbiMemory) -> Self {
        Self(ty)
    }

    pub(crate) fn abi(&self) -> AbiMemory {
        self.0
    }

    /// Whether addresses have 64 bits.
    pub fn is_64(&self) -> bool {
        self.0.is_64
    }

    /// Whether threads share it.
    pub fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// The least size, in pages.
    pub fn minimum(&self) -> u64 {
        self.0.limits.min
    }

    /// The largest size, in pages.
    pub fn maximum(&self) -> Option<u64> {
        self.0.limits.max
    }

    /// Size of a page in bytes.
    pub fn page_size(&self) -> u64 {
        1 << self.0.page_size_log2
    }

    /// The binary logarithm of the size of a page in bytes.
    pub fn page_size_log2(&self) -> u8 {
        self.0.page_size_log2
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes a [`MemoryType`]: at first one of 32-bit addresses and pages of 64 KiB, not shared, without pages or a maximum.
#[derive(Clone, Debug)]
pub struct MemoryTypeBuilder(AbiMemory);

impl Default for MemoryTypeBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryTypeBuilder {
    /// A new one.
    pub fn new() -> Self {
        let limits = Limits { min: 0, max: None };
        Self(AbiMemory { limits, is_64: false, shared: false, page_size_log2: 16 })
    }

    /// The least size, in pages.
    pub fn min(&mut self, minimum: u64) -> &mut Self {
        self.0.limits.min = minimum;
        self
    }

    /// The largest size, in pages.
    pub fn max(&mut self, maximum: Option<u64>) -> &mut Self {
        self.0.limits.max = maximum;
        self
    }

    /// Whether addresses have 64 bits.
    pub fn memory64(&mut self, memory64: bool) -> &mut Self {
        self.0.is_64 = memory64;
        self
    }

    /// Whether threads share it.
    pub fn shared(&mut self, shared: bool) -> &mut Self {
        self.0.shared = shared;
        self
    }

    /// The binary logarithm of the size of a page in bytes: 16, or 0 with the proposal for custom page sizes.
    pub fn page_size_log2(&mut self, page_size_log2: u8) -> &mut Self {
        self.0.page_size_log2 = page_size_log2;
        self
    }

    /// The type.
    ///
    /// # Errors
    /// If no memory can have it.
    pub fn build(&self) -> Result<MemoryType> {
        crate::memory::linear::check_type(&self.0)?;
        if self.0.shared && self.0.limits.max.is_none() {
            return Err(crate::base::error::Error::misuse("a shared memory has a maximum; set it with `max`"));
        }
        Ok(MemoryType(self.0))
    }
}

/// The type of a table. Sizes are in elements.
///
/// ```
/// use epsilon::{RefType, TableType};
/// let ty = TableType::new(RefType::FUNCREF, 2, None);
/// assert_eq!((ty.element(), ty.minimum(), ty.maximum()), (&RefType::FUNCREF, 2, None));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TableType {
    element: RefType,
    limits: Limits,
    is_64: bool,
}

impl TableType {
    /// A table of such elements, with 32-bit indices.
    pub fn new(element: RefType, min: u32, max: Option<u32>) -> Self {
        Self { element, limits: Limits { min: min.into(), max: max.map(Into::into) }, is_64: false }
    }

    /// As [`TableType::new`], with 64-bit indices.
    pub fn new64(element: RefType, min: u64, max: Option<u64>) -> Self {
        Self { element, limits: Limits { min, max }, is_64: true }
    }

    /// A type of a module.
    #[doc(hidden)]
    pub fn of_module(module: &LinkedModule, ty: &AbiTable) -> Self {
        Self::of_abi(module.runtime().signatures(), ty.map_types(&|index| module.canonical(index)))
    }

    pub(crate) fn of_abi(signatures: &Arc<Signatures>, ty: AbiTable) -> Self {
        Self { element: RefType::of_abi(signatures, ty.element), limits: ty.limits, is_64: ty.is_64 }
    }

    pub(crate) fn to_abi(&self, signatures: &Arc<Signatures>) -> Result<AbiTable> {
        self.element.check_engine(signatures)?;
        Ok(AbiTable { element: self.element.to_abi(), limits: self.limits, is_64: self.is_64 })
    }

    /// Whether indices have 64 bits.
    pub fn is_64(&self) -> bool {
        self.is_64
    }

    /// What the elements are.
    pub fn element(&self) -> &RefType {
        &self.element
    }

    /// The least size, in elements.
    pub fn minimum(&self) -> u64 {
        self.limits.min
    }

    /// The largest size, in elements.
    pub fn maximum(&self) -> Option<u64> {
        self.limits.max
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}{} of {}", if self.is_64 { "i64 " } else { "" }, self.limits, self.element)
    }
}

impl fmt::Debug for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The type of a global.
///
/// ```
/// use epsilon::{GlobalType, Mutability, ValType};
/// let ty = GlobalType::new(ValType::I64, Mutability::Var);
/// assert!(ty.content().is_i64() && ty.mutability().is_var());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GlobalType {
    content: ValType,
    mutability: Mutability,
}

impl GlobalType {
    /// A global of such a value.
    pub fn new(content: ValType, mutability: Mutability) -> Self {
        Self { content, mutability }
    }

    /// A type of a module.
    #[doc(hidden)]
    pub fn of_module(module: &LinkedModule, ty: &AbiGlobal) -> Self {
        Self::of_abi(module.runtime().signatures(), ty.map_types(&|index| module.canonical(index)))
    }

    pub(crate) fn of_abi(signatures: &Arc<Signatures>, ty: AbiGlobal) -> Self {
        Self { content: ValType::of_abi(signatures, ty.value), mutability: Mutability::of(ty.mutable) }
    }

    pub(crate) fn to_abi(&self, signatures: &Arc<Signatures>) -> Result<AbiGlobal> {
        self.content.check_engine(signatures)?;
        Ok(AbiGlobal { value: self.content.to_abi(), mutable: self.mutability.is_var() })
    }

    /// The type of its value.
    pub fn content(&self) -> &ValType {
        &self.content
    }

    /// Whether it can be set.
    pub fn mutability(&self) -> Mutability {
        self.mutability
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "global {}{}", if self.mutability.is_var() { "mut " } else { "" }, self.content)
    }
}

impl fmt::Debug for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The type of a tag: what its exceptions carry, as the parameters of a function without results.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TagType {
    ty: FuncType,
}

impl TagType {
    /// A tag whose exceptions carry the parameters of this type.
    pub fn new(ty: FuncType) -> Self {
        Self { ty }
    }

    /// What its exceptions carry.
    pub fn ty(&self) -> &FuncType {
        &self.ty
    }
}

impl fmt::Display for TagType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tag {}", self.ty)
    }
}
