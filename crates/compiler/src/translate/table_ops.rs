//! Tables. Elements of function tables are rows that only the runtime writes, and of which it makes references; elements of all
//! other tables are 4 bytes, read and written here.

use super::vm::changing_word;
use super::{FuncTranslator, PTR, Translated};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use epsilon_abi::vm::{KNOWN_REFERENCES, VmContext, VmFuncRow, VmKnownReference, VmStoreHead, VmTable};
use epsilon_abi::{Libcall, RefRepr, TableIndex, TrapCode};
use std::mem::{offset_of, size_of};

impl FuncTranslator<'_> {
    /// The address of an element, checked; null on a wrongly predicted path.
    pub(super) fn element_address(&mut self, table: TableIndex, index: Value, bytes: usize, trap: TrapCode) -> Value {
        let index = self.widen(index);
        let len = self.table_len(table);
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        self.ins().trapnz(outside, clif_trap(trap));
        let base = self.table_base(table);
        let distance = self.ins().ishl_imm_u(index, i64::from(bytes.trailing_zeros()));
        let address = self.ins().iadd(base, distance);
        let null = self.ins().iconst(PTR, 0);
        self.ins().select_spectre_guard(outside, null, address)
    }

    fn table_len(&mut self, table: TableIndex) -> Value {
        if self.env.info.table_is_fixed(table) {
            return self.const_u64(self.env.info.tables[table.index()].limits.min);
        }
        let def = self.table_def(table);
        self.bounds_word(def, offset_of!(VmTable, len_elements))
    }

    fn table_base(&mut self, table: TableIndex) -> Value {
        if self.env.info.table_is_fixed(table) {
            return self.constant_table_base(table);
        }
        let def = self.table_def(table);
        self.bounds_word(def, offset_of!(VmTable, base))
    }

    fn table_repr(&self, table: u32) -> RefRepr {
        self.env.info.tables[table as usize].element.repr()
    }

    pub(super) fn table_get(&mut self, table: u32) -> Translated {
        let index = self.pop();
        let reference = match self.table_repr(table) {
            RefRepr::Func => self.known_reference(table, index),
            RefRepr::Index => {
                let address = self.index_element(table, index);
                let flags = changing_word(self.regions.table);
                self.ins().load(types::I32, flags, address, 0)
            }
        };
        let ty = self.env.info.tables[table as usize].element;
        self.declare(reference, epsilon_abi::ValType::Ref(ty));
        self.push(reference);
        Ok(())
    }

    /// The reference to the function in a row: the store's list of references has it, or the runtime.
    fn known_reference(&mut self, table: u32, index: Value) -> Value {
        let row = self.element_address(TableIndex(table), index, size_of::<VmFuncRow>(), TrapCode::TableOutOfBounds);
        let flags = changing_word(self.regions.table);
        let entry = self.ins().load(types::I32, flags, row, offset_of!(VmFuncRow, entry) as i32);
        self.reference_of_number(entry, |this| {
            let args = [this.const_index(table), this.widen(index)];
            this.libcall_with_result(Libcall::TableGetFunc, &args)
        })
    }

    /// The reference to the function with a number of the store, which is null for 0: the store's list of references has it, or
    /// `ask` does.
    pub(super) fn reference_of_number(&mut self, number: Value, ask: impl FnOnce(&mut Self) -> Value) -> Value {
        let entry = self.ins().uextend(types::I64, number);
        let store = self.near_pointer(VmContext::from_anchor(offset_of!(VmContext, store)));
        let list = self.bounds_word(store, offset_of!(VmStoreHead, known_references));
        let number = self.ins().band_imm_u(entry, KNOWN_REFERENCES as i64 - 1);
        let distance = self.ins().ishl_imm_u(number, i64::from(size_of::<VmKnownReference>().trailing_zeros()));
        let place = self.ins().iadd(list, distance);
        let known = self.bounds_word(place, offset_of!(VmKnownReference, entry));
        let reference = self.bounds_word(place, offset_of!(VmKnownReference, reference));
        let (unknown, next) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(unknown);
        self.builder.append_block_param(next, PTR);
        let differs = self.ins().icmp(IntCC::NotEqual, known, entry);
        self.ins().brif(differs, unknown, &[], next, &[BlockArg::Value(reference)]);

        self.builder.seal_block(unknown);
        self.switch_to(unknown);
        let made = ask(self);
        self.ins().jump(next, &[BlockArg::Value(made)]);

        self.builder.seal_block(next);
        self.switch_to(next);
        self.builder.block_params(next)[0]
    }

    pub(super) fn table_set(&mut self, table: u32) -> Translated {
        let (index, reference) = self.pop2();
        match self.table_repr(table) {
            RefRepr::Func => {
                let args = [self.const_index(table), self.widen(index), reference];
                self.libcall(Libcall::TableSetFunc, &args);
            }
            RefRepr::Index => {
                let address = self.index_element(table, index);
                let flags = changing_word(self.regions.table);
                self.ins().store(flags, reference, address, 0);
            }
        }
        Ok(())
    }

    fn index_element(&mut self, table: u32, index: Value) -> Value {
        self.element_address(TableIndex(table), index, size_of::<u32>(), TrapCode::TableOutOfBounds)
    }

    pub(super) fn table_size(&mut self, table: u32) -> Translated {
        let is_64 = self.env.info.tables[table as usize].is_64;
        let len = self.table_len(TableIndex(table));
        let len = self.narrow(len, is_64);
        self.push(len);
        Ok(())
    }

    pub(super) fn table_grow(&mut self, table: u32) -> Translated {
        let is_64 = self.env.info.tables[table as usize].is_64;
        let (init, delta) = self.pop2();
        let args = [self.const_index(table), self.widen(delta), self.widen(init)];
        let len = self.libcall_with_result(Libcall::TableGrow, &args);
        let len = self.narrow(len, is_64);
        self.push(len);
        Ok(())
    }

    pub(super) fn table_fill(&mut self, table: u32) -> Translated {
        let (dst, value, len) = self.pop3();
        let args = [self.const_index(table), self.widen(dst), self.widen(value), self.widen(len)];
        self.libcall(Libcall::TableFill, &args);
        Ok(())
    }

    pub(super) fn table_copy(&mut self, dst_table: u32, src_table: u32) -> Translated {
        let (dst, src, len) = self.pop3();
        let tables = [self.const_index(dst_table), self.const_index(src_table)];
        let args = [tables[0], tables[1], self.widen(dst), self.widen(src), self.widen(len)];
        self.libcall(Libcall::TableCopy, &args);
        Ok(())
    }

    pub(super) fn table_init(&mut self, segment: u32, table: u32) -> Translated {
        let (dst, src, len) = self.pop3();
        let indices = [self.const_index(table), self.const_index(segment)];
        let args = [indices[0], indices[1], self.widen(dst), self.widen(src), self.widen(len)];
        self.libcall(Libcall::TableInit, &args);
        Ok(())
    }

    pub(super) fn elem_drop(&mut self, segment: u32) -> Translated {
        let args = [self.const_index(segment)];
        self.libcall(Libcall::ElemDrop, &args);
        Ok(())
    }
}
