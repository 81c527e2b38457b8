//! Tables, references and globals, and what is called through them. Elements of function tables are rows that only the
//! runtime writes, and of which it makes references; elements of all other tables are 4 bytes, read and written here.

use super::Ty;
use super::call::Callee;
use super::machine::{ANCHOR, CALLEE, Cold, Cond, INT_ARGS, RESULT, Reg, SCRATCH};
use super::operand::{Held, Operand, Place};
use super::reader::HeapCode;
use super::translator::{ColdKind, Translator};
use epsilon_abi::layout::GlobalPlace;
use epsilon_abi::vm::{VmContext, VmFuncRow, VmStoreHead, VmTable, VmTableRef};
use epsilon_abi::{GlobalIndex, Libcall, RefRepr, TableIndex, TrapCode, TypeIndex};
use std::mem::{offset_of, size_of};

pub(in crate::quick) const fn word(offset: usize) -> i32 {
    offset as i32
}

/// Globals.
impl Translator<'_> {
    /// The place of a global, whose address may be put into the scratch register.
    fn global_place(&mut self, global: GlobalIndex) -> (Reg, i32) {
        match self.env.layout.global(global) {
            GlobalPlace::Inline(at) => (ANCHOR, at),
            GlobalPlace::Pointer(at) => {
                self.load_at(Ty::I64, SCRATCH, ANCHOR, at);
                (SCRATCH, 0)
            }
        }
    }

    fn global_type(&self, global: GlobalIndex) -> Ty {
        Ty::of(self.env.info.globals[global.index()].value)
    }

    pub fn global_get(&mut self, global: u32) {
        let ty = self.global_type(GlobalIndex(global));
        let to = self.destination(ty.is_float());
        let (base, at) = self.global_place(GlobalIndex(global));
        self.load_at(ty, to, base, at);
        self.push_reg(to, ty);
    }

    pub fn global_set(&mut self, global: u32) {
        let ty = self.global_type(GlobalIndex(global));
        let value = self.pop();
        let held = self.read(value);
        let (base, at) = self.global_place(GlobalIndex(global));
        self.store_at(ty, held.reg, base, at);
        self.done(held);
    }
}

/// References.
impl Translator<'_> {
    pub fn ref_null(&mut self, heap: HeapCode) {
        self.push(Place::Const(0), self.reference_type(heap));
    }

    pub fn ref_is_null(&mut self) {
        self.is_zero();
    }

    pub fn ref_as_non_null(&mut self) {
        let reference = self.pop();
        let reg = self.own(reference);
        self.test_zero(reg, reference.ty.is_wide());
        self.trap_if(Cond::Equal, TrapCode::NullReference);
        self.push_reg(reg, reference.ty);
    }

    pub fn ref_func(&mut self, func: u32) {
        self.libcall(Libcall::RefFunc, &[u64::from(func)], 0, Some(Ty::I64));
    }
}

/// Tables.
impl Translator<'_> {
    pub fn table_word(&self, table: TableIndex, field: usize) -> i32 {
        self.env.layout.table(table) + word(field)
    }

    /// The address of the code that a popped index leads to, in [`CALLEE`], after bounds and signature are checked.
    pub fn table_callee(&mut self, ty: TypeIndex, table: u32) {
        let index = self.pop();
        let index = self.out_of_callee(index);
        self.element_address(TableIndex(table), index.reg, CALLEE, size_of::<VmFuncRow>(), TrapCode::UndefinedElement);
        self.done(index);
        self.load_at(Ty::I32, SCRATCH, CALLEE, word(offset_of!(VmFuncRow, signature)));
        self.compare_signature(ty);
        if self.env.info.types[ty.index()].is_final {
            let wrong = self.cold(ColdKind::Machine(Cold::WrongSignature));
            self.asm.jcc(Cond::NotEqual, wrong);
        } else {
            self.check_subtype(ty);
        }
        self.load_at(Ty::I64, CALLEE, CALLEE, word(offset_of!(VmFuncRow, code)));
    }

    /// A register for an index, which is not the callee's; that one is taken.
    fn out_of_callee(&mut self, index: Operand) -> Held {
        let held = self.read(index);
        self.registers.locked |= held.reg.bit();
        if held.reg != CALLEE {
            self.claim(CALLEE);
            return held;
        }
        let other = self.allocate(false);
        self.mov(index.ty, other, CALLEE);
        self.evict(CALLEE);
        self.registers.take(CALLEE);
        Held { reg: other, owned: true }
    }

    /// Asks the runtime where the signature in the scratch register is another one than that of a type.
    fn check_subtype(&mut self, ty: TypeIndex) {
        let same = self.asm.new_label();
        // What the call would destroy goes to its slot on both ways.
        self.spill_registers(self.stack.len());
        self.forget_copies();
        self.asm.jcc(Cond::Equal, same);
        self.test_zero(SCRATCH, false);
        self.trap_if(Cond::Equal, TrapCode::IndirectCallToNull);
        self.mov(Ty::I32, INT_ARGS[1], SCRATCH);
        self.load_at(Ty::I32, INT_ARGS[2], ANCHOR, self.env.layout.signature(ty));
        self.mov(Ty::I64, INT_ARGS[0], ANCHOR);
        self.push_area(16);
        self.store_arg(Ty::I64, CALLEE, 0);
        self.emit_call_instruction(Callee::Libcall(Libcall::IsSubtype as usize));
        self.load_area(Ty::I64, CALLEE, 0);
        self.pop_area(16);
        self.reload_pins();
        self.test_zero(RESULT, false);
        self.trap_if(Cond::Equal, TrapCode::BadSignature);
        self.asm.bind(same);
    }

    fn table_repr(&self, table: u32) -> RefRepr {
        self.env.info.tables[table as usize].element.repr()
    }

    /// The address of an element of 4 bytes in a register of its own.
    fn index_element(&mut self, table: u32, index: Operand) -> Reg {
        let held = self.read(index);
        self.registers.locked |= held.reg.bit();
        let to = self.allocate(false);
        self.element_address(TableIndex(table), held.reg, to, size_of::<u32>(), TrapCode::TableOutOfBounds);
        self.done(held);
        to
    }

    pub fn table_get(&mut self, table: u32) {
        match self.table_repr(table) {
            RefRepr::Func => self.known_reference(table),
            RefRepr::Index => {
                let index = self.pop();
                let reg = self.index_element(table, index);
                let ty = Ty::of_ref(self.env.info.tables[table as usize].element);
                self.load_at(ty, reg, reg, 0);
                self.push_reg(reg, ty);
            }
        }
    }

    /// The reference to the function in a row: the store's list of references has it, or the runtime.
    fn known_reference(&mut self, table: u32) {
        // What the call would destroy goes to its slot on both ways.
        self.spill_registers(self.stack.len() - 1);
        let index = self.pop();
        let index = self.read(index);
        self.registers.locked |= index.reg.bit();
        self.forget_copies();
        let (entry, to) = (self.allocate(false), self.allocate(false));
        self.element_address(TableIndex(table), index.reg, entry, size_of::<VmFuncRow>(), TrapCode::TableOutOfBounds);
        self.load_at(Ty::I32, entry, entry, word(offset_of!(VmFuncRow, entry)));
        self.load_at(Ty::I64, SCRATCH, ANCHOR, VmContext::from_anchor(offset_of!(VmContext, store)));
        self.load_at(Ty::I64, SCRATCH, SCRATCH, word(offset_of!(VmStoreHead, known_references)));
        self.known_place(to, entry);
        let known = self.asm.new_label();
        self.asm.jcc(Cond::Equal, known);
        self.mov(Ty::I64, INT_ARGS[2], index.reg);
        self.const_to(Ty::I64, INT_ARGS[1], u64::from(table));
        self.mov(Ty::I64, INT_ARGS[0], ANCHOR);
        self.emit_call_instruction(Callee::Libcall(Libcall::TableGetFunc as usize));
        self.reload_pins();
        self.mov(Ty::I64, to, RESULT);
        self.asm.bind(known);
        self.done(index);
        self.registers.release(entry);
        self.push_reg(to, Ty::I64);
    }

    pub fn table_set(&mut self, table: u32) {
        match self.table_repr(table) {
            RefRepr::Func => self.libcall(Libcall::TableSetFunc, &[u64::from(table)], 2, None),
            RefRepr::Index => {
                let (value, index) = (self.pop(), self.pop());
                let value = self.read(value);
                let at = self.index_element(table, index);
                self.store_at(Ty::I32, value.reg, at, 0);
                self.registers.release(at);
                self.done(value);
            }
        }
    }

    pub fn table_size(&mut self, table: u32) {
        let (info, table) = (self.env.info, TableIndex(table));
        let ty = Ty::of_index(info.tables[table.index()].is_64);
        if info.table_is_fixed(table) {
            return self.push(Place::Const(info.tables[table.index()].limits.min), ty);
        }
        let to = self.allocate(false);
        let def = self.table_word(table, offset_of!(VmTableRef, def));
        self.load_at(Ty::I64, to, ANCHOR, def);
        self.load_at(ty, to, to, word(offset_of!(VmTable, len_elements)));
        self.push_reg(to, ty);
    }

    /// The runtime takes the length first, wasm the reference.
    pub fn table_grow(&mut self, table: u32) {
        let ty = Ty::of_index(self.env.info.tables[table as usize].is_64);
        let (delta, init) = (self.pop(), self.pop());
        let (delta, init) = (self.own_operand(delta), self.own_operand(init));
        self.push_reg(delta.0, delta.1);
        self.push_reg(init.0, init.1);
        self.libcall(Libcall::TableGrow, &[u64::from(table)], 2, Some(ty));
    }

    fn own_operand(&mut self, operand: Operand) -> (Reg, Ty) {
        (self.own(operand), operand.ty)
    }

    pub fn table_fill(&mut self, table: u32) {
        self.libcall(Libcall::TableFill, &[u64::from(table)], 3, None);
    }

    pub fn table_copy(&mut self, dst: u32, src: u32) {
        self.libcall(Libcall::TableCopy, &[u64::from(dst), u64::from(src)], 3, None);
    }

    pub fn table_init(&mut self, segment: u32, table: u32) {
        self.libcall(Libcall::TableInit, &[u64::from(table), u64::from(segment)], 3, None);
    }

    pub fn elem_drop(&mut self, segment: u32) {
        self.libcall(Libcall::ElemDrop, &[u64::from(segment)], 0, None);
    }
}
