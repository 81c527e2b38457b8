//! References: a `funcref` is the address of a `VmFuncRef`, all others are 32-bit indices; null is 0 for both.

use super::{FuncTranslator, Translated, repr_type};
use crate::parse::ref_repr;
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use epsilon_abi::{Libcall, TrapCode};
use wasmparser::HeapType;

impl FuncTranslator<'_> {
    pub(super) fn ref_null(&mut self, heap: HeapType) -> Translated {
        let repr = ref_repr(heap, self.env.info, self.offset)?;
        let null = self.ins().iconst(repr_type(repr), 0);
        self.push(null);
        Ok(())
    }

    pub(super) fn ref_is_null(&mut self) -> Translated {
        let reference = self.pop();
        let is_null = self.ins().icmp_imm_u(IntCC::Equal, reference, 0);
        let is_null = self.ins().uextend(types::I32, is_null);
        self.push(is_null);
        Ok(())
    }

    pub(super) fn ref_as_non_null(&mut self) -> Translated {
        let reference = self.pop();
        self.ins().trapz(reference, clif_trap(TrapCode::NullReference));
        self.push(reference);
        Ok(())
    }

    pub(super) fn ref_func(&mut self, func: u32) -> Translated {
        let args = [self.const_index(func)];
        let reference = self.libcall_with_result(Libcall::RefFunc, &args);
        self.push(reference);
        Ok(())
    }
}
