//! Calls into the runtime: through the table that the `VmContext` points to, with the anchor as the first argument.

use super::vm::{constant_word, field};
use super::{FuncTranslator, PTR};
use cranelift_codegen::ir::{AbiParam, InstBuilder, SigRef, Signature, Value, types};
use cranelift_codegen::isa::CallConv;
use epsilon_abi::Libcall;
use epsilon_abi::libcall::LibcallType;
use epsilon_abi::vm::VmContext;
use std::mem::{offset_of, size_of};

impl FuncTranslator<'_> {
    /// Calls the runtime; a failure does not come back here.
    pub(super) fn libcall(&mut self, libcall: Libcall, args: &[Value]) -> Option<Value> {
        debug_assert_eq!(args.len(), libcall.params().len(), "{} takes other arguments", libcall.name());
        let (signature, code, vmctx) = self.libcall_callee(libcall);
        let mut all_args = [vmctx; MAX_ARGS];
        all_args[1..=args.len()].copy_from_slice(args);
        let call = self.ins().call_indirect(signature, code, &all_args[..=args.len()]);
        self.after_call();
        self.builder.inst_results(call).first().copied()
    }

    /// What a libcall's call instruction takes beside its arguments: signature, address, and the anchor.
    pub(super) fn libcall_callee(&mut self, libcall: Libcall) -> (SigRef, Value, Value) {
        let signature = self.libcall_signature(libcall);
        let vmctx = self.vmctx();
        let addresses = self.near_pointer(VmContext::from_anchor(offset_of!(VmContext, libcalls)));
        let slot = field(libcall as usize * size_of::<usize>());
        let code = self.ins().load(PTR, constant_word(), addresses, slot);
        (signature, code, vmctx)
    }

    /// A libcall that gives a 64-bit result.
    pub(super) fn libcall_with_result(&mut self, libcall: Libcall, args: &[Value]) -> Value {
        self.libcall(libcall, args).expect("the list of libcalls gives this one a result")
    }

    fn libcall_signature(&mut self, libcall: Libcall) -> SigRef {
        if let Some(known) = self.libcall_signatures.get(&libcall) {
            return *known;
        }
        let param = |ty: LibcallType| {
            AbiParam::new(match ty {
                LibcallType::I32 => types::I32,
                LibcallType::I64 => types::I64,
            })
        };
        let mut signature = Signature::new(CallConv::Tail);
        signature.params.push(AbiParam::new(PTR));
        signature.params.extend(libcall.params().iter().map(|ty| param(*ty)));
        signature.returns.extend(libcall.result().map(param));
        let known = self.builder.import_signature(signature);
        self.libcall_signatures.insert(libcall, known);
        known
    }
}

/// More arguments than any libcall has, with the anchor.
const MAX_ARGS: usize = 8;
