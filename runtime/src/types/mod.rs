//! Types as embedders see them: values without numbers of an engine. A type that a module or the host has defined knows
//! the engine that it belongs to, which keeps it as long as it is used.

mod composite;
mod item;
mod registered;
mod value;

pub use composite::{ArrayType, ExnType, FieldType, Finality, FuncType, StorageType, StructType};
pub use item::{GlobalType, MemoryType, MemoryTypeBuilder, TableType, TagType};
pub use value::{HeapType, Mutability, RefType, ValType};
