//! Element and data segments: what instantiation, `memory.init` and `table.init` do with them.

use crate::base::alloc;
use crate::base::error::Result;
use crate::memory::bounds::checked_range;
use crate::memory::bounds::memory_range;
use crate::memory::shared::StoreMemory;
use crate::store::inner::StoreInner;
use epsilon_abi::TrapCode as Trap;
use epsilon_abi::{DataIndex, ElemIndex, ElementItems, ElementMode};

impl StoreInner {
    /// Evaluates the elements of segments that the collector follows, each once: they may be new objects.
    pub(crate) fn evaluate_segments(&mut self, index: u32) -> Result<()> {
        let info = self.instances[index as usize].module.info().clone();
        for (n, segment) in info.elements.iter().enumerate() {
            let ElementItems::Exprs(exprs) = &segment.items else { continue };
            if !segment.ty.is_traced() {
                continue;
            }
            let segment = ElemIndex::new(n);
            let references = alloc::zeroed(exprs.len(), "an element segment")?.into_boxed_slice();
            self.instances[index as usize].set_segment(segment, references);
            for (at, expr) in exprs.iter().enumerate() {
                let reference = self.evaluate(index, expr)? as u32;
                self.instances[index as usize].set_segment_reference(segment, at, reference);
            }
        }
        Ok(())
    }

    pub(crate) fn initialize_tables(&mut self, index: u32) -> Result<()> {
        let info = self.instances[index as usize].module.info().clone();
        for (n, segment) in info.elements.iter().enumerate() {
            let segment_index = ElemIndex::new(n);
            match &segment.mode {
                ElementMode::Passive => continue,
                ElementMode::Declared => {}
                ElementMode::Active { table, offset } => {
                    let is_64 = info.tables[table.index()].is_64;
                    let start = index_value(self.evaluate(index, offset)?, is_64);
                    let table = self.instances[index as usize].tables[table.index()];
                    self.init_table(index, table, segment_index, start, 0, segment.items.len() as u64)?;
                }
            }
            self.instances[index as usize].drop_elements(segment_index);
        }
        Ok(())
    }

    pub(crate) fn initialize_memories(&mut self, index: u32) -> Result<()> {
        let module = self.instances[index as usize].module.clone();
        for (n, segment) in module.info().data.iter().enumerate() {
            let Some((memory_index, offset)) = &segment.active else { continue };
            if module.image(*memory_index).is_none() {
                let is_64 = module.info().memories[memory_index.index()].is_64;
                let start = index_value(self.evaluate(index, offset)?, is_64);
                let memory = self.instances[index as usize].memories[memory_index.index()];
                self.init_memory(index, memory, DataIndex::new(n), start, 0, segment.bytes.len() as u64)?;
            }
            self.instances[index as usize].drop_data(DataIndex::new(n));
        }
        Ok(())
    }

    /// `memory.init`.
    pub(crate) fn init_memory(
        &mut self,
        instance: u32,
        memory: u32,
        segment: DataIndex,
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), Trap> {
        let data = &self.instances[instance as usize];
        let bytes = data.data_bytes(segment);
        let target = &mut self.memories[memory as usize];
        let source = memory_range(src, len, bytes.len())?;
        let range = memory_range(dst, len, target.len_bytes())?;
        match target {
            StoreMemory::Own(target) => target.bytes_mut()[range].copy_from_slice(&bytes[source]),
            StoreMemory::Shared(target) => {
                target.write(range.start, &bytes[source]).map_err(|_| Trap::MemoryOutOfBounds)?;
            }
        }
        Ok(())
    }

    /// `table.init`.
    pub(crate) fn init_table(
        &mut self,
        instance: u32,
        table: u32,
        segment: ElemIndex,
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<()> {
        let data = &self.instances[instance as usize];
        let module = data.module.clone();
        let source = checked_range(src, len, data.elements_len(segment))?;
        let target = checked_range(dst, len, self.tables[table as usize].len())?;
        let anchor = self.tables[table as usize].private_anchor();
        // Nothing is written before all functions have the references that the table needs.
        for write in [false, true] {
            let items = source.clone().zip(target.clone());
            match &module.info().elements[segment.index()].items {
                ElementItems::Functions(functions) => {
                    for (from, to) in items {
                        let entry = self.instances[instance as usize].entry_of(functions[from]);
                        let row = self.row_of_entry(entry, anchor)?;
                        if write {
                            self.tables[table as usize].rows().expect("validated: a function table")[to] = row;
                        }
                    }
                }
                ElementItems::Exprs(exprs) => {
                    for (from, to) in items {
                        let bits = match self.instances[instance as usize].segment(segment) {
                            Some(references) => references[from].into(),
                            None => self.evaluate(instance, &exprs[from])? as u64,
                        };
                        if write {
                            self.fill_table(table, to as u64, bits, 1)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// An index of a table or memory from the bits of its constant expression.
fn index_value(bits: u128, is_64: bool) -> u64 {
    if is_64 { bits as u64 } else { u64::from(bits as u32) }
}
