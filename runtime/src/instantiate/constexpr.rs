//! Evaluating constant expressions at instantiation. They may make objects: operands are roots while that goes on.

use crate::base::error::Result;
use crate::store::collected::Constant;
use crate::store::inner::StoreInner;
use epsilon_abi::heap::{ELEMENTS_OFFSET, I31_BIT, StructLayout, storage_bytes};
use epsilon_abi::{ConstExpr, ConstOp, GlobalIndex, StorageType, TypeIndex};

impl StoreInner {
    /// The bits that a constant expression of an instance's module evaluates to. Validation has fixed its type; the
    /// globals that it reads come before what it initialises. A reference in them is to be put where the collector finds it
    /// before anything is allocated.
    pub(crate) fn evaluate(&mut self, instance: u32, expr: &ConstExpr) -> Result<u128> {
        let base = self.collected.constants.len();
        let done = expr.0.iter().try_for_each(|op| self.evaluate_op(instance, *op));
        let result = done.map(|()| self.pop());
        self.collected.constants.truncate(base);
        result
    }

    fn evaluate_op(&mut self, instance: u32, op: ConstOp) -> Result<()> {
        let plain = |bits: u128| Constant { bits, is_traced: false };
        let reference = |bits: u32| Constant { bits: bits.into(), is_traced: true };
        let value = match op {
            ConstOp::I32(n) => plain(u128::from(n as u32)),
            ConstOp::I64(n) => plain(u128::from(n as u64)),
            ConstOp::F32(bits) => plain(u128::from(bits)),
            ConstOp::F64(bits) => plain(u128::from(bits)),
            ConstOp::V128(bytes) => plain(u128::from_le_bytes(bytes)),
            ConstOp::RefNull(_) => plain(0),
            ConstOp::GlobalGet(global) => self.global_value(instance, global),
            ConstOp::RefFunc(func) => {
                let entry = self.instances[instance as usize].entry_of(func);
                plain(self.func_ref(entry)? as u128)
            }
            ConstOp::I32Add => self.binary32(u32::wrapping_add),
            ConstOp::I32Sub => self.binary32(u32::wrapping_sub),
            ConstOp::I32Mul => self.binary32(u32::wrapping_mul),
            ConstOp::I64Add => self.binary64(u64::wrapping_add),
            ConstOp::I64Sub => self.binary64(u64::wrapping_sub),
            ConstOp::I64Mul => self.binary64(u64::wrapping_mul),
            ConstOp::RefI31 => plain(u128::from((self.pop() as u32) << 1 | I31_BIT)),
            // Both families have the same references.
            ConstOp::AnyConvertExtern | ConstOp::ExternConvertAny => return Ok(()),
            ConstOp::StructNew(ty) => reference(self.constant_struct(instance, ty)?),
            ConstOp::StructNewDefault(ty) | ConstOp::ArrayNewDefault(ty) => {
                let is_array = matches!(op, ConstOp::ArrayNewDefault(_));
                let len = if is_array { self.pop() as u32 } else { 0 };
                reference(self.new_object(self.word_of(instance, ty), len)?)
            }
            ConstOp::ArrayNew(ty) => {
                let len = self.pop() as u32;
                let array = self.new_object(self.word_of(instance, ty), len)?;
                let value = self.pop();
                (0..len).for_each(|n| self.set_constant_element(instance, ty, array, n, value));
                reference(array)
            }
            ConstOp::ArrayNewFixed(ty, len) => {
                let array = self.new_object(self.word_of(instance, ty), len)?;
                for n in (0..len).rev() {
                    let value = self.pop();
                    self.set_constant_element(instance, ty, array, n, value);
                }
                reference(array)
            }
        };
        self.collected.constants.push(value);
        Ok(())
    }

    fn word_of(&self, instance: u32, ty: TypeIndex) -> u32 {
        self.instances[instance as usize].module.type_word(ty)
    }

    fn constant_struct(&mut self, instance: u32, ty: TypeIndex) -> Result<u32> {
        let object = self.new_object(self.word_of(instance, ty), 0)?;
        let info = self.instances[instance as usize].module.info().clone();
        let fields = info.type_struct(ty);
        let layout = StructLayout::new(fields);
        for (n, field) in fields.iter().enumerate().rev() {
            let value = self.pop();
            self.set_constant(object + layout.offset(n as u32), field.storage, value);
        }
        self.heap().wrote_reference(object);
        Ok(object)
    }

    fn set_constant_element(&mut self, instance: u32, ty: TypeIndex, array: u32, n: u32, value: u128) {
        let storage = self.instances[instance as usize].module.info().type_array(ty).storage;
        self.set_constant(array + ELEMENTS_OFFSET + n * storage_bytes(storage), storage, value);
        self.heap().wrote_reference(array);
    }

    fn set_constant(&mut self, at: u32, storage: StorageType, value: u128) {
        // SAFETY: the value is an operand of the field's type, as validated, which this store has made (invariant 17).
        let bits = unsafe { Self::field_of_bits(storage, value) };
        self.heap().set(at, storage_bytes(storage), bits);
    }

    fn global_value(&self, instance: u32, global: GlobalIndex) -> Constant {
        let (bits, ty) = self.global_bits(self.instances[instance as usize].global_key(global));
        Constant { bits, is_traced: ty.is_traced() }
    }

    fn pop(&mut self) -> u128 {
        self.collected.constants.pop().expect("validated: constant expressions leave one value").bits
    }

    fn binary32(&mut self, op: fn(u32, u32) -> u32) -> Constant {
        let (b, a) = (self.pop() as u32, self.pop() as u32);
        Constant { bits: u128::from(op(a, b)), is_traced: false }
    }

    fn binary64(&mut self, op: fn(u64, u64) -> u64) -> Constant {
        let (b, a) = (self.pop() as u64, self.pop() as u64);
        Constant { bits: u128::from(op(a, b)), is_traced: false }
    }
}
