//! `args_get`, `args_sizes_get`, `environ_get`, `environ_sizes_get`.
//!
//! Both are lists of texts, each ended by a zero byte, and a list of their addresses.

use crate::wire::errno::{Errno, Outcome};
use crate::wire::memory::GuestMemory;
use crate::world::ctx::WasiCtx;

/// witx: "Read command-line argument data."
pub(crate) fn args_get(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, argv: u32, argv_buf: u32) -> Outcome {
    Ok(write_list(&ctx.args, &mut memory, argv, argv_buf)?)
}

/// witx: "Return command-line argument data sizes."
pub(crate) fn args_sizes_get(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, count: u32, size: u32) -> Outcome {
    Ok(write_sizes(&ctx.args, &mut memory, count, size)?)
}

/// witx: "Read environment variable data."
pub(crate) fn environ_get(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, environ: u32, environ_buf: u32) -> Outcome {
    Ok(write_list(&ctx.env, &mut memory, environ, environ_buf)?)
}

/// witx: "Return environment variable data sizes."
pub(crate) fn environ_sizes_get(ctx: &mut WasiCtx, mut memory: GuestMemory<'_>, count: u32, size: u32) -> Outcome {
    Ok(write_sizes(&ctx.env, &mut memory, count, size)?)
}

fn sizes(list: &[Vec<u8>]) -> Result<(u32, u32), Errno> {
    let count = u32::try_from(list.len()).map_err(|_| Errno::Overflow)?;
    let size_bytes = list.iter().map(|text| text.len() + 1).sum::<usize>();
    Ok((count, u32::try_from(size_bytes).map_err(|_| Errno::Overflow)?))
}

fn write_sizes(list: &[Vec<u8>], memory: &mut GuestMemory<'_>, count_at: u32, size_at: u32) -> Result<(), Errno> {
    let (count, size_bytes) = sizes(list)?;
    memory.write_u32(count_at, count)?;
    memory.write_u32(size_at, size_bytes)
}

fn write_list(list: &[Vec<u8>], memory: &mut GuestMemory<'_>, ptrs: u32, texts: u32) -> Result<(), Errno> {
    let (count, size_bytes) = sizes(list)?;
    memory.check(ptrs, u64::from(count) * 4)?;
    memory.check(texts, size_bytes.into())?;
    let (mut ptr_at, mut text_at) = (ptrs, texts);
    for text in list {
        memory.write_u32(ptr_at, text_at)?;
        memory.write(text_at, text)?;
        memory.write(text_at + text.len() as u32, &[0])?;
        // Neither can overflow before the last text: both ranges have been checked.
        ptr_at = ptr_at.wrapping_add(4);
        text_at = text_at.wrapping_add(text.len() as u32 + 1);
    }
    Ok(())
}
