//! Makes everything of a module visible through numbers: each exported function gets a caller without parameters or
//! results, which passes constants and puts the results into new globals; one more function does so with the module's
//! own globals. Vectors become halves, floats their bits, references whether they are null. So an engine behind a
//! border that not all values can cross can be compared all the same.

use crate::case::Rng;
use crate::edit::{self, Additions, Counts};
use crate::outcome::{self, Type, Value};
use wasmparser::{
    AbstractHeapType, ExternalKind, HeapType, Parser, Payload, RefType, ValType, Validator, WasmFeatures,
};

/// Names of the new exports begin with these.
pub const CALL: &str = "call ";
/// Values of functions and globals.
pub const VALUE: &str = "value ";
/// Memories.
pub const MEMORY: &str = "memory ";
/// Tables whose elements the host can hold.
pub const TABLE: &str = "table ";

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
const V128: u8 = 0x7b;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const GLOBAL_GET: u8 = 0x23;
const GLOBAL_SET: u8 = 0x24;
const CALL_FUNCTION: u8 = 0x10;
const END: u8 = 0x0b;

/// The additions in the making.
struct Wrap {
    counts: Counts,
    additions: Additions,
    rng: Rng,
}

/// The same module, with the new exports; `None` if it is not valid.
pub fn wrap(wasm: &[u8], seed: u64) -> Option<Vec<u8>> {
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(wasm).ok()?;
    let types = types.as_ref();
    let counts = edit::counts(wasm)?;
    let mut wrap = Wrap { counts, additions: Additions::default(), rng: Rng::new(seed) };
    // A function type without parameters and results.
    wrap.additions.types.push(vec![0x60, 0, 0]);
    let mut look = Vec::new();
    for payload in Parser::new(0).parse_all(wasm).flatten() {
        let Payload::ExportSection(section) = payload else { continue };
        for export in section.into_iter().flatten() {
            match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => {
                    let ty = types[types.core_function_at(export.index)].unwrap_func();
                    wrap.caller(export.index, ty.params(), ty.results());
                }
                ExternalKind::Global => {
                    look.push(GLOBAL_GET);
                    edit::leb(export.index, &mut look);
                    wrap.keep(types.global_at(export.index).content_type, &mut look);
                }
                ExternalKind::Memory => wrap.export(MEMORY, 2, export.index),
                ExternalKind::Table if is_hosts(types.table_at(export.index).element_type) => {
                    wrap.export(TABLE, 1, export.index);
                }
                ExternalKind::Table | ExternalKind::Tag => {}
            }
        }
    }
    wrap.function(look);
    edit::edit(wasm, &wrap.additions, &mut edit::unchanged)
}

/// Whether a host can hold a reference.
fn is_hosts(ty: RefType) -> bool {
    let abstract_type = |ty| HeapType::Abstract { shared: false, ty };
    [AbstractHeapType::Func, AbstractHeapType::Extern].into_iter().any(|ty_| ty.heap_type() == abstract_type(ty_))
}

impl Wrap {
    fn export(&mut self, prefix: &str, kind: u8, index: u32) {
        let name = format!("{prefix}{:05}", self.additions.exports.len());
        self.additions.exports.push(edit::export(&name, kind, index));
    }

    fn function(&mut self, instructions: Vec<u8>) {
        // One local for a vector on its way.
        let body = [&[1, 1, V128], &instructions[..], &[END]].concat();
        let index = self.counts.functions + self.additions.functions.len() as u32;
        self.additions.functions.push(self.counts.types);
        self.additions.bodies.push(body);
        self.export(CALL, 0, index);
    }

    fn caller(&mut self, function: u32, params: &[ValType], results: &[ValType]) {
        let mut body = Vec::new();
        for param in params {
            let Some(()) = self.constant(*param, &mut body) else { return };
        }
        body.push(CALL_FUNCTION);
        edit::leb(function, &mut body);
        for result in results.iter().rev() {
            self.keep(*result, &mut body);
        }
        self.function(body);
    }

    /// A constant of a type; `None` if there is none.
    fn constant(&mut self, ty: ValType, body: &mut Vec<u8>) -> Option<()> {
        let ty = match ty {
            ValType::I32 => Type::I32,
            ValType::I64 => Type::I64,
            ValType::F32 => Type::F32,
            ValType::F64 => Type::F64,
            ValType::V128 => Type::V128,
            ValType::Ref(ty) => {
                body.extend_from_slice(&[0xd0, null_of(ty)?]);
                return Some(());
            }
        };
        match outcome::random_value(ty, &mut self.rng) {
            Value::I32(n) => {
                body.push(0x41);
                edit::signed_leb(n.into(), body);
            }
            Value::I64(n) => {
                body.push(0x42);
                edit::signed_leb(n, body);
            }
            Value::F32(bits) => {
                body.push(0x43);
                body.extend_from_slice(&bits.to_le_bytes());
            }
            Value::F64(bits) => {
                body.push(0x44);
                body.extend_from_slice(&bits.to_le_bytes());
            }
            Value::V128(bits) => {
                body.extend_from_slice(&[0xfd, 0x0c]);
                body.extend_from_slice(&bits.to_le_bytes());
            }
            Value::Func(_) | Value::Extern(_) => return None,
        }
        Some(())
    }

    /// Puts the operand on top into new globals.
    fn keep(&mut self, ty: ValType, body: &mut Vec<u8>) {
        match ty {
            ValType::I32 => self.keep_as(I32, &[], body),
            ValType::I64 => self.keep_as(I64, &[], body),
            ValType::F32 => self.keep_as(I32, &[0xbc], body),
            ValType::F64 => self.keep_as(I64, &[0xbd], body),
            ValType::Ref(_) => self.keep_as(I32, &[0xd1], body),
            ValType::V128 => {
                body.extend_from_slice(&[LOCAL_SET, 0]);
                for lane in 0..2 {
                    body.extend_from_slice(&[LOCAL_GET, 0]);
                    self.keep_as(I64, &[0xfd, 0x1d, lane], body);
                }
            }
        }
    }

    fn keep_as(&mut self, ty: u8, conversion: &[u8], body: &mut Vec<u8>) {
        let index = self.counts.globals + self.additions.globals.len() as u32;
        let zero = if ty == I32 { 0x41 } else { 0x42 };
        self.additions.globals.push(vec![ty, 1, zero, 0, END]);
        self.export(VALUE, 3, index);
        body.extend_from_slice(conversion);
        body.push(GLOBAL_SET);
        edit::leb(index, body);
    }
}

/// The heap type of the null of a nullable type, encoded.
fn null_of(ty: RefType) -> Option<u8> {
    if !ty.is_nullable() {
        return None;
    }
    match ty.heap_type() {
        HeapType::Abstract { ty: AbstractHeapType::Func, .. } => Some(0x70),
        HeapType::Abstract { ty: AbstractHeapType::Extern, .. } => Some(0x6f),
        HeapType::Abstract { ty: AbstractHeapType::Exn, .. } => Some(0x69),
        HeapType::Abstract { ty: AbstractHeapType::NoExn, .. } => Some(0x74),
        HeapType::Abstract { ty: AbstractHeapType::NoFunc, .. } | HeapType::Concrete(_) => Some(0x73),
        HeapType::Abstract { ty: AbstractHeapType::NoExtern, .. } => Some(0x72),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_module_is_valid() {
        let text = r#"(module (memory (export "m") 1) (global (export "g") f64 (f64.const 1))
            (table (export "t") 3 funcref)
            (func (export "f") (param i32 v128 externref) (result v128 f32 funcref)
                local.get 1 f32.const 2 ref.null func))"#;
        let wrapped = wrap(&wat::parse_str(text).expect("text"), 1).expect("valid");
        let counts = edit::counts(&wrapped).expect("still valid");
        // Two halves, a float and a reference; and the global.
        assert_eq!((counts.globals, counts.functions), (1 + 4 + 1, 3));
    }
}
