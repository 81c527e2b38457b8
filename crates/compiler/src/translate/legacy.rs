//! The exception instructions that came before those of the specification: `try` with `catch`, `catch_all` or
//! `delegate`, and `rethrow`. They use the same clauses and handlers as `try_table`.
//!
//! Calls in a `try` need to know its clauses, which stand behind them. So the first `try` of a body has the whole of it
//! read ahead. What becomes of an exception in a `try` that ends in `delegate` is up to the clauses around another block.

use super::control::{Clause, FrameKind};
use super::exception::Catch;
use super::{FuncTranslator, Translated};
use cranelift_codegen::ir::{InstBuilder, types};
use epsilon_abi::{Libcall, TagIndex};
use wasmparser::{BlockType, FunctionBody, Operator, OperatorsReader};

/// How a `try` ends.
pub(super) struct Try {
    /// Where it stands in the module's binary.
    at: u64,
    /// The tags of its clauses; `None` catches every exception.
    clauses: Vec<Option<TagIndex>>,
    /// The label of its `delegate`, counted from outside of it.
    delegate: Option<u32>,
}

/// Reads a body, and gives its `try`s in the order in which they stand there. It ends where the body is malformed, or
/// names a tag that is not there: validation finds that as well, and before anything behind it is translated.
fn read_ahead(mut operators: OperatorsReader<'_>, tag_count: usize) -> Vec<Try> {
    let (mut tries, mut open) = (Vec::new(), Vec::new());
    while !operators.eof() {
        let Ok((operator, at)) = operators.read_with_offset() else { break };
        let clause = match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                open.push(None);
                continue;
            }
            Operator::Try { .. } => {
                open.push(Some(tries.len()));
                tries.push(Try { at, clauses: Vec::new(), delegate: None });
                continue;
            }
            Operator::End => {
                open.pop();
                continue;
            }
            Operator::Delegate { relative_depth } => {
                let Some(Some(ended)) = open.pop() else { break };
                tries[ended].delegate = Some(relative_depth);
                continue;
            }
            Operator::Catch { tag_index } if (tag_index as usize) < tag_count => Some(TagIndex(tag_index)),
            Operator::Catch { .. } => break,
            Operator::CatchAll => None,
            _ => continue,
        };
        let Some(Some(current)) = open.last() else { break };
        tries[*current].clauses.push(clause);
    }
    tries
}

impl FuncTranslator<'_> {
    /// How the current `try` ends.
    fn end_of_try(&mut self) -> Try {
        // A function with a `try` is never inlined, so that the one that is compiled is meant.
        let range = self.env.info.bodies[self.inlining.function().index()].clone();
        let Self { env, tries, offset, .. } = self;
        let tries = tries.get_or_insert_with(|| {
            let body = FunctionBody::new(env.module.body(env.wasm, range));
            body.get_operators_reader().map_or(Vec::new(), |operators| read_ahead(operators, env.info.tags.len()))
        });
        let found = tries.binary_search_by_key(offset, |end| end.at);
        let end = &mut tries[found.expect("every operator up to the current one has been read")];
        // Each `try` is translated once.
        Try { at: end.at, clauses: std::mem::take(&mut end.clauses), delegate: end.delegate }
    }

    pub(super) fn try_(&mut self, ty: BlockType) -> Translated {
        if !self.reachable {
            self.open_dead();
            return Ok(());
        }
        let Try { clauses, delegate, .. } = self.end_of_try();
        let mut own = None;
        let scope = match delegate {
            // A label that is not there is found by validation, when it gets to it.
            Some(depth) => self.scope_of(depth as usize),
            None if clauses.is_empty() => self.scope(),
            None => {
                let catches = clauses.into_iter().map(|tag| Catch::new(tag, self.handler_block())).collect();
                own = Some(self.new_scope(catches));
                own
            }
        };
        let signature = self.block_signature(ty)?;
        self.open(FrameKind::LegacyTry(own), &signature)?;
        self.enter_scope(scope);
        Ok(())
    }

    pub(super) fn catch(&mut self, tag: u32) -> Translated {
        self.clause(Some(TagIndex(tag)))
    }

    pub(super) fn catch_all(&mut self) -> Translated {
        self.clause(None)
    }

    fn clause(&mut self, tag: Option<TagIndex>) -> Translated {
        let Some(Clause { scope, number, .. }) = self.next_clause()? else { return Ok(()) };
        if number == 0 {
            self.close_scope(scope);
        }
        let Catch { handler, is_used, .. } = self.catches(scope)[number];
        if is_used {
            let exception = self.enter_handler(tag, handler);
            let reference = self.ins().ireduce(types::I32, exception);
            self.note_exception(reference);
        }
        Ok(())
    }

    pub(super) fn delegate(&mut self, _: u32) -> Translated {
        // The label was looked up at the `try`.
        self.end()
    }

    pub(super) fn rethrow(&mut self, depth: u32) -> Translated {
        let exception = self.caught_exception(depth);
        self.throwing_libcall(Libcall::ThrowRef, exception)
    }
}
