//! What a reference is: `ref.test`, `ref.cast`, `br_on_cast`, `ref.eq`, and `i31`.
//!
//! The low two bits of a reference tell `i31` and what is the host's from objects; an object's header tells its type. A type
//! that has no subtypes is compared with it; of all others a type record knows the ancestors by their depth.

use super::{FuncTranslator, Translated};
use crate::parse::heap_type;
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData, Value, types};
use epsilon_abi::heap::{DISPLAY_LEN, HOST_TAG, I31_BIT, TypeKind, TypeRecord};
use epsilon_abi::vm::VmFuncRef;
use epsilon_abi::{HeapType, Libcall, RefType, TrapCode, TypeIndex};
use std::mem::{offset_of, size_of};
use wasmparser::AbstractHeapType;

/// What is known of a reference before it is looked at.
#[derive(Clone, Copy)]
struct Known {
    may_be_null: bool,
    /// Whether it is an object, unless it is null.
    is_object: bool,
    /// Whether it may be the host's.
    may_be_host: bool,
}

/// The bits of a reference that tell what it is to.
const TAG_BITS: i64 = (I31_BIT | HOST_TAG) as i64;

impl FuncTranslator<'_> {
    pub(super) fn ref_test_non_null(&mut self, heap: wasmparser::HeapType) -> Translated {
        self.ref_test(heap, false)
    }

    pub(super) fn ref_test_nullable(&mut self, heap: wasmparser::HeapType) -> Translated {
        self.ref_test(heap, true)
    }

    pub(super) fn ref_cast_non_null(&mut self, heap: wasmparser::HeapType) -> Translated {
        self.ref_cast(heap, false)
    }

    pub(super) fn ref_cast_nullable(&mut self, heap: wasmparser::HeapType) -> Translated {
        self.ref_cast(heap, true)
    }

    fn ref_test(&mut self, heap: wasmparser::HeapType, nullable: bool) -> Translated {
        let to = RefType { nullable, heap: heap_type(heap, self.env.info, self.offset)? };
        let known = self.known_of_top();
        let reference = self.pop();
        let result = if known.is_object && !known.may_be_null && is_of_objects(to.heap) {
            let is = self.object_is(reference, to.heap, None);
            self.ins().uextend(types::I32, is)
        } else {
            let [yes, no, next] = std::array::from_fn(|_| self.builder.create_block());
            let result = self.builder.append_block_param(next, types::I32);
            self.branch_on_type(reference, to, known, yes, no);
            for (block, is) in [(yes, 1), (no, 0)] {
                self.builder.seal_block(block);
                self.switch_to(block);
                let is = self.ins().iconst(types::I32, is);
                self.ins().jump(next, &[is.into()]);
            }
            self.builder.seal_block(next);
            self.switch_to(next);
            result
        };
        self.push(result);
        Ok(())
    }

    fn ref_cast(&mut self, heap: wasmparser::HeapType, nullable: bool) -> Translated {
        let to = RefType { nullable, heap: heap_type(heap, self.env.info, self.offset)? };
        let known = self.known_of_top();
        let reference = self.pop();
        let trap = clif_trap(TrapCode::CastFailure);
        if known.is_object && is_of_objects(to.heap) && (!nullable || !known.may_be_null) {
            // Null has no header to read.
            let is = self.object_is(reference, to.heap, known.may_be_null.then_some(TrapCode::CastFailure));
            self.ins().trapz(is, trap);
        } else {
            let (yes, no) = (self.builder.create_block(), self.builder.create_block());
            self.builder.set_cold_block(no);
            self.branch_on_type(reference, to, known, yes, no);
            self.builder.seal_block(no);
            self.switch_to(no);
            self.ins().trap(trap);
            self.builder.seal_block(yes);
            self.switch_to(yes);
        }
        self.push(reference);
        Ok(())
    }

    pub(super) fn br_on_cast(&mut self, depth: u32, from: wasmparser::RefType, to: wasmparser::RefType) -> Translated {
        self.branch_on_cast(depth, from, to, true)
    }

    pub(super) fn br_on_cast_fail(
        &mut self,
        depth: u32,
        from: wasmparser::RefType,
        to: wasmparser::RefType,
    ) -> Translated {
        self.branch_on_cast(depth, from, to, false)
    }

    /// Branches with the reference if it is of the type, or if it is not; else goes on with it.
    fn branch_on_cast(
        &mut self,
        depth: u32,
        from: wasmparser::RefType,
        to: wasmparser::RefType,
        if_is: bool,
    ) -> Translated {
        let known = self.known_of_top().and(Known::of(Some(from)));
        let heap = heap_type(to.heap_type(), self.env.info, self.offset)?;
        let to = RefType { nullable: to.is_nullable(), heap };
        let reference = *self.stack.last().expect("a validated operator finds its operand");
        let (taken, next) = (self.builder.create_block(), self.builder.create_block());
        let (yes, no) = if if_is { (taken, next) } else { (next, taken) };
        self.branch_on_type(reference, to, known, yes, no);
        self.builder.seal_block(taken);
        self.switch_to(taken);
        self.jump_to_label(depth)?;
        self.builder.seal_block(next);
        self.switch_to(next);
        Ok(())
    }

    pub(super) fn ref_eq(&mut self) -> Translated {
        let (a, b) = self.pop2();
        let same = self.ins().icmp(IntCC::Equal, a, b);
        let same = self.ins().uextend(types::I32, same);
        self.push(same);
        Ok(())
    }

    pub(super) fn ref_i31(&mut self) -> Translated {
        let value = self.pop();
        let shifted = self.ins().ishl_imm_u(value, 1);
        let reference = self.ins().bor_imm_u(shifted, i64::from(I31_BIT));
        self.push(reference);
        Ok(())
    }

    pub(super) fn i31_get_s(&mut self) -> Translated {
        let reference = self.checked_i31();
        let value = self.ins().sshr_imm_u(reference, 1);
        self.push(value);
        Ok(())
    }

    pub(super) fn i31_get_u(&mut self) -> Translated {
        let reference = self.checked_i31();
        let value = self.ins().ushr_imm_u(reference, 1);
        self.push(value);
        Ok(())
    }

    fn checked_i31(&mut self) -> Value {
        let known = self.known_of_top();
        let reference = self.pop();
        if known.may_be_null {
            self.ins().trapz(reference, clif_trap(TrapCode::NullI31));
        }
        reference
    }

    fn known_of_top(&self) -> Known {
        Known::of(self.reference_types[0])
    }

    /// Ends the block: goes to `yes` if a reference is of a type, else to `no`.
    fn branch_on_type(&mut self, reference: Value, to: RefType, known: Known, yes: Block, no: Block) {
        if known.may_be_null {
            let null = if to.nullable { yes } else { no };
            if matches!(to.heap, HeapType::Any | HeapType::Extern | HeapType::Func | HeapType::Exn) {
                self.ins().brif(reference, yes, &[], null, &[]);
                return self.end_block();
            }
            let next = self.builder.create_block();
            self.ins().brif(reference, next, &[], null, &[]);
            self.builder.seal_block(next);
            self.switch_to_only_successor(next);
        }
        let is = match to.heap {
            HeapType::Any | HeapType::Extern | HeapType::Func | HeapType::Exn => {
                self.ins().jump(yes, &[]);
                return self.end_block();
            }
            HeapType::None | HeapType::NoFunc | HeapType::NoExtern | HeapType::NoExn => {
                self.ins().jump(no, &[]);
                return self.end_block();
            }
            HeapType::Eq if known.may_be_host => {
                let tag = self.ins().band_imm_u(reference, TAG_BITS);
                self.ins().icmp_imm_u(IntCC::NotEqual, tag, i64::from(HOST_TAG))
            }
            HeapType::Eq => {
                self.ins().jump(yes, &[]);
                return self.end_block();
            }
            HeapType::I31 => self.ins().band_imm_u(reference, i64::from(I31_BIT)),
            HeapType::ConcreteFunc(ty) => self.function_is(reference, ty),
            HeapType::Struct | HeapType::Array | HeapType::ConcreteStruct(_) | HeapType::ConcreteArray(_) => {
                if !known.is_object {
                    let tag = self.ins().band_imm_u(reference, TAG_BITS);
                    let next = self.builder.create_block();
                    self.ins().brif(tag, no, &[], next, &[]);
                    self.builder.seal_block(next);
                    self.switch_to_only_successor(next);
                }
                self.object_is(reference, to.heap, None)
            }
        };
        self.ins().brif(is, yes, &[], no, &[]);
        self.end_block();
    }

    /// Whether an object is of a type of objects. `null` is the trap that null is, where it may be null.
    fn object_is(&mut self, object: Value, heap: HeapType, null: Option<TrapCode>) -> Value {
        let (ty, kind) = TypeKind::of_objects(heap).expect("a type of objects");
        if !self.env.info.has_object_types {
            // There may be no heap to look into. The runtime says of null that it is not an object.
            let described = self.libcall_with_result(Libcall::GcDescribe, &[object]);
            let found = self.ins().ireduce(types::I32, described);
            return self.ins().icmp_imm_u(IntCC::Equal, found, kind as i64);
        }
        let header = self.header(object, null);
        let Some(ty) = ty else {
            let found = self.record_word(header, offset_of!(TypeRecord, kind));
            return self.ins().icmp_imm_u(IntCC::Equal, found, kind as i64);
        };
        let wanted = self.type_word(ty);
        if self.env.info.types[ty.index()].is_final {
            return self.ins().icmp(IntCC::Equal, header, wanted);
        }
        let depth = self.env.info.type_depth(ty);
        if depth < DISPLAY_LEN {
            let place = offset_of!(TypeRecord, display) + depth * size_of::<u32>();
            let ancestor = self.record_word(header, place);
            return self.ins().icmp(IntCC::Equal, ancestor, wanted);
        }
        let record = self.record_of(header);
        let is = self.libcall_with_result(Libcall::GcIsSubtype, &[record, wanted]);
        self.ins().ireduce(types::I8, is)
    }

    /// Whether a function that is not null is of a type.
    fn function_is(&mut self, function: Value, ty: TypeIndex) -> Value {
        let place = offset_of!(VmFuncRef, signature) as i32;
        let signature = self.ins().load(types::I32, MemFlagsData::trusted(), function, place);
        let wanted = self.type_word(ty);
        let same = self.ins().icmp(IntCC::Equal, signature, wanted);
        if self.env.info.types[ty.index()].is_final {
            return same;
        }
        let (other, next) = (self.builder.create_block(), self.builder.create_block());
        let is = self.builder.append_block_param(next, types::I8);
        self.ins().brif(same, next, &[same.into()], other, &[]);
        self.builder.seal_block(other);
        self.switch_to(other);
        let found = self.libcall_with_result(Libcall::IsSubtype, &[signature, wanted]);
        let found = self.ins().ireduce(types::I8, found);
        self.ins().jump(next, &[found.into()]);
        self.builder.seal_block(next);
        self.switch_to(next);
        is
    }
}

/// Whether all values of a type are objects, but for null.
const fn is_of_objects(heap: HeapType) -> bool {
    matches!(heap, HeapType::Struct | HeapType::Array | HeapType::ConcreteStruct(_) | HeapType::ConcreteArray(_))
}

impl Known {
    /// What the type says that validation has found; nothing if it has found none.
    fn of(ty: Option<wasmparser::RefType>) -> Self {
        let Some(ty) = ty else { return Self { may_be_null: true, is_object: false, may_be_host: true } };
        let (is_object, may_be_host) = match ty.heap_type() {
            wasmparser::HeapType::Abstract { ty, .. } => match ty {
                AbstractHeapType::Struct | AbstractHeapType::Array => (true, false),
                AbstractHeapType::Eq | AbstractHeapType::I31 => (false, false),
                _ => (false, true),
            },
            // Of functions it does not matter.
            _ => (true, false),
        };
        Self { may_be_null: ty.is_nullable(), is_object, may_be_host }
    }

    /// What both say.
    const fn and(self, other: Self) -> Self {
        Self {
            may_be_null: self.may_be_null && other.may_be_null,
            is_object: self.is_object || other.is_object,
            may_be_host: self.may_be_host && other.may_be_host,
        }
    }
}
