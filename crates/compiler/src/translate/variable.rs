//! Locals, globals, and the operators that only move operands.

use super::vm::{changing_word, constant_word};
use super::{FuncTranslator, Translated, clif_type};
use crate::error::CompileError;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use epsilon_abi::GlobalIndex;
use epsilon_abi::layout::GlobalPlace;
use wasmparser::ValType;

impl FuncTranslator<'_> {
    pub(super) fn local_get(&mut self, local: u32) -> Translated {
        let value = self.builder.use_var(self.locals[local as usize]);
        self.push(value);
        Ok(())
    }

    pub(super) fn local_set(&mut self, local: u32) -> Translated {
        let value = self.pop();
        self.builder.def_var(self.locals[local as usize], value);
        Ok(())
    }

    pub(super) fn local_tee(&mut self, local: u32) -> Translated {
        let value = self.pop();
        self.builder.def_var(self.locals[local as usize], value);
        self.push(value);
        Ok(())
    }

    pub(super) fn global_get(&mut self, global: u32) -> Translated {
        let global = GlobalIndex(global);
        let ty = self.env.info.globals[global.index()];
        let (flags, address, offset) =
            if ty.mutable { self.global_place(global) } else { self.constant_global_place(global) };
        let value = self.ins().load(clif_type(ty.value), flags, address, offset);
        self.push(value);
        Ok(())
    }

    pub(super) fn global_set(&mut self, global: u32) -> Translated {
        let value = self.pop();
        let (flags, address, offset) = self.global_place(GlobalIndex(global));
        self.ins().store(flags, value, address, offset);
        Ok(())
    }

    fn global_place(&mut self, global: GlobalIndex) -> (MemFlagsData, Value, i32) {
        let flags = changing_word(self.regions.global);
        match self.env.layout.global(global) {
            GlobalPlace::Inline(offset) => (flags, self.vmctx(), offset),
            GlobalPlace::Pointer(offset) => (flags, self.near_pointer(offset), 0),
        }
    }

    /// An immutable global has its value before any code runs.
    fn constant_global_place(&mut self, global: GlobalIndex) -> (MemFlagsData, Value, i32) {
        let (_, address, offset) = self.global_place(global);
        (constant_word(), address, offset)
    }

    pub(super) fn drop_operand(&mut self) -> Translated {
        self.pop();
        Ok(())
    }

    pub(super) fn select(&mut self) -> Translated {
        let (a, b, condition) = self.pop3();
        let chosen = self.ins().select(condition, a, b);
        self.push(chosen);
        Ok(())
    }

    pub(super) fn select_typed(&mut self, _: ValType) -> Translated {
        self.select()
    }

    pub(super) fn select_multi(&mut self, types: Vec<ValType>) -> Translated {
        match types[..] {
            [_] => self.select(),
            _ => Err(CompileError::unsupported("`select` with other than one type", self.offset)),
        }
    }
}
