//! Evaluating constant expressions at instantiation.

use crate::error::Result;
use crate::store::StoreInner;
use epsilon_abi::{ConstExpr, ConstOp, GlobalIndex};

impl StoreInner {
    /// The bits that a constant expression of an instance's module evaluates to. Validation has fixed its type; the
    /// globals that it reads come before what it initialises.
    pub(crate) fn evaluate(&mut self, instance: u32, expr: &ConstExpr) -> Result<u128> {
        let mut stack: Vec<u128> = Vec::with_capacity(2);
        for op in &expr.0 {
            let bits = match *op {
                ConstOp::I32(n) => u128::from(n as u32),
                ConstOp::I64(n) => u128::from(n as u64),
                ConstOp::F32(bits) => u128::from(bits),
                ConstOp::F64(bits) => u128::from(bits),
                ConstOp::V128(bytes) => u128::from_le_bytes(bytes),
                ConstOp::RefNull(_) => 0,
                ConstOp::GlobalGet(global) => self.global_value(instance, global),
                ConstOp::RefFunc(func) => {
                    let entry = self.instances[instance as usize].entry_of(func);
                    self.func_ref(entry)? as u128
                }
                ConstOp::I32Add => binary32(&mut stack, u32::wrapping_add),
                ConstOp::I32Sub => binary32(&mut stack, u32::wrapping_sub),
                ConstOp::I32Mul => binary32(&mut stack, u32::wrapping_mul),
                ConstOp::I64Add => binary64(&mut stack, u64::wrapping_add),
                ConstOp::I64Sub => binary64(&mut stack, u64::wrapping_sub),
                ConstOp::I64Mul => binary64(&mut stack, u64::wrapping_mul),
                ConstOp::RefI31 => {
                    let value = pop(&mut stack) as u32;
                    u128::from(value << 1 | epsilon_abi::heap::I31_BIT)
                }
                ConstOp::AnyConvertExtern | ConstOp::ExternConvertAny => pop(&mut stack),
                ConstOp::StructNew(_)
                | ConstOp::StructNewDefault(_)
                | ConstOp::ArrayNew(_)
                | ConstOp::ArrayNewDefault(_)
                | ConstOp::ArrayNewFixed(..) => {
                    return Err(crate::error::Error::limit("the store has no garbage-collected heap"));
                }
            };
            stack.push(bits);
        }
        Ok(pop(&mut stack))
    }

    fn global_value(&self, instance: u32, global: GlobalIndex) -> u128 {
        self.global_bits(self.instances[instance as usize].global_key(global)).0
    }
}

fn pop(stack: &mut Vec<u128>) -> u128 {
    stack.pop().expect("validated: constant expressions leave one value")
}

fn binary32(stack: &mut Vec<u128>, op: fn(u32, u32) -> u32) -> u128 {
    let (b, a) = (pop(stack) as u32, pop(stack) as u32);
    u128::from(op(a, b))
}

fn binary64(stack: &mut Vec<u128>, op: fn(u64, u64) -> u64) -> u128 {
    let (b, a) = (pop(stack) as u64, pop(stack) as u64);
    u128::from(op(a, b))
}
