//! Addresses of elements of tables, and of the code that references lead to.

use super::super::Ty;
use super::super::table::word;
use super::super::translator::Translator;
use super::asm::{Cond, R11, Reg, Rm};
use super::ops::*;
use super::{ANCHOR, CALLEE, SCRATCH};
use epsilon_abi::vm::{KNOWN_REFERENCES, VmFuncRef, VmKnownReference, VmTable, VmTableRef};
use epsilon_abi::{TableIndex, TrapCode, TypeIndex};
use std::mem::{offset_of, size_of};

impl Translator<'_> {
    /// The address of the code of a popped reference, in its register: direct if the function is of this instance, else
    /// switching. Nothing is mapped around null, so that the first load is the null check.
    pub fn reference_callee(&mut self) {
        let reference = self.pop();
        self.read_into(reference, SCRATCH);
        self.claim(CALLEE);
        self.trap_site(TrapCode::NullReference);
        self.load_at(Ty::I64, CALLEE, SCRATCH, word(offset_of!(VmFuncRef, switching_code)));
        self.asm.rm(CMP, true, ANCHOR, Rm::Base(SCRATCH, word(offset_of!(VmFuncRef, anchor))));
        let direct = Rm::Base(SCRATCH, word(offset_of!(VmFuncRef, direct_code)));
        self.asm.rm(CMOV.on(Cond::Equal), true, CALLEE, direct);
    }

    /// Puts the address of an element into a register, checked, and null on a wrongly predicted path. The index is in
    /// `index`, the scratch register is overwritten.
    pub fn element_address(&mut self, table: TableIndex, index: Reg, to: Reg, bytes: usize, trap: TrapCode) {
        debug_assert_ne!(index, to);
        let log2 = bytes.trailing_zeros() as u8;
        let is_fixed = self.env.info.table_is_fixed(table);
        self.mov(Ty::I64, to, index);
        self.asm.ext_imm8(SHIFT_IMM, true, 4, Rm::Reg(to), log2);
        if is_fixed {
            let base = self.table_word(table, offset_of!(VmTableRef, base));
            self.asm.rm(ADD, true, to, Rm::Base(ANCHOR, base));
        } else {
            let def = self.table_word(table, offset_of!(VmTableRef, def));
            self.load_at(Ty::I64, R11, ANCHOR, def);
            self.asm.rm(ADD, true, to, Rm::Base(R11, word(offset_of!(VmTable, base))));
        }
        let len = self.env.info.tables[table.index()].limits.min;
        match i32::try_from(len) {
            Ok(len) if is_fixed => self.asm.arith_imm(true, 7, Rm::Reg(index), len),
            _ if is_fixed => {
                self.asm.mov_imm(SCRATCH, len);
                self.asm.rr(CMP, true, index, SCRATCH);
            }
            _ => self.asm.rm(CMP, true, index, Rm::Base(R11, word(offset_of!(VmTable, len_elements)))),
        }
        self.trap_if(Cond::AboveOrEqual, trap);
        self.asm.mov_imm(SCRATCH, 0);
        self.asm.rr(CMOV.on(Cond::AboveOrEqual), true, to, SCRATCH);
    }

    /// Takes a reference from the list in the scratch register, which is overwritten: "equal" tells whether it is that of the
    /// function with the number in `entry`.
    pub fn known_place(&mut self, to: Reg, entry: Reg) {
        const { assert!(KNOWN_REFERENCES.is_power_of_two()) };
        self.mov(Ty::I64, to, entry);
        self.asm.arith_imm(false, 4, Rm::Reg(to), KNOWN_REFERENCES as i32 - 1);
        self.asm.ext_imm8(SHIFT_IMM, true, 4, Rm::Reg(to), size_of::<VmKnownReference>().trailing_zeros() as u8);
        self.asm.rr(ADD, true, SCRATCH, to);
        self.load_at(Ty::I64, to, SCRATCH, word(offset_of!(VmKnownReference, reference)));
        self.asm.rm(CMP, true, entry, Rm::Base(SCRATCH, word(offset_of!(VmKnownReference, entry))));
    }

    /// Compares the signature in the scratch register with that of a type.
    pub fn compare_signature(&mut self, ty: TypeIndex) {
        self.asm.rm(CMP, false, SCRATCH, Rm::Base(ANCHOR, self.env.layout.signature(ty)));
    }
}
