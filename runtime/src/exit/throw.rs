//! Throwing: finding the handler of an exception by a walk over frame pointers, and going on there.
//!
//! A throw comes from a libcall or a host function, on the host's stack. The walk begins at the frame through which
//! wasm left for the host and goes outwards to the end of the activation. Wasm frames are looked up by their return
//! addresses in the tables of the module that the anchor says; where a return address is that of a thunk between
//! instances, the thunk's frame holds the anchor of the frames beyond. If a handler is found, fixed code takes over
//! stack, frame, anchor and payload from the store's [`Landing`]; if not, the activation is landed with an error.

use crate::fixed;
use crate::store::frames::Known;
use crate::store::inner::StoreInner;
use crate::store::instance::InstanceData;
use epsilon_abi::HandlerSite;
use epsilon_abi::vm::VmContext;

/// No walk goes on for longer, whatever memory looks like.
const MAX_FRAMES: usize = 1 << 22;

impl StoreInner {
    /// Looks for the handler of an exception that is thrown where wasm left for the host under `anchor`. If there is
    /// one, the store's landing names it.
    ///
    /// # Safety
    /// `anchor` must be the pinned register's value where wasm of this store last left for the host (invariant 4).
    pub(crate) unsafe fn find_handler(&mut self, anchor: usize, exception: u32) -> bool {
        let Some((tag, fields)) = self.exceptions.look(exception) else { return false };
        let Some(stack) = &self.stack else { return false };
        let frames = stack.lowest()..stack.top() - 15;
        let is_frame = |fp: usize| frames.contains(&fp) && fp.is_multiple_of(8);
        let (mut fp, mut anchor) = (self.vm.exit_fp.get(), anchor);
        for _ in 0..MAX_FRAMES {
            if !is_frame(fp) {
                return false;
            }
            // SAFETY: both words are on the store's wasm stack, as was just checked, which is mapped as long as an activation
            // runs (invariant 16). The walk began at the exit record, so that a frame begins here (invariant 15).
            let (caller_fp, pc) = unsafe { (*(fp as *const usize), *((fp + 8) as *const usize)) };
            if pc == fixed::enter_return() || caller_fp <= fp {
                return false;
            }
            if pc == fixed::switch_restore() {
                if !is_frame(caller_fp) {
                    return false;
                }
                // SAFETY: the caller's frame is on the wasm stack and above this one, and so is the word below it (invariant 16).
                // It is the frame of a switching thunk, which keeps the anchor of its own caller there (invariant 15).
                anchor = unsafe { *((caller_fp - 8) as *const usize) };
            } else {
                let known = self.known_frame(anchor, pc, tag);
                if known.handler != 0 {
                    let sp = caller_fp.wrapping_sub(known.frame_bytes as usize);
                    if !(fp..frames.end).contains(&sp) {
                        return false;
                    }
                    let landing = &self.vm.landing;
                    landing.pc.set(known.handler);
                    landing.sp.set(sp);
                    landing.fp.set(caller_fp);
                    landing.anchor.set(anchor);
                    landing.exception.set(exception as usize);
                    landing.fields.set(fields as usize);
                    return true;
                }
            }
            fp = caller_fp;
        }
        false
    }

    #[inline]
    fn known_frame(&mut self, anchor: usize, pc: usize, tag: u32) -> Known {
        let known = *self.known_frames.at(pc);
        if known.pc == pc && known.anchor == anchor && known.tag == tag {
            return known;
        }
        let found = self.handler(anchor, pc, tag);
        let (handler, frame_bytes) = found.map_or((0, 0), |(handler, site)| (handler, site.frame_bytes));
        let known = Known { pc, anchor, tag, frame_bytes, handler };
        *self.known_frames.at(pc) = known;
        known
    }

    /// The first clause at a return address that catches exceptions with a tag.
    #[cold]
    fn handler(&self, anchor: usize, pc: usize, tag: u32) -> Option<(usize, HandlerSite)> {
        let vmctx = VmContext::of_anchor(anchor);
        // SAFETY: the walk has tracked the anchor of the frame, which is a live one (invariant 4): its words and what they name, a
        // record of the store or null, live as long as the store (invariants 13 and 14), which this borrows.
        let instance = unsafe { (*vmctx).instance.cast::<InstanceData>().as_ref()? };
        instance.module.code().placed().handler_at(pc, |wanted| instance.tags[wanted.index()] == tag)
    }
}
