//! Calls. Wasm functions take and give their wasm values and nothing else: the instance travels in the pinned register.

use super::vm::{changing_word, constant_word, field};
use super::{FuncTranslator, PTR, Translated, clif_signature, defined_name};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    ExtFuncData, ExternalName, FuncRef, Inst, InstBuilder, MemFlagsData, SigRef, Value, types,
};
use epsilon_abi::vm::{VmFuncRef, VmFuncRow};
use epsilon_abi::{DefinedFuncIndex, FuncIndex, FuncType, Libcall, TableIndex, TrapCode, TypeIndex};
use std::mem::{offset_of, size_of};

/// What a call goes to.
enum Callee {
    /// A function of this module, reached by a pc-relative call.
    Direct(FuncRef),
    /// An address.
    Address(SigRef, Value),
}

/// What becomes of the caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It goes on with the results.
    GoOn,
    /// Its frame makes room before the callee starts, which returns to the caller's own caller.
    Leave,
}

impl FuncTranslator<'_> {
    pub(super) fn call(&mut self, func: u32) -> Translated {
        if let Some(callee) = self.env.info.defined(FuncIndex(func))
            && self.try_inline(callee)?
        {
            return Ok(());
        }
        let (callee, ty) = self.direct_callee(func);
        self.emit_call(&callee, ty, Then::GoOn)
    }

    pub(super) fn return_call(&mut self, func: u32) -> Translated {
        let (callee, ty) = self.direct_callee(func);
        self.emit_call(&callee, ty, Then::Leave)
    }

    pub(super) fn call_indirect(&mut self, ty: u32, table: u32) -> Translated {
        let callee = self.table_callee(ty, table);
        self.emit_call(&callee, TypeIndex(ty), Then::GoOn)
    }

    pub(super) fn return_call_indirect(&mut self, ty: u32, table: u32) -> Translated {
        let callee = self.table_callee(ty, table);
        self.emit_call(&callee, TypeIndex(ty), Then::Leave)
    }

    pub(super) fn call_ref(&mut self, ty: u32) -> Translated {
        let callee = self.reference_callee(ty);
        self.emit_call(&callee, TypeIndex(ty), Then::GoOn)
    }

    pub(super) fn return_call_ref(&mut self, ty: u32) -> Translated {
        let callee = self.reference_callee(ty);
        self.emit_call(&callee, TypeIndex(ty), Then::Leave)
    }

    fn direct_callee(&mut self, func: u32) -> (Callee, TypeIndex) {
        let func = FuncIndex(func);
        let ty = self.env.info.functions[func.index()];
        let callee = match self.env.info.defined(func) {
            Some(defined) => Callee::Direct(self.function(func, defined)),
            None => {
                let code = self.near_pointer(self.env.layout.imported_function(func));
                Callee::Address(self.signature(ty), code)
            }
        };
        (callee, ty)
    }

    fn table_callee(&mut self, ty: u32, table: u32) -> Callee {
        let index = self.pop();
        let code = self.checked_table_code(TableIndex(table), TypeIndex(ty), index);
        Callee::Address(self.signature(TypeIndex(ty)), code)
    }

    /// Code of a function reference: direct if the function is of this instance, else switching. Nothing is mapped at
    /// the addresses around null, so that the first load is the null check.
    fn reference_callee(&mut self, ty: u32) -> Callee {
        let reference = self.pop();
        let may_be_null = MemFlagsData::new().with_aligned().with_trap_code(Some(clif_trap(TrapCode::NullReference)));
        let anchor = self.ins().load(PTR, may_be_null, reference, field(offset_of!(VmFuncRef, anchor)));
        let flags = MemFlagsData::trusted();
        let direct = self.ins().load(PTR, flags, reference, field(offset_of!(VmFuncRef, direct_code)));
        let switching = self.ins().load(PTR, flags, reference, field(offset_of!(VmFuncRef, switching_code)));
        let vmctx = self.vmctx();
        let same = self.ins().icmp(IntCC::Equal, anchor, vmctx);
        let code = self.ins().select(same, direct, switching);
        Callee::Address(self.signature(TypeIndex(ty)), code)
    }

    /// The code address in a row of a function table, after the row's bounds and signature are checked.
    fn checked_table_code(&mut self, table: TableIndex, ty: TypeIndex, index: Value) -> Value {
        let row = self.element_address(table, index, size_of::<VmFuncRow>(), TrapCode::UndefinedElement);
        let flags = changing_word(self.regions.table);
        let signature = self.ins().load(types::I32, flags, row, offset_of!(VmFuncRow, signature) as i32);
        let vmctx = self.vmctx();
        let place = self.env.layout.signature(ty);
        let wanted = self.ins().load(types::I32, constant_word(), vmctx, place);
        let differs = self.ins().icmp(IntCC::NotEqual, signature, wanted);
        let (mismatch, matches) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(mismatch);
        self.ins().brif(differs, mismatch, &[], matches, &[]);

        let before = self.block_vmctx;
        self.switch_to(mismatch);
        self.builder.seal_block(mismatch);
        self.ins().trapz(signature, clif_trap(TrapCode::IndirectCallToNull));
        if self.env.info.types[ty.index()].is_final {
            self.ins().trap(clif_trap(TrapCode::BadSignature));
        } else {
            let is_subtype = self.libcall_with_result(Libcall::IsSubtype, &[signature, wanted]);
            self.ins().trapz(is_subtype, clif_trap(TrapCode::BadSignature));
            self.ins().jump(matches, &[]);
        }

        self.switch_to(matches);
        self.builder.seal_block(matches);
        self.block_vmctx = before.filter(|_| self.env.info.types[ty.index()].is_final);
        self.ins().load(PTR, flags, row, offset_of!(VmFuncRow, code) as i32)
    }

    /// Calls with the topmost operands as arguments, and pushes the results if there is someone to take them.
    fn emit_call(&mut self, callee: &Callee, ty: TypeIndex, then: Then) -> Translated {
        let ty = self.env.info.type_func(ty);
        self.charge(ty.params.len() + ty.results.len())?;
        let at = self.stack.len() - ty.params.len();
        let args = &self.stack[at..];
        if then == Then::Leave {
            match *callee {
                Callee::Direct(func) => self.builder.ins().return_call(func, args),
                Callee::Address(signature, code) => self.builder.ins().return_call_indirect(signature, code, args),
            };
            self.end_block();
            return Ok(());
        }
        if self.scope().is_some() {
            return self.emit_try_call(callee, ty);
        }
        let call: Inst = match *callee {
            Callee::Direct(func) => self.builder.ins().call(func, args),
            Callee::Address(signature, code) => self.builder.ins().call_indirect(signature, code, args),
        };
        self.stack.truncate(at);
        for (n, ty) in ty.results.iter().enumerate() {
            let result = self.builder.inst_results(call)[n];
            self.push_as(result, *ty);
        }
        self.after_call();
        Ok(())
    }

    /// As [`Self::emit_call`], where what leaves the call by an exception may be caught in this function.
    fn emit_try_call(&mut self, callee: &Callee, ty: &FuncType) -> Translated {
        let signature = match *callee {
            Callee::Direct(func) => self.builder.func.dfg.ext_funcs[func].signature,
            Callee::Address(signature, _) => signature,
        };
        let (table, next) = self.exception_table(signature, &ty.results)?;
        let at = self.stack.len() - ty.params.len();
        let args = &self.stack[at..];
        match *callee {
            Callee::Direct(func) => self.builder.ins().try_call(func, args, table),
            Callee::Address(_, code) => self.builder.ins().try_call_indirect(code, args, table),
        };
        self.stack.truncate(at);
        self.stack.extend_from_slice(self.builder.block_params(next));
        self.after_try_call(next);
        Ok(())
    }

    /// The signature of a function type.
    fn signature(&mut self, ty: TypeIndex) -> SigRef {
        if let Some(known) = self.signatures.get(&ty) {
            return *known;
        }
        let known = self.builder.import_signature(clif_signature(self.env.info.type_func(ty)));
        self.signatures.insert(ty, known);
        known
    }

    /// A function of this module as a callee.
    fn function(&mut self, func: FuncIndex, defined: DefinedFuncIndex) -> FuncRef {
        if let Some(known) = self.functions.get(&func) {
            return *known;
        }
        let signature = self.signature(self.env.info.functions[func.index()]);
        let name = self.builder.func.declare_imported_user_function(defined_name(defined));
        let name = ExternalName::User(name);
        // `colocated` promises that a pc-relative call reaches it.
        let data = ExtFuncData { name, signature, colocated: true, patchable: false };
        let known = self.builder.import_function(data);
        self.functions.insert(func, known);
        known
    }
}
