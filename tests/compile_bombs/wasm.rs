//! What the bombs are built with: sections by `wasm-encoder`, bodies as plain bytes, because most bombs are one pattern
//! repeated. It knows nothing of what is done with a module.

use wasm_encoder::{
    CodeSection, Encode as _, EntityType, FunctionSection, ImportSection, Module, TypeSection, ValType,
};

pub const I32: ValType = ValType::I32;
pub const V128: ValType = ValType::V128;

/// Operators by their bytes.
pub mod op {
    pub const UNREACHABLE: u8 = 0x00;
    pub const BLOCK: u8 = 0x02;
    pub const LOOP: u8 = 0x03;
    pub const IF: u8 = 0x04;
    pub const ELSE: u8 = 0x05;
    pub const TRY: u8 = 0x06;
    pub const CATCH: u8 = 0x07;
    pub const END: u8 = 0x0b;
    pub const BR: u8 = 0x0c;
    pub const BR_IF: u8 = 0x0d;
    pub const BR_TABLE: u8 = 0x0e;
    pub const CALL: u8 = 0x10;
    pub const CALL_INDIRECT: u8 = 0x11;
    pub const DELEGATE: u8 = 0x18;
    pub const CATCH_ALL: u8 = 0x19;
    pub const DROP: u8 = 0x1a;
    pub const SELECT: u8 = 0x1b;
    pub const TRY_TABLE: u8 = 0x1f;
    pub const LOCAL_GET: u8 = 0x20;
    pub const LOCAL_SET: u8 = 0x21;
    pub const LOCAL_TEE: u8 = 0x22;
    pub const TABLE_GET: u8 = 0x25;
    pub const TABLE_SET: u8 = 0x26;
    pub const I32_LOAD: u8 = 0x28;
    pub const I32_STORE: u8 = 0x36;
    pub const I32_CONST: u8 = 0x41;
    pub const F64_CONST: u8 = 0x44;
    pub const I32_ADD: u8 = 0x6a;
    pub const I32_MUL: u8 = 0x6c;
    pub const I32_DIV_S: u8 = 0x6d;
    pub const I32_XOR: u8 = 0x73;
    pub const F64_ADD: u8 = 0xa0;
    /// Block type without parameters and results.
    pub const EMPTY: u8 = 0x40;
}

/// The bytes of a function body, operator by operator.
#[derive(Default, Clone)]
pub struct Body(pub Vec<u8>);

impl Body {
    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The same bytes many times.
    pub fn repeat(&mut self, bytes: &[u8], count: usize) -> &mut Self {
        self.0.reserve(bytes.len() * count);
        (0..count).for_each(|_| self.0.extend_from_slice(bytes));
        self
    }

    /// An operator with one index.
    pub fn with(&mut self, operator: u8, index: usize) -> &mut Self {
        self.0.push(operator);
        self.leb(index)
    }

    /// An unsigned number.
    pub fn leb(&mut self, number: usize) -> &mut Self {
        number.encode(&mut self.0);
        self
    }

    /// A constant, in five bytes whatever it is.
    pub fn i32_const(&mut self, value: usize) -> &mut Self {
        let value = value as u32 & 0x3fff_ffff;
        self.0.push(op::I32_CONST);
        (0..4).for_each(|n| self.0.push((value >> (7 * n)) as u8 | 0x80));
        self.0.push((value >> 28) as u8 & 0x0f);
        self
    }

    /// A block type by its index, as a signed number.
    pub fn block_type(&mut self, operator: u8, ty: usize) -> &mut Self {
        self.0.push(operator);
        assert!(ty < 64, "a block type of one byte");
        self.0.push(ty as u8);
        self
    }
}

/// A module of functions whose types come first.
#[derive(Default)]
pub struct Functions {
    pub types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    code: CodeSection,
    bytes: usize,
}

impl Functions {
    /// Type 0 is `[] -> []`.
    pub fn new() -> Self {
        let mut this = Self::default();
        this.ty(0, 0);
        this
    }

    /// Adds the type of a function with so many parameters and results, all `i32`.
    pub fn ty(&mut self, params: usize, results: usize) -> &mut Self {
        self.types.ty().function(vec![I32; params], vec![I32; results]);
        self
    }

    /// Adds an imported function.
    pub fn import(&mut self, ty: u32) -> &mut Self {
        self.imports.import("m", "f", EntityType::Function(ty));
        self
    }

    /// Adds a function.
    pub fn function(&mut self, ty: u32, locals: &[(u32, ValType)], body: &Body) -> &mut Self {
        self.functions.function(ty);
        let mut function = wasm_encoder::Function::new(locals.iter().copied());
        function.raw(body.0.iter().copied());
        function.raw([op::END]);
        self.bytes += body.0.len();
        self.code.function(&function);
        self
    }

    /// The module, with further sections where they belong.
    pub fn finish(self, between: impl FnOnce(&mut Module)) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&self.types).section(&self.imports).section(&self.functions);
        between(&mut module);
        module.section(&self.code);
        module.finish()
    }

    /// The module, without further sections.
    pub fn module(self) -> Vec<u8> {
        self.finish(|_| ())
    }
}
