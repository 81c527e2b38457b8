//! `random_get`.

use crate::wire::errno::{Errno, Outcome};
use crate::wire::memory::GuestMemory;
use crate::world::ctx::WasiCtx;

/// How much is asked of a source at once; between two chunks the guest can be interrupted.
const CHUNK_BYTES: usize = 64 * 1024;

/// witx: "Write high-quality random data into a buffer."
pub(crate) fn random_get(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, buf: u32, buf_len: u32) -> Outcome {
    let all = memory.check(buf, buf_len.into())?;
    for start in all.clone().step_by(CHUNK_BYTES) {
        if ctx.interrupt.is_set() {
            return Err(Errno::Intr.into());
        }
        let chunk = start..all.end.min(start + CHUNK_BYTES);
        memory.fill(chunk, |bytes| ctx.random.fill(bytes).map(|()| bytes.len()))?;
    }
    Ok(())
}
