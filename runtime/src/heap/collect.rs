//! A collection: what the roots lead to is copied or marked, and the rest is gone.
//!
//! A minor collection empties the half of the nursery that is in use. Its roots are those of the store, and old objects
//! under marked cards. A full one moves all objects but the large ones, to fresh blocks. Neither recurses: what was copied
//! lies in a row, and is scanned in that order; large objects wait in a list that has room for all of them.

use super::blocks::{BLOCK_BYTES, Blocks, Kind, blocks_for};
use super::nursery::Nursery;
use super::object::{FORWARDED, Objects, host_number, is_object};
use super::region::CARD_BYTES;
use super::{Collection, Heap};
use crate::base::alloc;
use crate::base::error::Result;
use std::ops::Range;

/// What a full collection has found of what is the host's: a bit for each number.
#[derive(Default)]
pub struct HostMarks(Vec<u64>);

impl HostMarks {
    /// For so many numbers.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(count: usize) -> Result<Self> {
        Ok(Self(alloc::zeroed(count.div_ceil(64), "marks of references to the host")?))
    }

    /// Notes that a number is in use.
    #[inline]
    pub fn mark(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word |= 1 << (number % 64);
        }
    }

    /// Whether a number is in use.
    pub fn is_marked(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// What a heap belongs to.
pub trait Environment {
    /// Calls `found` with each root: a word that may hold a reference, which is updated.
    fn roots(&mut self, found: &mut dyn FnMut(&mut u32));

    /// Numbers of the host's that references may have are below.
    fn host_count(&self) -> usize;

    /// A full collection has found which of them are in use.
    fn found_hosts(&mut self, marks: &HostMarks);
}

/// A collection at work.
struct Tracer<'a> {
    objects: &'a Objects,
    blocks: &'a mut Blocks,
    /// Where the objects are that a minor collection moves.
    from: Range<u32>,
    /// Objects of those below become old.
    aged_end: u32,
    is_full: bool,
    /// Where the next survivor goes.
    survivors_top: u32,
    /// Large objects that were found and not scanned yet.
    large: Vec<u32>,
    hosts: Option<&'a mut HostMarks>,
}

impl Tracer<'_> {
    /// What a reference is after the collection.
    #[inline(always)]
    fn visit(&mut self, reference: u32) -> u32 {
        if !is_object(reference) {
            if let (Some(hosts), Some(number)) = (self.hosts.as_deref_mut(), host_number(reference)) {
                hosts.mark(number);
            }
            return reference;
        }
        if self.from.contains(&reference) {
            return self.move_object(reference);
        }
        if !self.is_full || Nursery::contains(reference) {
            return reference;
        }
        match self.blocks.kind_at(reference) {
            Kind::From => self.move_object(reference),
            Kind::Large => {
                let block = self.blocks.at(reference);
                if !std::mem::replace(&mut block.is_marked, true) {
                    self.large.push(reference);
                }
                reference
            }
            _ => reference,
        }
    }

    #[inline(always)]
    fn move_object(&mut self, at: u32) -> u32 {
        let header = self.objects.header(at);
        if header & FORWARDED != 0 {
            return header & !FORWARDED;
        }
        let bytes = self.objects.size(at, header);
        let to = if self.is_full || at < self.aged_end {
            self.blocks.allocate_old(bytes)
        } else {
            let to = self.survivors_top;
            self.survivors_top += bytes;
            to
        };
        self.objects.region.copy(to, at, bytes);
        self.objects.region.set_word(at, to | FORWARDED);
        to
    }

    /// Updates the references of an object, whose size it gives. An old one that refers to a young one is noted.
    #[inline(always)]
    fn scan(&mut self, at: u32) -> u32 {
        let objects = self.objects;
        let header = objects.header(at);
        let mut has_young = false;
        objects.for_each_reference(at, header, |word| {
            let reference = objects.region.word(word);
            if reference != 0 {
                let new = self.visit(reference);
                if new != reference {
                    objects.region.set_word(word, new);
                }
                has_young |= is_object(new) && Nursery::contains(new);
            }
        });
        if has_young && !Nursery::contains(at) {
            objects.region.mark_card(at);
        }
        objects.size(at, header)
    }

    /// Scans old objects under marked cards, whose marks it takes away.
    fn scan_marked(&mut self) {
        let region = &self.objects.region;
        let old_count = self.blocks.old_count();
        for n in 0..old_count {
            let Some(at) = self.blocks.old_at(n) else { break };
            for eight in (at..at + BLOCK_BYTES).step_by(8 * CARD_BYTES as usize) {
                if region.eight_cards(eight) == 0 {
                    continue;
                }
                for card in (eight..eight + 8 * CARD_BYTES).step_by(CARD_BYTES as usize) {
                    if region.is_card_marked(card) {
                        region.clear_card(card);
                        self.scan_under(card);
                    }
                }
            }
        }
        for n in 0..self.blocks.large.len() {
            let at = self.blocks.large[n];
            if region.is_card_marked(at) {
                region.clear_card(at);
                self.scan(at);
            }
        }
    }

    fn scan_under(&mut self, card: u32) {
        let Some((mut at, end)) = self.blocks.under_card(card) else { return };
        while at < end {
            at += self.scan(at);
        }
    }

    /// Scans all that was copied or found, and what that leads to: old objects from the given place on.
    fn scan_found(&mut self, mut block: usize, mut at: u32, survivors: u32) {
        let mut survivor = survivors;
        loop {
            let mut is_done = true;
            while survivor < self.survivors_top {
                survivor += self.scan(survivor);
                is_done = false;
            }
            while let Some(start) = self.blocks.old_at(block) {
                at = if at == 0 { start } else { at };
                while at < self.blocks.top_of(start) {
                    at += self.scan(at);
                    is_done = false;
                }
                if block + 1 == self.blocks.old_count() {
                    break;
                }
                (block, at) = (block + 1, 0);
            }
            while let Some(large) = self.large.pop() {
                self.scan(large);
                is_done = false;
            }
            if is_done {
                return;
            }
        }
    }
}

impl Heap {
    /// Collects.
    ///
    /// # Errors
    /// If there is no room for it. Nothing has changed then.
    pub fn collect(&mut self, kind: Collection, of: &mut dyn Environment) -> Result<()> {
        if self.is_stressed() {
            self.verify();
        }
        match kind {
            Collection::Minor => self.collect_minor(of)?,
            Collection::Full => self.collect_full(of)?,
        }
        self.set_limit(self.vm.alloc);
        self.settle_charge();
        if self.is_stressed() {
            self.nursery.hide_other(&self.objects.region);
            self.verify();
        }
        Ok(())
    }

    fn collect_minor(&mut self, of: &mut dyn Environment) -> Result<()> {
        let from = self.nursery.objects(self.vm.alloc);
        let (aged_end, bytes) = (self.nursery.aged_end, from.len() as u32);
        let aged_bytes = (aged_end - from.start) as usize;
        let count = if aged_bytes == 0 { 0 } else { blocks_for(aged_bytes) };
        self.charge_for(count, aged_bytes)?;
        let region = &self.objects.region;
        self.nursery.show_other(region, bytes)?;
        self.blocks.prepare(region, count)?;
        let old_before = self.blocks.old_bytes;
        let survivors = self.nursery.other_start();
        let (block, at) = (self.blocks.old_count().saturating_sub(1), self.blocks.top());
        let mut tracer = Tracer {
            objects: &self.objects,
            blocks: &mut self.blocks,
            from,
            aged_end,
            is_full: false,
            survivors_top: survivors,
            large: Vec::new(),
            hosts: None,
        };
        of.roots(&mut |root| *root = tracer.visit(*root));
        tracer.scan_marked();
        tracer.scan_found(block, at, survivors);
        let top = tracer.survivors_top;
        self.nursery.swap(top);
        self.vm.alloc = top;
        let survived = (self.blocks.old_bytes - old_before) as u32 + (top - survivors);
        self.stats.minor_collections += 1;
        self.stats.copied_bytes += u64::from(survived);
        self.grow_nursery(survived);
        Ok(())
    }

    fn collect_full(&mut self, of: &mut dyn Environment) -> Result<()> {
        let from = self.nursery.objects(self.vm.alloc);
        let count = blocks_for(self.blocks.old_bytes + from.len());
        let mut hosts = HostMarks::new(of.host_count())?;
        let mut large = Vec::new();
        alloc::reserve(&mut large, self.blocks.large.len(), "a list of large objects")?;
        self.charge_for_full(count)?;
        let region = &self.objects.region;
        self.blocks.prepare(region, count)?;
        let from_blocks = self.blocks.begin_full();
        let mut tracer = Tracer {
            objects: &self.objects,
            blocks: &mut self.blocks,
            from,
            aged_end: 0,
            is_full: true,
            survivors_top: 0,
            large,
            hosts: Some(&mut hosts),
        };
        of.roots(&mut |root| *root = tracer.visit(*root));
        tracer.scan_found(0, 0, 0);
        let poisons = self.is_stressed();
        self.blocks.end_full(&self.objects.region, from_blocks, poisons);
        if poisons {
            let other = self.nursery.other_start();
            self.nursery.swap(other);
        }
        self.nursery.clear();
        self.vm.alloc = self.nursery.start();
        self.stats.full_collections += 1;
        self.stats.copied_bytes += self.blocks.old_bytes as u64;
        self.collect_at_bytes = (2 * self.live_bytes()).max(super::FIRST_FULL_BYTES);
        of.found_hosts(&hosts);
        Ok(())
    }
}
