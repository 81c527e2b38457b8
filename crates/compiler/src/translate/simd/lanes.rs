//! The shapes that work on lanes. They always succeed; they return [`Translated`] so that a row is one call.

use super::super::{FuncTranslator, Translated};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F64X2, I8X16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{
    ConstantData, Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value,
};
use wasmparser::V128;

/// Lane 0 of a vector lies at the lowest address.
const CAST: MemFlagsData = MemFlagsData::new().with_endianness(Endianness::Little);

/// The two instructions that make one vector's lanes twice as wide.
#[derive(Clone, Copy)]
pub(super) struct Widen {
    low: Opcode,
    high: Opcode,
}

impl Widen {
    pub const SIGNED: Self = Self { low: Opcode::SwidenLow, high: Opcode::SwidenHigh };
    pub const UNSIGNED: Self = Self { low: Opcode::UwidenLow, high: Opcode::UwidenHigh };
}

/// From the operand stack to lanes and back.
impl FuncTranslator<'_> {
    /// The same bits as lanes of type `ty`.
    ///
    /// A vector on the stack is an `I8X16`, but for the patterns of instruction selection that would put a cast between
    /// any two instructions. So lanes are used as they were made, and constants are made once more. Loads are not:
    /// without AVX, Cranelift 0.135 makes an unaligned load of float lanes part of a comparison that needs it aligned.
    pub(super) fn as_lanes(&mut self, vector: Value, ty: Type) -> Value {
        if self.type_of(vector) == ty {
            return vector;
        }
        match self.definition(vector) {
            Some(InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. }) if self.type_of(arg) == ty => arg,
            Some(InstructionData::UnaryConst { opcode: Opcode::Vconst, constant_handle }) => {
                self.ins().vconst(ty, constant_handle)
            }
            _ => self.ins().bitcast(ty, CAST, vector),
        }
    }

    /// The instruction that makes a value; `None` for what enters a block.
    fn definition(&self, value: Value) -> Option<InstructionData> {
        let dfg = &self.builder.func.dfg;
        Some(dfg.insts[dfg.value_def(value).inst()?])
    }

    /// The integer lanes that a vector was made as, such as the mask that a comparison gives; `I8X16` if it was not.
    fn made_as(&self, vector: Value) -> Type {
        match self.definition(vector) {
            Some(InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. }) => {
                let ty = self.type_of(arg);
                if ty.lane_type().is_int() { ty } else { I8X16 }
            }
            _ => I8X16,
        }
    }

    pub(super) fn pop_lanes(&mut self, ty: Type) -> Value {
        let x = self.pop();
        self.as_lanes(x, ty)
    }

    pub(super) fn pop2_lanes(&mut self, ty: Type) -> (Value, Value) {
        let (x, y) = self.pop2();
        (self.as_lanes(x, ty), self.as_lanes(y, ty))
    }

    pub(super) fn pop3_lanes(&mut self, ty: Type) -> (Value, Value, Value) {
        let (x, y, z) = self.pop3();
        (self.as_lanes(x, ty), self.as_lanes(y, ty), self.as_lanes(z, ty))
    }

    /// Pushes lanes, as the `I8X16` that every vector on the stack is.
    pub(super) fn push_lanes(&mut self, lanes: Value) -> Translated {
        let vector = self.as_lanes(lanes, I8X16);
        self.push(vector);
        Ok(())
    }

    /// Pushes a condition as 0 or 1.
    fn push_condition(&mut self, holds: Value) -> Translated {
        let wide = self.ins().uextend(I32, holds);
        self.push(wide);
        Ok(())
    }
}

/// Instructions of which only the opcode differs.
impl FuncTranslator<'_> {
    /// `ty` is the type that controls the instruction: of its operand, or of its result if that does not follow.
    pub(super) fn one(&mut self, opcode: Opcode, ty: Type, x: Value) -> Value {
        let (inst, dfg) = self.ins().Unary(opcode, ty, x);
        dfg.first_result(inst)
    }

    pub(super) fn two(&mut self, opcode: Opcode, ty: Type, x: Value, y: Value) -> Value {
        let (inst, dfg) = self.ins().Binary(opcode, ty, x, y);
        dfg.first_result(inst)
    }

    pub(super) fn three(&mut self, opcode: Opcode, ty: Type, x: Value, y: Value, z: Value) -> Value {
        let (inst, dfg) = self.ins().Ternary(opcode, ty, x, y, z);
        dfg.first_result(inst)
    }

    /// A constant vector.
    pub(super) fn vector(&mut self, ty: Type, bytes: [u8; 16]) -> Value {
        let constant = self.builder.func.dfg.constants.insert(ConstantData::from(&bytes[..]));
        self.ins().vconst(ty, constant)
    }
}

/// Lane by lane.
impl FuncTranslator<'_> {
    pub(super) fn unary_lanes(&mut self, ty: Type, opcode: Opcode) -> Translated {
        let x = self.pop_lanes(ty);
        let result = self.one(opcode, ty, x);
        self.push_lanes(result)
    }

    pub(super) fn binary_lanes(&mut self, ty: Type, opcode: Opcode) -> Translated {
        let (x, y) = self.pop2_lanes(ty);
        let result = self.two(opcode, ty, x, y);
        self.push_lanes(result)
    }

    /// The amount is a scalar; CLIF takes it modulo the width of a lane, as wasm does.
    pub(super) fn shift_lanes(&mut self, ty: Type, opcode: Opcode) -> Translated {
        let (x, amount) = self.pop2();
        let x = self.as_lanes(x, ty);
        let result = self.two(opcode, ty, x, amount);
        self.push_lanes(result)
    }

    pub(super) fn compare_lanes(&mut self, ty: Type, condition: IntCC) -> Translated {
        let (x, y) = self.pop2_lanes(ty);
        let mask = self.ins().icmp(condition, x, y);
        self.push_lanes(mask)
    }

    pub(super) fn compare_float_lanes(&mut self, ty: Type, condition: FloatCC) -> Translated {
        let (x, y) = self.pop2_lanes(ty);
        let mask = self.ins().fcmp(condition, x, y);
        self.push_lanes(mask)
    }

    /// `y < x ? y : x`, so that a NaN on either side, or zeros of any sign, give `x`.
    pub(super) fn pmin(&mut self, ty: Type) -> Translated {
        let (x, y) = self.pop2_lanes(ty);
        self.second_if_less(ty, (y, x), x, y)
    }

    /// `x < y ? y : x`.
    pub(super) fn pmax(&mut self, ty: Type) -> Translated {
        let (x, y) = self.pop2_lanes(ty);
        self.second_if_less(ty, (x, y), x, y)
    }

    /// `y` where the one is less than the other, `x` elsewhere. On x86_64 this form is one instruction.
    fn second_if_less(&mut self, ty: Type, (one, other): (Value, Value), x: Value, y: Value) -> Translated {
        let less = self.ins().fcmp(FloatCC::LessThan, one, other);
        let less = self.as_lanes(less, ty);
        let result = self.ins().bitselect(less, y, x);
        self.push_lanes(result)
    }
}

/// Bits, and conditions on whole vectors.
impl FuncTranslator<'_> {
    pub(super) fn and_not(&mut self) -> Translated {
        let (x, y) = self.pop2();
        let not = self.ins().bnot(y);
        let result = self.ins().band(x, not);
        self.push_lanes(result)
    }

    /// `x` where the mask, which comes last, says so; `y` elsewhere. In CLIF the mask comes first.
    pub(super) fn select_lanes(&mut self, ty: Type, opcode: Opcode) -> Translated {
        let (x, y, mask) = self.pop3_lanes(ty);
        let result = self.three(opcode, ty, mask, x, y);
        self.push_lanes(result)
    }

    /// Bit by bit; but a mask that comes from a comparison is known to select whole lanes.
    pub(super) fn select_bits(&mut self) -> Translated {
        let ty = self.made_as(self.peek());
        self.select_lanes(ty, Opcode::Bitselect)
    }

    /// Whether any bit is set, which is the same for lanes of any width.
    pub(super) fn any_true(&mut self) -> Translated {
        let ty = self.made_as(self.peek());
        self.test_lanes(ty, Opcode::VanyTrue)
    }

    /// The operand on top of the stack.
    fn peek(&self) -> Value {
        *self.stack.last().expect("a validated operator finds its operands")
    }

    pub(super) fn test_lanes(&mut self, ty: Type, opcode: Opcode) -> Translated {
        let x = self.pop_lanes(ty);
        let holds = self.one(opcode, ty, x);
        self.push_condition(holds)
    }

    pub(super) fn bitmask(&mut self, ty: Type) -> Translated {
        let x = self.pop_lanes(ty);
        let bits = self.ins().vhigh_bits(I32, x);
        self.push(bits);
        Ok(())
    }
}

/// Constants, and lanes that move.
impl FuncTranslator<'_> {
    pub(super) fn constant(&mut self, value: V128) -> Translated {
        let vector = self.vector(I8X16, *value.bytes());
        self.push_lanes(vector)
    }

    pub(super) fn shuffle(&mut self, lanes: [u8; 16]) -> Translated {
        let (x, y) = self.pop2();
        let mask = self.builder.func.dfg.immediates.push(ConstantData::from(&lanes[..]));
        let result = self.ins().shuffle(x, y, mask);
        self.push_lanes(result)
    }

    pub(super) fn splat(&mut self, ty: Type) -> Translated {
        let x = self.pop();
        let lane = self.as_lane(x, ty);
        let result = self.ins().splat(ty, lane);
        self.push_lanes(result)
    }

    /// A scalar of the operand stack as a lane of `ty`: narrow lanes are the low bits of an `i32`.
    fn as_lane(&mut self, scalar: Value, ty: Type) -> Value {
        let lane = ty.lane_type();
        if self.type_of(scalar) == lane { scalar } else { self.ins().ireduce(lane, scalar) }
    }

    pub(super) fn extract_lane(&mut self, ty: Type, lane: u8) -> Translated {
        let x = self.pop_lanes(ty);
        let scalar = self.ins().extractlane(x, lane);
        self.push(scalar);
        Ok(())
    }

    pub(super) fn extract_narrow_lane(&mut self, ty: Type, lane: u8, extend: Opcode) -> Translated {
        let x = self.pop_lanes(ty);
        let narrow = self.ins().extractlane(x, lane);
        let scalar = self.one(extend, I32, narrow);
        self.push(scalar);
        Ok(())
    }

    pub(super) fn replace_lane(&mut self, ty: Type, lane: u8) -> Translated {
        let (x, scalar) = self.pop2();
        let (x, scalar) = (self.as_lanes(x, ty), self.as_lane(scalar, ty));
        let result = self.ins().insertlane(x, scalar, lane);
        self.push_lanes(result)
    }
}

/// Lanes of one width to lanes of another.
impl FuncTranslator<'_> {
    /// A conversion that keeps the number of lanes.
    pub(super) fn convert_lanes(&mut self, from: Type, to: Type, opcode: Opcode) -> Translated {
        let x = self.pop_lanes(from);
        let result = self.one(opcode, to, x);
        self.push_lanes(result)
    }

    /// The two low integers as floats. Instruction selection knows the pair of instructions.
    pub(super) fn convert_low(&mut self, widen: Opcode, convert: Opcode) -> Translated {
        let x = self.pop_lanes(I32X4);
        let wide = self.one(widen, I32X4, x);
        let result = self.one(convert, F64X2, wide);
        self.push_lanes(result)
    }

    /// Two floats as 32-bit integers, saturated twice, with zeros above. x86_64 has this pair of instructions only
    /// together, and only with this zero.
    pub(super) fn convert_and_narrow(&mut self, convert: Opcode, narrow: Opcode) -> Translated {
        let x = self.pop_lanes(F64X2);
        let wide = self.one(convert, I64X2, x);
        let zero = self.vector(I64X2, [0; 16]);
        let result = self.two(narrow, I64X2, wide, zero);
        self.push_lanes(result)
    }

    /// The full products of one half of the lanes.
    pub(super) fn multiply_wide(&mut self, narrow: Type, widen: Opcode) -> Translated {
        let (x, y) = self.pop2_lanes(narrow);
        let product = self.wide_product(narrow, (widen, x), (widen, y));
        self.push_lanes(product)
    }

    /// The full products of one half of the lanes, each operand widened in its own way.
    fn wide_product(&mut self, narrow: Type, (widen_x, x): (Opcode, Value), (widen_y, y): (Opcode, Value)) -> Value {
        let wide_x = self.one(widen_x, narrow, x);
        let wide_y = self.one(widen_y, narrow, y);
        self.ins().imul(wide_x, wide_y)
    }

    /// The full products of all lanes: of the low half, and of the high half.
    pub(super) fn products(
        &mut self,
        narrow: Type,
        (as_x, x): (Widen, Value),
        (as_y, y): (Widen, Value),
    ) -> [Value; 2] {
        [
            self.wide_product(narrow, (as_x.low, x), (as_y.low, y)),
            self.wide_product(narrow, (as_x.high, x), (as_y.high, y)),
        ]
    }

    pub(super) fn add_pairs(&mut self, narrow: Type, widen: Widen) -> Translated {
        let x = self.pop_lanes(narrow);
        let sums = self.wide_pair_sums(narrow, widen, x);
        self.push_lanes(sums)
    }

    /// The sums of neighbours, in lanes of twice the width.
    pub(super) fn wide_pair_sums(&mut self, narrow: Type, widen: Widen, x: Value) -> Value {
        let low = self.one(widen.low, narrow, x);
        let high = self.one(widen.high, narrow, x);
        self.ins().iadd_pairwise(low, high)
    }

    /// The sums of neighbouring products.
    pub(super) fn dot(&mut self, narrow: Type) -> Translated {
        let (x, y) = self.pop2_lanes(narrow);
        let [low, high] = self.products(narrow, (Widen::SIGNED, x), (Widen::SIGNED, y));
        let sums = self.ins().iadd_pairwise(low, high);
        self.push_lanes(sums)
    }

    /// [`I16X8`] lanes with the same value in all of them.
    pub(super) fn same_i16_lanes(&mut self, value: i16) -> Value {
        let [low, high] = value.to_le_bytes();
        self.vector(I16X8, std::array::from_fn(|at| if at % 2 == 0 { low } else { high }))
    }
}
