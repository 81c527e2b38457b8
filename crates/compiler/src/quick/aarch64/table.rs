//! Addresses of elements of tables, and of the code that references lead to.

use super::super::Ty;
use super::super::table::word;
use super::super::translator::Translator;
use super::asm::{Cond, Reg, ZERO};
use super::ops::*;
use super::{ANCHOR, CALLEE, FAR, SCRATCH};
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
        self.load_at(Ty::I64, FAR, SCRATCH, word(offset_of!(VmFuncRef, anchor)));
        self.load_at(Ty::I64, SCRATCH, SCRATCH, word(offset_of!(VmFuncRef, direct_code)));
        self.asm.rrr(SUBS.wide(true), ZERO, FAR, ANCHOR);
        self.asm.rrr(CSEL.wide(true).on(Cond::Equal), CALLEE, SCRATCH, CALLEE);
    }

    /// Puts the address of an element into a register, checked, and null on a wrongly predicted path. The index is in
    /// `index`, the scratch register is overwritten.
    pub fn element_address(&mut self, table: TableIndex, index: Reg, to: Reg, bytes: usize, trap: TrapCode) {
        debug_assert_ne!(index, to);
        let log2 = bytes.trailing_zeros();
        let limits = self.env.info.tables[table.index()].limits;
        if self.env.info.table_is_fixed(table) {
            let base = self.table_word(table, offset_of!(VmTableRef, base));
            self.load_at(Ty::I64, SCRATCH, ANCHOR, base);
            self.asm.mov_imm(FAR, limits.min);
        } else {
            let def = self.table_word(table, offset_of!(VmTableRef, def));
            self.load_at(Ty::I64, SCRATCH, ANCHOR, def);
            self.load_at(Ty::I64, FAR, SCRATCH, word(offset_of!(VmTable, len_elements)));
            self.load_at(Ty::I64, SCRATCH, SCRATCH, word(offset_of!(VmTable, base)));
        }
        self.asm.rrr_shifted(ADD.wide(true), to, SCRATCH, index, log2);
        self.asm.rrr(SUBS.wide(true), ZERO, index, FAR);
        self.trap_if(Cond::AboveOrEqual, trap);
        self.null_if(Cond::AboveOrEqual, to);
    }

    /// Takes a reference from the list in the scratch register, which is overwritten: "equal" tells whether it is that of the
    /// function with the number in `entry`.
    pub fn known_place(&mut self, to: Reg, entry: Reg) {
        const { assert!(KNOWN_REFERENCES.is_power_of_two()) };
        let is_encoded = self.asm.logical_imm(AND_IMM, true, to, entry, KNOWN_REFERENCES as u64 - 1);
        debug_assert!(is_encoded, "a mask of low bits is an immediate");
        let log2 = size_of::<VmKnownReference>().trailing_zeros();
        self.asm.rrr_shifted(ADD.wide(true), SCRATCH, SCRATCH, to, log2);
        self.load_at(Ty::I64, to, SCRATCH, word(offset_of!(VmKnownReference, reference)));
        self.load_at(Ty::I64, FAR, SCRATCH, word(offset_of!(VmKnownReference, entry)));
        self.asm.rrr(SUBS.wide(true), ZERO, entry, FAR);
    }

    /// Compares the signature in the scratch register with that of a type.
    pub fn compare_signature(&mut self, ty: TypeIndex) {
        self.load_at(Ty::I32, FAR, ANCHOR, self.env.layout.signature(ty));
        self.asm.rrr(SUBS, ZERO, SCRATCH, FAR);
    }
}
