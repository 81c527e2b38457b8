//! The shapes of arithmetic. A row of [`super::operators`] names a shape and the CLIF instruction that fills it.

use super::FuncTranslator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FuncInstBuilder;

impl<'a> FuncTranslator<'a> {
    /// One operand, one result.
    pub(super) fn unary(&mut self, emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value) -> Value) {
        let x = self.pop();
        let result = emit(self.ins(), x);
        self.push(result);
    }

    /// Two operands, one result.
    pub(super) fn binary(&mut self, emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value, Value) -> Value) {
        let (x, y) = self.pop2();
        let result = emit(self.ins(), x, y);
        self.push(result);
    }

    /// Two operands and one result of 128 bits each, in halves.
    pub(super) fn wide(&mut self, emit: impl FnOnce(FuncInstBuilder<'_, 'a>, Value, Value) -> Value) {
        let (y_low, y_high) = self.pop2();
        let (x_low, x_high) = self.pop2();
        let x = self.ins().iconcat(x_low, x_high);
        let y = self.ins().iconcat(y_low, y_high);
        let result = emit(self.ins(), x, y);
        self.push_halves(result);
    }

    /// The whole product of two operands, in halves.
    pub(super) fn multiply_into_wide(&mut self, extend: impl Fn(FuncInstBuilder<'_, 'a>, Value) -> Value) {
        let (x, y) = self.pop2();
        let x = extend(self.ins(), x);
        let y = extend(self.ins(), y);
        let result = self.ins().imul(x, y);
        self.push_halves(result);
    }

    fn push_halves(&mut self, wide: Value) {
        let (low, high) = self.ins().isplit(wide);
        self.push(low);
        self.push(high);
    }

    /// A comparison of integers: 0 or 1 as `i32`.
    pub(super) fn compare(&mut self, condition: IntCC) {
        let (x, y) = self.pop2();
        let holds = self.ins().icmp(condition, x, y);
        self.push_bool(holds);
    }

    /// A comparison of floats: 0 or 1 as `i32`.
    pub(super) fn compare_floats(&mut self, condition: FloatCC) {
        let (x, y) = self.pop2();
        let holds = self.ins().fcmp(condition, x, y);
        self.push_bool(holds);
    }

    /// Whether an integer is zero.
    pub(super) fn is_zero(&mut self) {
        let x = self.pop();
        let holds = self.ins().icmp_imm_u(IntCC::Equal, x, 0);
        self.push_bool(holds);
    }

    fn push_bool(&mut self, holds: Value) {
        let wide = self.ins().uextend(types::I32, holds);
        self.push(wide);
    }

    /// The same bits as another type.
    pub(super) fn reinterpret(&mut self, to: Type) {
        let x = self.pop();
        let result = self.ins().bitcast(to, MemFlagsData::new(), x);
        self.push(result);
    }

    /// Sign-extends from the low bits, as many as `low` has.
    pub(super) fn sign_extend_from(&mut self, low: Type) {
        let x = self.pop();
        let ty = self.type_of(x);
        let cut = self.ins().ireduce(low, x);
        let result = self.ins().sextend(ty, cut);
        self.push(result);
    }
}
