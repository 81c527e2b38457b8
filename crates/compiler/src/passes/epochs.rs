//! Epochs: a name for "since the last call", such that two points of a function with the same epoch have no call between
//! them on any path. It is what a memory of Wasm's own may not have moved in.
//!
//! A call begins an epoch; so does a block that is entered with different ones.

use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::{Block, Function, Inst};

/// A name for the time since a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Epoch {
    /// Since the function was entered.
    Entry,
    /// Since this call.
    Call(Inst),
    /// Since this block was entered, with different epochs.
    Merge(Block),
}

/// Rounds over all blocks after which nothing better is looked for.
const MAX_ROUNDS: usize = 16;

/// The epochs in which blocks are entered.
pub(super) struct Epochs {
    entered_in: SecondaryMap<Block, Option<Epoch>>,
}

impl Epochs {
    pub fn new(func: &Function, cfg: &ControlFlowGraph, tree: &DominatorTree) -> Self {
        let mut last_call = SecondaryMap::with_default(None);
        for block in func.layout.blocks() {
            let calls = func.layout.block_insts(block).rev().find(|inst| is_call(func, *inst));
            last_call[block] = calls;
        }
        let mut epochs = Self { entered_in: SecondaryMap::with_default(None) };
        for _ in 0..MAX_ROUNDS {
            if !epochs.round(func, cfg, tree, &last_call) {
                return epochs;
            }
        }
        // Too tangled: every block is on its own.
        for block in tree.cfg_rpo() {
            epochs.entered_in[*block] = Some(Epoch::Merge(*block));
        }
        epochs
    }

    /// One round; whether anything changed.
    fn round(
        &mut self,
        func: &Function,
        cfg: &ControlFlowGraph,
        tree: &DominatorTree,
        last_call: &SecondaryMap<Block, Option<Inst>>,
    ) -> bool {
        let mut changed = false;
        for block in tree.cfg_rpo().copied() {
            let leaving = |from: Block| last_call[from].map(Epoch::Call).or(self.entered_in[from]);
            let mut met = (Some(block) == func.layout.entry_block()).then_some(Epoch::Entry);
            for pred in cfg.pred_iter(block).filter(|pred| tree.is_reachable(pred.block)) {
                // What is not known yet may still be the same.
                let Some(epoch) = leaving(pred.block) else { continue };
                met = match met {
                    None => Some(epoch),
                    Some(same) if same == epoch => Some(same),
                    Some(_) => Some(Epoch::Merge(block)),
                };
            }
            // Once different, always different: so that rounds end.
            if self.entered_in[block] != Some(Epoch::Merge(block)) && self.entered_in[block] != met {
                self.entered_in[block] = met;
                changed = true;
            }
        }
        changed
    }

    /// The epoch in which a block that can be reached is entered.
    pub fn at_entry(&self, block: Block) -> Epoch {
        self.entered_in[block].unwrap_or(Epoch::Merge(block))
    }
}

/// Whether the instruction runs code of others.
pub(super) fn is_call(func: &Function, inst: Inst) -> bool {
    func.dfg.insts[inst].opcode().is_call()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cranelift_codegen::ir::InstBuilder;
    use cranelift_codegen::ir::{AbiParam, ExtFuncData, ExternalName, Signature, UserExternalName, types};
    use cranelift_codegen::isa::CallConv;
    use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

    /// entry -> {left, right} -> join -> looped -> looped or end; `left` and `looped` may call.
    fn epochs(left_calls: bool, loop_calls: bool) -> (Vec<Epoch>, Vec<Block>) {
        let mut func = Function::new();
        let mut scratch = FunctionBuilderContext::new();
        let mut builder = FunctionBuilder::new(&mut func, &mut scratch);
        let signature = builder.import_signature(Signature::new(CallConv::Tail));
        let name = builder.func.declare_imported_user_function(UserExternalName::new(0, 0));
        let name = ExternalName::User(name);
        let callee = builder.import_function(ExtFuncData { name, signature, colocated: true, patchable: false });
        builder.func.signature.params.push(AbiParam::new(types::I32));
        let blocks: Vec<Block> = (0..6).map(|_| builder.create_block()).collect();
        builder.append_block_params_for_function_params(blocks[0]);
        let condition = builder.block_params(blocks[0])[0];
        builder.switch_to_block(blocks[0]);
        builder.ins().brif(condition, blocks[1], &[], blocks[2], &[]);
        for (at, calls, to) in [(1, left_calls, 3), (2, false, 3), (3, false, 4)] {
            builder.switch_to_block(blocks[at]);
            if calls {
                builder.ins().call(callee, &[]);
            }
            builder.ins().jump(blocks[to], &[]);
        }
        builder.switch_to_block(blocks[4]);
        if loop_calls {
            builder.ins().call(callee, &[]);
        }
        builder.ins().brif(condition, blocks[4], &[], blocks[5], &[]);
        builder.switch_to_block(blocks[5]);
        builder.ins().return_(&[]);
        builder.seal_all_blocks();
        let isa = crate::isa::Isa::new(&crate::Settings::default()).expect("this machine");
        builder.finalize(isa.target().frontend_config());
        let cfg = ControlFlowGraph::with_function(&func);
        let tree = DominatorTree::with_function(&func, &cfg);
        let epochs = Epochs::new(&func, &cfg, &tree);
        (blocks.iter().map(|block| epochs.at_entry(*block)).collect(), blocks)
    }

    #[test]
    fn without_calls_there_is_one_epoch() {
        assert_eq!(epochs(false, false).0, [Epoch::Entry; 6]);
    }

    #[test]
    fn a_call_on_one_way_begins_an_epoch_where_ways_meet() {
        let (epochs, blocks) = epochs(true, false);
        assert_eq!(epochs[..3], [Epoch::Entry; 3]);
        assert_eq!(epochs[3..], [Epoch::Merge(blocks[3]); 3]);
    }

    #[test]
    fn a_call_in_a_loop_begins_an_epoch_at_its_head() {
        let (epochs, blocks) = epochs(false, true);
        assert_eq!(epochs[..4], [Epoch::Entry; 4]);
        assert_eq!(epochs[4], Epoch::Merge(blocks[4]));
        assert!(matches!(epochs[5], Epoch::Call(_)));
    }
}
