//! What has to hold of a heap before and after each collection, checked under stress.

use super::Heap;
use super::nursery::Nursery;
use super::object::{FORWARDED, is_object};
use epsilon_abi::heap::{RECORD_BYTES, RECORD_MASK};
use std::collections::HashSet;

impl Heap {
    /// Checks every object: its header names a type; its references lead to objects; and if it is old and refers to a young
    /// one, its card is marked.
    ///
    /// # Panics
    /// If something does not hold.
    pub(super) fn verify(&self) {
        let objects = &self.objects;
        let mut all = Vec::new();
        let young = self.nursery.objects(self.vm.alloc);
        let mut at = young.start;
        while at < young.end {
            let header = objects.header(at);
            all.push((at, header));
            self.check_header(at, header);
            at += objects.size(at, header);
        }
        assert!(at == young.end, "the last object of the nursery ends at {at:#x}, and not at {:#x}", young.end);
        self.blocks.for_each_object(objects, |at, header| {
            self.check_header(at, header);
            all.push((at, header));
        });
        let starts: HashSet<u32> = all.iter().map(|(at, _)| *at).collect();
        for (at, header) in all {
            objects.for_each_reference(at, header, |word| {
                let reference = objects.region.word(word);
                if is_object(reference) {
                    assert!(
                        starts.contains(&reference),
                        "object {at:#x} of type {header:#x} refers at {word:#x} to {reference:#x}, where no object begins"
                    );
                    let is_noted = Nursery::contains(at) || objects.region.is_card_marked(at);
                    assert!(
                        is_noted || !Nursery::contains(reference),
                        "old object {at:#x} refers to young object {reference:#x}, and its card is not marked"
                    );
                }
            });
        }
        for cleared in (self.vm.alloc..self.limit).step_by(4) {
            assert!(objects.region.word(cleared) == 0, "memory for new objects is not zero at {cleared:#x}");
        }
    }

    fn check_header(&self, at: u32, header: u32) {
        let is_valid = header & FORWARDED == 0
            && header & !RECORD_MASK == 0
            && header >= RECORD_BYTES
            && matches!(self.objects.records.record(header).kind, 1 | 2);
        assert!(is_valid, "the header of object {at:#x} is {header:#x}");
    }
}
