//! Throwing: finding the handler of an exception by a walk over frame pointers, and going on there.
//!
//! A throw comes from a libcall or a host function, on the host's stack. The walk begins at the frame through which
//! wasm left for the host and goes outwards to the end of the activation. Wasm frames are looked up by their return
//! addresses in the tables of the module that the anchor says; where a return address is that of a thunk between
//! instances, the thunk's frame holds the anchor of the frames beyond. If a handler is found, fixed code takes over
//! stack, frame, anchor and payload from the store's [`Landing`]; if not, the activation is landed with an error.

use crate::instance::InstanceData;
use crate::store::StoreInner;
use crate::sys::arch;
use epsilon_abi::HandlerSite;
use epsilon_abi::vm::VmContext;
use std::cell::Cell;

/// No walk goes on for longer, whatever memory looks like.
const MAX_FRAMES: usize = 1 << 22;

/// Where an exception is caught. Fixed code reads it.
#[repr(C)]
#[derive(Default)]
pub struct Landing {
    /// The handler's address.
    pub pc: Cell<usize>,
    /// The stack pointer there.
    pub sp: Cell<usize>,
    /// The frame pointer there.
    pub fp: Cell<usize>,
    /// The anchor of the frame's instance.
    pub anchor: Cell<usize>,
    /// The exception's number.
    pub exception: Cell<usize>,
    /// The address of its fields.
    pub fields: Cell<usize>,
}

impl StoreInner {
    /// Looks for the handler of an exception that is thrown where wasm left for the host under `anchor`. If there is
    /// one, the store's landing names it.
    ///
    /// # Safety
    /// `anchor` must be the pinned register's value where wasm last left for the host.
    pub(crate) unsafe fn find_handler(&self, anchor: usize, exception: u32) -> bool {
        let Some((tag, fields)) = self.exceptions.look(exception) else { return false };
        let landing = &self.vm.landing;
        let (mut fp, mut anchor) = (self.vm.exit_fp.get(), anchor);
        for _ in 0..MAX_FRAMES {
            if !self.is_on_wasm_stack(fp) {
                return false;
            }
            // SAFETY: the address is on the live part of the wasm stack, where every frame begins with the caller's
            // frame pointer and the return address.
            let (caller_fp, pc) = unsafe { (*(fp as *const usize), *((fp + 8) as *const usize)) };
            if pc == arch::enter_return() || caller_fp <= fp {
                return false;
            }
            if pc == arch::switch_restore() {
                if !self.is_on_wasm_stack(caller_fp) {
                    return false;
                }
                // SAFETY: the caller's frame is a thunk's, which keeps the anchor of its own caller below.
                anchor = unsafe { *((caller_fp - 8) as *const usize) };
            } else if let Some((handler, site)) = self.handler(anchor, pc, tag) {
                landing.pc.set(handler);
                landing.sp.set(caller_fp - site.frame_bytes as usize);
                landing.fp.set(caller_fp);
                landing.anchor.set(anchor);
                landing.exception.set(exception as usize);
                landing.fields.set(fields as usize);
                return true;
            }
            fp = caller_fp;
        }
        false
    }

    /// The first clause at a return address that catches exceptions with a tag.
    fn handler(&self, anchor: usize, pc: usize, tag: u32) -> Option<(usize, HandlerSite)> {
        let vmctx = VmContext::of_anchor(anchor);
        // SAFETY: the walk has tracked the anchor of the frame, whose instance lives as long as its store.
        let instance = unsafe { (*vmctx).instance.cast::<InstanceData>().as_ref()? };
        instance.module.code().handler_at(pc, |wanted| instance.tags[wanted.index()] == tag)
    }

    fn is_on_wasm_stack(&self, fp: usize) -> bool {
        let Some(stack) = &self.stack else { return false };
        fp >= stack.low() && fp + 16 <= stack.top() && fp.is_multiple_of(8)
    }
}
