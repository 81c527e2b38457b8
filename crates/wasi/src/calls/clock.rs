//! `clock_res_get` and `clock_time_get`.

use crate::wire::errno::Outcome;
use crate::wire::memory::GuestMemory;
use crate::world::ctx::WasiCtx;

/// witx: "Implementations are required to provide a non-zero value for supported clocks. For unsupported clocks,
/// return `errno::inval`."
pub(crate) fn clock_res_get(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, id: u32, resolution: u32) -> Outcome {
    let ns = ctx.clocks.resolution_ns(id)?;
    Ok(memory.write_u64(resolution, ns)?)
}

/// witx: "Return the time value of a clock." Every clock is as precise as it can be; the wish is not needed.
pub(crate) fn clock_time_get(
    ctx: &mut WasiCtx,
    mut memory: GuestMemory<'_>,
    id: u32,
    _precision: u64,
    time: u32,
) -> Outcome {
    let ns = ctx.clocks.now_ns(id)?;
    Ok(memory.write_u64(time, ns)?)
}
