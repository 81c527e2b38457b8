//! Instances whose making fails: what was made for them is given back, unless something may still refer to it.

use crate::base::error::{Error, ErrorKind, Result};
use crate::embed::instance::Extern;
use crate::module::linked::LinkedModule;
use crate::store::inner::{Mark, StoreInner};
use epsilon_abi::{ElementMode, ElementSegment};
use std::sync::Arc;

impl StoreInner {
    /// Makes an instance and initialises it. What was made since `mark` is given back if that fails, where nothing can
    /// refer to it.
    pub(crate) fn make_instance(&mut self, mark: &Mark, module: &Arc<LinkedModule>, imports: &[Extern]) -> Result<u32> {
        module.see_to_notes();
        let allocated = self.check_imports(module, imports).and_then(|()| self.allocate_instance(module, imports));
        let index = match allocated {
            Ok(index) => index,
            Err(error) => {
                self.drop_since(mark);
                return Err(error);
            }
        };
        let made = self.mark();
        self.initialize(index).map(|()| index).inspect_err(|error| {
            if !self.may_be_referred_to(index, mark, &made, error) {
                self.drop_since(mark);
            }
        })
    }

    /// Whether something outside of an instance whose initialisation has failed may refer to it. The store held `mark`
    /// before it was made, and `made` before it was initialised.
    fn may_be_referred_to(&mut self, index: u32, mark: &Mark, made: &Mark, error: &Error) -> bool {
        let instance = &self.instances[index as usize];
        let info = instance.module.info();
        let has_references = self.functions.has_reference_since(mark.first_entry);
        let into_imported_table = |segment: &ElementSegment| match segment.mode {
            ElementMode::Active { table, .. } => table.index() < info.imported_tables,
            _ => false,
        };
        if has_references && info.elements.iter().any(into_imported_table) {
            return true;
        }
        let traced_into_imported = |segment: &ElementSegment| segment.ty.is_traced() && into_imported_table(segment);
        if info.elements.iter().any(traced_into_imported) {
            return true; // objects may hold functions
        }
        if !instance.started {
            return false;
        }
        // What ran can have given references away through what it imports, and be itself what is thrown.
        let is_sealed = info.imported_functions + info.imported_tables + info.imported_globals == 0;
        let is_known = (has_references && !is_sealed)
            || !self.mark().holds_the_same_as(made)
            || matches!(error.kind(), ErrorKind::Exception(_));
        if !is_known && self.exceptions.has_tag_since(mark.tags as u32) {
            self.collect_exceptions();
        }
        is_known || self.exceptions.has_tag_since(mark.tags as u32)
    }
}
