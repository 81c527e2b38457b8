//! What a reference is: `ref.test`, `ref.cast`, `br_on_cast`, and `i31`.
//!
//! The low two bits of a reference tell `i31` and what is the host's from objects; an object's header tells its type. A type
//! that has no subtypes is compared with it; of all others a type record knows the ancestors by their depth.

use super::Ty;
use super::machine::{Cond, Label, Reg, SCRATCH, Shift};
use super::memory::Load;
use super::operand::{Held, Place};
use super::rare::Arg;
use super::reader::{CastBranch, HeapCode};
use super::table::word;
use super::translator::{ColdKind, Translator};
use epsilon_abi::heap::{self, DISPLAY_LEN, HOST_TAG, I31_BIT, TypeKind, TypeRecord, VmHeap};
use epsilon_abi::vm::VmFuncRef;
use epsilon_abi::{HeapType, Libcall, RefType, TrapCode, TypeIndex};
use std::mem::{offset_of, size_of};

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
const TAG_BITS: u32 = I31_BIT | HOST_TAG;

/// Nothing, as the reader of a body has it: this tier keeps no types of references.
const UNKNOWN: Known = Known { may_be_null: true, is_object: false, may_be_host: true };

impl Known {
    const fn of(ty: RefType) -> Self {
        let (is_object, may_be_host) = match ty.heap {
            HeapType::Struct | HeapType::Array | HeapType::ConcreteStruct(_) | HeapType::ConcreteArray(_) => {
                (true, false)
            }
            HeapType::Eq | HeapType::I31 => (false, false),
            _ => (false, true),
        };
        Self { may_be_null: ty.nullable, is_object, may_be_host }
    }
}

/// Where a test goes that finds what it looks for, and where else. The former is where it ends.
#[derive(Clone, Copy)]
struct Ways {
    yes: Label,
    no: Label,
    /// The trap that stands at `no`, if one does: then an access through null may raise it at once.
    trap: Option<TrapCode>,
}

impl Translator<'_> {
    pub fn ref_test(&mut self, nullable: bool, heap: HeapCode) {
        let to = RefType { nullable, heap: self.heap_type(heap) };
        let held = self.top_in_register();
        let (yes, no, done) = (self.asm.new_label(), self.asm.new_label(), self.asm.new_label());
        let result = self.allocate(false);
        self.test_type(held.reg, to, UNKNOWN, Ways { yes, no, trap: None });
        self.asm.bind(yes);
        self.const_to(Ty::I32, result, 1);
        self.asm.jmp(done);
        self.asm.bind(no);
        self.const_to(Ty::I32, result, 0);
        self.asm.bind(done);
        self.done(held);
        self.drop_top();
        self.push_reg(result, Ty::I32);
    }

    pub fn ref_cast(&mut self, nullable: bool, heap: HeapCode) {
        let to = RefType { nullable, heap: self.heap_type(heap) };
        let held = self.top_in_register();
        let trap = TrapCode::CastFailure;
        let no = self.cold(ColdKind::Trap(trap));
        let yes = self.asm.new_label();
        self.test_type(held.reg, to, UNKNOWN, Ways { yes, no, trap: Some(trap) });
        self.asm.bind(yes);
        self.done(held);
    }

    /// Branches with the reference if it is of the type, or if it is not; else goes on with it.
    pub fn br_on_cast(&mut self, if_is: bool, cast: CastBranch) {
        let [from, to] = [cast.from, cast.to].map(|(nullable, heap)| RefType { nullable, heap: self.heap_type(heap) });
        let target = self.target(cast.depth);
        // What the branch passes is in its place on both ways, but for what lies where operands are.
        let moves = self.prepare_branch(target);
        let held = self.top_in_register();
        let next = self.asm.new_label();
        let (yes, no) = (self.asm.new_label(), self.asm.new_label());
        let known = Known::of(from);
        match (if_is, moves) {
            (true, _) => {
                self.test_type(held.reg, to, known, Ways { yes, no: next, trap: None });
                self.asm.bind(yes);
                self.finish_branch(target);
            }
            (false, false) => {
                let no = target.label;
                self.test_type(held.reg, to, known, Ways { yes: next, no, trap: None });
            }
            (false, true) => {
                self.test_type(held.reg, to, known, Ways { yes: next, no, trap: None });
                self.asm.jmp(next);
                self.asm.bind(no);
                self.finish_branch(target);
            }
        }
        self.asm.bind(next);
        self.done(held);
    }

    /// The topmost operand in a register, to be read from only; it stays on the stack. What is owned beside it, if it is in its
    /// slot, is a register for as long as the operator takes.
    fn top_in_register(&mut self) -> Held {
        let operand = self.stack[self.stack.len() - 1];
        let held = match operand.place {
            Place::Reg(reg) => Held { reg, owned: false },
            _ => self.read(operand),
        };
        self.registers.locked |= held.reg.bit();
        held
    }

    /// Goes to `no` if a reference is not of a type. Else goes to `yes`, or to the end of what is laid here. What operands are in
    /// is the same on all ways.
    fn test_type(&mut self, reference: Reg, to: RefType, known: Known, ways: Ways) {
        // Before anything branches.
        let spare = self.allocate(false);
        self.test_reference(reference, to, known, ways, spare);
        self.registers.release(spare);
    }

    fn test_reference(&mut self, reference: Reg, to: RefType, known: Known, ways: Ways, spare: Reg) {
        let is_function = matches!(to.heap, HeapType::Func | HeapType::NoFunc | HeapType::ConcreteFunc(_));
        let is_object = matches!(
            to.heap,
            HeapType::Struct | HeapType::Array | HeapType::ConcreteStruct(_) | HeapType::ConcreteArray(_)
        );
        let null_faults = is_object && !to.nullable && ways.trap.is_some() && self.env.info.has_object_types;
        if known.may_be_null && !null_faults {
            self.test_zero(reference, is_function);
            self.asm.jcc(Cond::Equal, if to.nullable { ways.yes } else { ways.no });
        }
        let holds = match to.heap {
            HeapType::Any | HeapType::Extern | HeapType::Func | HeapType::Exn => return,
            HeapType::None | HeapType::NoFunc | HeapType::NoExtern | HeapType::NoExn => return self.asm.jmp(ways.no),
            HeapType::Eq if known.may_be_host => {
                self.low_bits(spare, reference, TAG_BITS);
                self.compare_const(spare, HOST_TAG);
                Cond::NotEqual
            }
            HeapType::Eq => return,
            HeapType::I31 => {
                self.test_bits(reference, I31_BIT);
                Cond::NotEqual
            }
            HeapType::ConcreteFunc(ty) => {
                self.compare_function(reference, ty, spare);
                Cond::Equal
            }
            _ => {
                if !known.is_object {
                    self.test_bits(reference, TAG_BITS);
                    self.asm.jcc(Cond::NotEqual, ways.no);
                }
                self.compare_object(reference, to.heap, ways.trap.filter(|_| null_faults), spare);
                Cond::Equal
            }
        };
        self.asm.jcc(holds.opposite(), ways.no);
    }

    /// "Equal" tells whether an object is of a type of objects. `null` is the trap that null is, where it may be null.
    fn compare_object(&mut self, object: Reg, heap: HeapType, null: Option<TrapCode>, spare: Reg) {
        let (ty, kind) = TypeKind::of_objects(heap).expect("a type of objects");
        if !self.env.info.has_object_types {
            // There may be no heap to look into. The runtime says of null that it is not an object.
            let back = self.asm.new_label();
            let describe = self.rare_call(Libcall::GcDescribe, &[Arg::Reg(object)], (spare, Ty::I64), None, back);
            self.asm.jmp(describe);
            self.asm.bind(back);
            self.zero_extend(spare);
            return self.compare_const(spare, kind as u32);
        }
        let object = self.in_region(object, spare);
        self.load_heap_base();
        if let Some(ty) = ty
            && self.env.info.types[ty.index()].is_final
        {
            self.load_from(Load::Whole32, Ty::I32, SCRATCH, SCRATCH, object, 0, null);
            return self.compare_signature(ty);
        }
        self.load_from(Load::Whole32, Ty::I32, spare, SCRATCH, object, 0, null);
        // Whatever the header is, it leads to a record.
        self.low_bits(spare, spare, heap::RECORD_MASK);
        let depth = ty.map_or(0, |ty| self.env.info.type_depth(ty));
        if let Some(ty) = ty.filter(|_| depth >= DISPLAY_LEN) {
            self.mov(Ty::I32, SCRATCH, spare);
            return self.compare_or_ask(Libcall::GcIsSubtype, ty, spare);
        }
        let place = match ty {
            Some(_) => offset_of!(TypeRecord, display) + depth * size_of::<u32>(),
            None => offset_of!(TypeRecord, kind),
        };
        self.load_heap();
        self.load_at(Ty::I64, SCRATCH, SCRATCH, word(offset_of!(VmHeap, records)));
        self.load_from(Load::Whole32, Ty::I32, SCRATCH, SCRATCH, spare, word(place), None);
        match ty {
            Some(ty) => self.compare_signature(ty),
            None => self.compare_const(SCRATCH, kind as u32),
        }
    }

    /// "Equal" tells whether a function that is not null is of a type.
    fn compare_function(&mut self, function: Reg, ty: TypeIndex, spare: Reg) {
        self.load_at(Ty::I32, SCRATCH, function, word(offset_of!(VmFuncRef, signature)));
        if self.env.info.types[ty.index()].is_final {
            return self.compare_signature(ty);
        }
        self.mov(Ty::I32, spare, SCRATCH);
        self.compare_or_ask(Libcall::IsSubtype, ty, spare);
    }

    /// "Equal" tells whether what is in the scratch register and in another one is a type or one of its subtypes: if it is not
    /// the very same, the runtime knows.
    fn compare_or_ask(&mut self, libcall: Libcall, ty: TypeIndex, found: Reg) {
        let back = self.asm.new_label();
        let args = [Arg::Reg(found), Arg::Word(self.env.layout.signature(ty))];
        let ask = self.rare_call(libcall, &args, (found, Ty::I32), None, back);
        self.compare_signature(ty);
        self.asm.jcc(Cond::NotEqual, ask);
        self.const_to(Ty::I32, found, 1);
        self.asm.bind(back);
        self.compare_const(found, 1);
    }

    pub fn ref_i31(&mut self) {
        self.i32_const(1);
        self.shift(Ty::I32, Shift::Left);
        self.i32_const(I31_BIT as i32);
        self.alu(Ty::I32, super::machine::Alu::Or);
        let operand = self.pop();
        self.push(operand.place, Ty::Ref);
    }

    pub fn i31_get(&mut self, shift: Shift) {
        let reference = self.pop();
        let reg = self.own(reference);
        self.test_zero(reg, false);
        self.trap_if(Cond::Equal, TrapCode::NullI31);
        self.push_reg(reg, Ty::I32);
        self.i32_const(1);
        self.shift(Ty::I32, shift);
    }
}
