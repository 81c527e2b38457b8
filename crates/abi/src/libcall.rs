//! The one list of runtime calls. Code reaches them through [`crate::vm::VmContext::libcalls`] under the `Tail`
//! convention, with the anchor as the first argument; they run on the host's stack.
//! A libcall that fails does not return to the code that called it: the runtime lands the trap.

/// Fixed code that moves bytes of linear memory without leaving the wasm stack. Its addresses stand behind those of the
/// libcalls. The caller has checked the bounds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum BulkRoutine {
    /// Copies: address of the target, address of the source, length. The ranges may overlap.
    Copy,
    /// Fills: address, value of each byte in the low eight bits, length.
    Fill,
}

impl BulkRoutine {
    /// How many there are.
    pub const COUNT: usize = 2;

    /// The place of its address in the table that [`crate::vm::VmContext::libcalls`] points to.
    pub const fn slot(self) -> usize {
        Libcall::ALL.len() + self as usize
    }
}

/// The type of a libcall's parameter or result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LibcallType {
    /// A 32-bit integer, zero-extended by the receiver.
    I32,
    /// A 64-bit integer, address or index.
    I64,
}

macro_rules! libcalls {
    ($($(#[$doc:meta])* $variant:ident, $name:ident ($($param:ident: $ty:ident),*) $(-> $result:ident)?;)*) => {
        /// A runtime call.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Libcall {
            $($(#[$doc])* $variant,)*
        }

        impl Libcall {
            /// Every libcall, in the order of the address table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name, as comments in generated code and backtraces give it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name),)* }
            }

            /// Types of the parameters after the `VmContext`.
            pub const fn params(self) -> &'static [LibcallType] {
                match self { $(Self::$variant => &[$(LibcallType::$ty),*],)* }
            }

            /// Type of the result, if there is one.
            pub const fn result(self) -> Option<LibcallType> {
                match self { $(Self::$variant => libcalls!(@result $($result)?),)* }
            }
        }

        /// Calls back with the whole list: `variant, name(param: type, …) [-> type];` for each libcall.
        #[macro_export]
        macro_rules! for_each_libcall {
            ($callback:ident) => {
                $callback! { $($variant, $name ($($param: $ty),*) $(-> $result)?;)* }
            };
        }
    };
    (@result) => { None };
    (@result $result:ident) => { Some(LibcallType::$result) };
}

libcalls! {
    /// `memory.grow`: old size in pages, or -1.
    MemoryGrow, memory_grow(memory: I32, delta_pages: I64) -> I64;
    /// `memory.fill`.
    MemoryFill, memory_fill(memory: I32, dst: I64, value: I32, len: I64);
    /// `memory.copy`.
    MemoryCopy, memory_copy(dst_memory: I32, src_memory: I32, dst: I64, src: I64, len: I64);
    /// `memory.init`.
    MemoryInit, memory_init(memory: I32, segment: I32, dst: I64, src: I64, len: I64);
    /// `data.drop`.
    DataDrop, data_drop(segment: I32);
    /// `table.grow`: old size in elements, or -1. `init` is the reference, zero-extended.
    TableGrow, table_grow(table: I32, delta: I64, init: I64) -> I64;
    /// `table.fill`.
    TableFill, table_fill(table: I32, dst: I64, value: I64, len: I64);
    /// `table.copy`.
    TableCopy, table_copy(dst_table: I32, src_table: I32, dst: I64, src: I64, len: I64);
    /// `table.init`.
    TableInit, table_init(table: I32, segment: I32, dst: I64, src: I64, len: I64);
    /// `elem.drop`.
    ElemDrop, elem_drop(segment: I32);
    /// `table.get` of a function table.
    TableGetFunc, table_get_func(table: I32, index: I64) -> I64;
    /// `table.set` of a function table.
    TableSetFunc, table_set_func(table: I32, index: I64, value: I64);
    /// `ref.func`: the address of the function's `VmFuncRef`.
    RefFunc, ref_func(func: I32) -> I64;
    /// Whether a canonical type is another one or a subtype of it: 1 or 0. `call_indirect` asks when the ids differ.
    IsSubtype, is_subtype(ty: I32, of: I32) -> I64;
    /// A new exception: the address of its fields, [`crate::vm::VmGlobal`]s that the code fills before it throws.
    ExceptionNew, exception_new(tag: I32) -> I64;
    /// Throws the exception whose fields lie there. Does not come back to where it was called.
    Throw, throw(fields: I64);
    /// `throw_ref`. Does not come back to where it was called.
    ThrowRef, throw_ref(exception: I32);
    /// `memory.atomic.wait32`: 0 if woken, 1 if the value was another one, 2 if the time is up.
    AtomicWait32, atomic_wait32(memory: I32, address: I64, expected: I32, timeout_ns: I64) -> I64;
    /// `memory.atomic.wait64`: as for 32 bits.
    AtomicWait64, atomic_wait64(memory: I32, address: I64, expected: I64, timeout_ns: I64) -> I64;
    /// `memory.atomic.notify`: how many were woken.
    AtomicNotify, atomic_notify(memory: I32, address: I64, count: I32) -> I64;
    /// A new object of the garbage-collected heap, all zero behind its header: `record` is the offset of its type's record,
    /// `length` that of an array in elements, or 0. May collect, and so move all others.
    GcAlloc, gc_alloc(record: I32, length: I32) -> I64;
    /// `array.new_data`, of a type of the module.
    GcArrayNewData, gc_array_new_data(ty: I32, segment: I32, offset: I32, length: I32) -> I64;
    /// `array.new_elem`, of a type of the module.
    GcArrayNewElem, gc_array_new_elem(ty: I32, segment: I32, offset: I32, length: I32) -> I64;
    /// `array.init_data`.
    GcArrayInitData, gc_array_init_data(segment: I32, array: I32, dst: I32, src: I32, length: I32);
    /// `array.init_elem`.
    GcArrayInitElem, gc_array_init_elem(segment: I32, array: I32, dst: I32, src: I32, length: I32);
    /// `array.copy` of references; nothing has been checked.
    GcArrayCopy, gc_array_copy(dst_array: I32, dst: I32, src_array: I32, src: I32, length: I32);
    /// Whether a structure or array type is another one or a subtype of it, by the offsets of their records: 1 or 0.
    GcIsSubtype, gc_is_subtype(record: I32, of: I32) -> I64;
    /// What a reference is to, for code of modules that declare no types of objects: of an object the `TypeKind` and, from bit
    /// 32 on, the length if it is an array; of all else 0.
    GcDescribe, gc_describe(reference: I32) -> I64;
    /// The address of the `VmFuncRef` of the store's function with this number; 0 for 0.
    FuncOfNumber, func_of_number(number: I32) -> I64;
}
