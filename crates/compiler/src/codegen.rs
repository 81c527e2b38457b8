//! `ir::Function` to [`CompiledFunction`]: Cranelift's output, checked and put into our own words.

use crate::error::CompileError;
use crate::isa::Isa;
use crate::passes;
use crate::trap::our_trap;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::{self, ExternalName};
use cranelift_codegen::{
    CompiledCode, Context, FinalizedMachExceptionHandler, FinalizedMachReloc, FinalizedRelocTarget,
};
use epsilon_abi::maps::SLOT_BYTES;
use epsilon_abi::{
    Arch, CodeTier, CompiledFunction, DefinedFuncIndex, FuncIndex, HandlerSite, InlinedSite, Position, RelocKind,
    Relocation, Sites, SourceSite, StackMap, StackMaps, TagIndex, TrapSite,
};

/// How hard the code generator is to try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effort {
    /// As the settings say.
    Usual,
    /// As little as possible.
    Least,
}

/// Generates code for the function in `context`.
pub(crate) fn generate(
    isa: &Isa,
    effort: Effort,
    func: FuncIndex,
    context: &mut Context,
    inlined: &[InlinedSite],
) -> Result<CompiledFunction, CompileError> {
    let target = match effort {
        Effort::Least => isa.quick(),
        Effort::Usual if !isa.optimises() || too_deep_to_optimise(&context.func) => isa.unoptimised(),
        Effort::Usual => {
            let optimised = context.optimize(isa.target(), &mut ControlPlane::default());
            optimised.map_err(|error| codegen_error(func, format!("{error:?}")))?;
            // On aarch64 the register allocator moves as much with it as without, in the loops of the snapshots.
            if isa.arch() == Arch::X86_64 {
                passes::loop_updates::run(&mut context.func, &context.domtree);
            }
            isa.behind_optimiser()
        }
    };
    if let Err(error) = context.compile(target, &mut ControlPlane::default()) {
        return Err(codegen_error(func, format!("{:?}", error.inner)));
    }
    let code = context.compiled_code().expect("compilation has succeeded");
    let align_bytes = align_bytes(isa, context, code.buffer.data().len());
    collect(align_bytes, func, code, &context.func, inlined)
}

/// Generates code for the function in `context`, as text.
pub(crate) fn disassemble(
    isa: &Isa,
    effort: Effort,
    func: FuncIndex,
    context: &mut Context,
    inlined: &[InlinedSite],
) -> Result<String, CompileError> {
    context.set_disasm(true);
    let generated = generate(isa, effort, func, context, inlined);
    context.set_disasm(false);
    generated?;
    Ok(context.compiled_code().and_then(|code| code.vcode.clone()).unwrap_or_default())
}

/// Calls in one function that catch exceptions, up to which it is optimised.
const MAX_CATCHING_CALLS: usize = 8 << 10;

/// Whether the register allocator would take too long: every call that catches exceptions ends a block, with what is live
/// going over both of its edges.
pub(crate) fn catches_too_often(func: &ir::Function) -> bool {
    func.dfg.exception_tables.len() > MAX_CATCHING_CALLS
}

/// Functions with fewer blocks are never too deep.
const SHALLOW_BLOCKS: usize = 4 << 10;
/// The sum of the depths of all blocks in the dominator tree up to which a function is optimised.
const MAX_SUM_OF_DEPTHS: u64 = 64 << 20;

/// Whether the optimiser would take too long. Its time grows with the sum of the depths of all blocks in the dominator
/// tree, and so with the square of a function's size if its blocks form one long chain.
fn too_deep_to_optimise(func: &ir::Function) -> bool {
    if func.dfg.num_blocks() <= SHALLOW_BLOCKS {
        return false;
    }
    let tree = DominatorTree::with_function(func, &ControlFlowGraph::with_function(func));
    let mut depths = SecondaryMap::with_default(0u64);
    let mut sum = 0;
    // Postorder backwards: a block comes after the one that dominates it.
    for block in tree.cfg_postorder().iter().rev() {
        depths[*block] = tree.idom(*block).map_or(0, |dominator| depths[dominator] + 1);
        sum += depths[*block];
    }
    sum > MAX_SUM_OF_DEPTHS
}

/// Up to this length functions with loops begin a cache line.
const MAX_LINE_ALIGNED_BYTES: usize = 256;

/// Where a function may begin. Four returns in one line of the cache make calls through a table four times as slow, and a loop
/// of a few instructions that goes over the end of one takes twice as long: small loops lie in small functions, near their
/// beginning.
fn align_bytes(isa: &Isa, context: &Context, len_bytes: usize) -> u32 {
    let preferred = isa.target().function_alignment().preferred;
    let is_small_loop = len_bytes <= MAX_LINE_ALIGNED_BYTES && context.loop_analysis.loops().len() > 0;
    if is_small_loop { preferred.max(CACHE_LINE_BYTES) } else { preferred }
}

const CACHE_LINE_BYTES: u32 = 64;

fn collect(
    align_bytes: u32,
    func: FuncIndex,
    code: &CompiledCode,
    ir: &ir::Function,
    inlined: &[InlinedSite],
) -> Result<CompiledFunction, CompileError> {
    let buffer = &code.buffer;
    let relocations: Result<Vec<_>, _> = buffer.relocs().iter().map(|reloc| relocation(func, reloc, ir)).collect();
    let traps: Result<Vec<_>, _> = buffer
        .traps()
        .iter()
        .map(|trap| match our_trap(trap.code) {
            Some(code) => Ok(TrapSite { offset: trap.offset, code }),
            None => Err(codegen_error(func, format!("unknown trap code {}", trap.code))),
        })
        .collect();
    let mut traps = traps?;
    traps.sort_by_key(|site| site.offset);
    let mut sources = sources(buffer.get_srclocs_sorted());
    let inlined = keep_named(&mut sources, inlined);
    Ok(CompiledFunction {
        tier: CodeTier::Optimised,
        code: buffer.data().to_vec(),
        align_bytes: buffer.alignment.max(align_bytes),
        relocations: relocations?,
        sites: Sites::new(&traps, &sources, &inlined),
        handlers: handlers(func, code)?,
        stack_maps: stack_maps(code),
    })
}

/// Where references lie while calls run.
fn stack_maps(code: &CompiledCode) -> StackMaps {
    let maps = code.buffer.user_stack_maps().iter().map(|(return_offset, frame_bytes, map)| {
        let slot = |(ty, from_stack_pointer): (ir::Type, u32)| {
            debug_assert_eq!(ty, ir::types::I32, "references that the collector follows have 32 bits");
            from_stack_pointer.cast_signed() - frame_bytes.cast_signed()
        };
        let mut slots: Vec<i32> = map.entries().map(slot).collect();
        slots.sort_unstable();
        debug_assert!(slots.is_sorted_by(|a, b| a + SLOT_BYTES <= *b), "slots of live references are disjoint");
        debug_assert!(slots.last().is_none_or(|slot| *slot + SLOT_BYTES <= 0), "slots lie in the frame");
        StackMap { return_offset: *return_offset, slots }
    });
    let mut maps: Vec<StackMap> = maps.collect();
    maps.sort_by_key(|map| map.return_offset);
    StackMaps::new(&maps)
}

/// The calls that catch exceptions. Cranelift keeps the clauses of a call in the order in which they were given.
fn handlers(func: FuncIndex, code: &CompiledCode) -> Result<Vec<HandlerSite>, CompileError> {
    let mut sites = Vec::new();
    for call in code.buffer.call_sites().filter(|call| !call.exception_handlers.is_empty()) {
        let unknown_frame = || codegen_error(func, "a call that catches exceptions has no frame size".into());
        let frame_bytes = call.frame_offset.ok_or_else(unknown_frame)?;
        for handler in call.exception_handlers {
            let (tag, handler_offset) = match *handler {
                FinalizedMachExceptionHandler::Tag(tag, offset) => (Some(TagIndex(tag.as_u32())), offset),
                FinalizedMachExceptionHandler::Default(offset) => (None, offset),
                FinalizedMachExceptionHandler::Context(_) => continue,
            };
            sites.push(HandlerSite { return_offset: call.ret_addr, frame_bytes, tag, handler_offset });
        }
    }
    // A stable sort: clauses of one call keep their order.
    sites.sort_by_key(|site| site.return_offset);
    Ok(sites)
}

/// Only pc-relative references to functions of the module are allowed: code holds no absolute address.
fn relocation(func: FuncIndex, reloc: &FinalizedMachReloc, ir: &ir::Function) -> Result<Relocation, CompileError> {
    let refused = || codegen_error(func, format!("relocation {:?} to {:?}", reloc.kind, reloc.target));
    let kind = match reloc.kind {
        Reloc::X86CallPCRel4 => RelocKind::X86CallPcRel4,
        Reloc::X86PCRel4 => RelocKind::X86PcRel4,
        Reloc::Arm64Call => RelocKind::Arm64Call,
        Reloc::Aarch64AdrPrelPgHi21 => RelocKind::Aarch64AdrPrelPgHi21,
        Reloc::Aarch64AddAbsLo12Nc => RelocKind::Aarch64AddAbsLo12Nc,
        _ => return Err(refused()),
    };
    let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = reloc.target else {
        return Err(refused());
    };
    let name = &ir.params.user_named_funcs()[name];
    Ok(Relocation { offset: reloc.offset, kind, target: DefinedFuncIndex(name.index), addend: reloc.addend })
}

/// Ranges with positions to sites that hold until the next one.
fn sources(ranges: &[cranelift_codegen::MachSrcLoc<cranelift_codegen::Final>]) -> Vec<SourceSite> {
    let mut sites: Vec<SourceSite> = Vec::with_capacity(ranges.len() + 1);
    let mut add = |offset, position| match sites.last_mut() {
        Some(last) if last.offset == offset => last.position = position,
        Some(last) if last.position == position => {}
        _ => sites.push(SourceSite { offset, position }),
    };
    for range in ranges {
        add(range.start, Position(if range.loc.is_default() { Position::NONE.0 } else { range.loc.bits() }));
        // The next range overwrites this if it begins where this one ends.
        add(range.end, Position::NONE);
    }
    sites
}

/// Leaves those inlined operators that instructions come from, and the calls that lead to them; numbers them anew.
fn keep_named(sources: &mut [SourceSite], inlined: &[InlinedSite]) -> Vec<InlinedSite> {
    let mut named = vec![false; inlined.len()];
    for site in sources.iter() {
        let mut position = site.position;
        while let Some(number) = position.inlined_site().filter(|number| !named[*number]) {
            named[number] = true;
            position = inlined[number].call;
        }
    }
    let mut kept: Vec<InlinedSite> = Vec::new();
    let mut numbers = vec![0; inlined.len()];
    let renumber = |position: Position, numbers: &[usize]| match position.inlined_site() {
        Some(number) => Position::inlined(numbers[number]),
        None => position,
    };
    for (number, site) in inlined.iter().enumerate().filter(|(number, _)| named[*number]) {
        numbers[number] = kept.len();
        // A call comes before what was inlined for it, so that its number is known.
        kept.push(InlinedSite { call: renumber(site.call, &numbers), ..*site });
    }
    for site in sources {
        site.position = renumber(site.position, &numbers);
    }
    kept
}

#[cold]
fn codegen_error(func: FuncIndex, message: String) -> CompileError {
    CompileError::Codegen { func, message }
}
