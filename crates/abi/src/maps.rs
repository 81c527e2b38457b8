//! [`StackMaps`]: where in a function's frame references lie while one of its calls runs, in few bytes. The collector reads
//! and rewrites what lies there. Written once, kept as it is, and read only while the garbage-collected heap is collected.
//!
//! Calls stand in the order of their return addresses. Each is the distance of its return address from the one before, times
//! two; plus one if its slots differ from those of the one before, and then follow: their number, and each slot as a signed
//! distance in words of four bytes from the one before, the first from the frame pointer. Numbers are as in [`numbers`].
//!
//! Reading trusts nothing: from damaged bytes come wrong slots or fewer, and nothing else.

use crate::numbers;

/// Where references lie while a call runs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StackMap {
    /// Offset of the call's return address from the start of the function's code.
    pub return_offset: u32,
    /// The words of four bytes that hold references: bytes from the frame pointer, ascending, each once.
    pub slots: Vec<i32>,
}

/// The stack maps of a function: those of calls over which any reference lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackMaps(Box<[u8]>);

impl StackMaps {
    /// Maps sorted by their return addresses.
    pub fn new(maps: &[StackMap]) -> Self {
        Self::of_calls(maps.iter().map(|map| (map.return_offset, &*map.slots)))
    }

    /// The same from return addresses and slots. A list that is that of the call before takes no time, however long.
    pub fn of_calls<'a>(calls: impl Iterator<Item = (u32, &'a [i32])>) -> Self {
        let mut bytes = Vec::new();
        let (mut last, mut before): (u32, Option<&[i32]>) = (0, None);
        for (return_offset, slots) in calls {
            let is_other = before.is_none_or(|before| !std::ptr::eq(before, slots) && before != slots);
            numbers::write(&mut bytes, u64::from(return_offset - last) << 1 | u64::from(is_other));
            if is_other {
                write_slots(&mut bytes, slots);
            }
            (last, before) = (return_offset, Some(slots));
        }
        Self(bytes.into())
    }

    /// Maps that were written before.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// As they are written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether no reference lives over any call.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All maps, sorted by return address.
    pub fn iter(&self) -> impl Iterator<Item = StackMap> {
        let mut bytes = &*self.0;
        let (mut return_offset, mut slots) = (0u32, Vec::new());
        std::iter::from_fn(move || {
            let number = numbers::read(&mut bytes)?;
            return_offset = return_offset.wrapping_add((number >> 1) as u32);
            if number & 1 == 1 {
                slots = read_slots(&mut bytes)?;
            }
            Some(StackMap { return_offset, slots: slots.clone() })
        })
    }

    /// The slots of the call with this return address; none if no reference lives over it.
    pub fn slots_at(&self, return_offset: u32) -> Vec<i32> {
        let mut bytes = &*self.0;
        let (mut offset, mut slots) = (0u32, &[][..]);
        while let Some(number) = numbers::read(&mut bytes) {
            offset = offset.wrapping_add((number >> 1) as u32);
            if number & 1 == 1 {
                slots = bytes;
                if skip_slots(&mut bytes).is_none() {
                    break;
                }
            }
            if offset >= return_offset {
                break;
            }
        }
        if offset == return_offset { read_slots(&mut slots).unwrap_or_default() } else { Vec::new() }
    }
}

/// Bytes of a slot.
pub const SLOT_BYTES: i32 = 4;

fn write_slots(bytes: &mut Vec<u8>, slots: &[i32]) {
    debug_assert!(slots.is_sorted_by(|a, b| a < b), "each slot is listed once");
    debug_assert!(slots.iter().all(|slot| slot % SLOT_BYTES == 0), "slots are words");
    numbers::write(bytes, slots.len() as u64);
    let mut before = 0;
    for slot in slots {
        numbers::write_signed(bytes, i64::from((slot - before) / SLOT_BYTES));
        before = *slot;
    }
}

fn read_slots(bytes: &mut &[u8]) -> Option<Vec<i32>> {
    let count = numbers::read(bytes)?;
    let mut slots = Vec::new();
    let mut slot = 0i32;
    for _ in 0..count {
        let distance = numbers::read_signed(bytes)? as i32;
        slot = slot.wrapping_add(distance.wrapping_mul(SLOT_BYTES));
        slots.push(slot);
    }
    Some(slots)
}

fn skip_slots(bytes: &mut &[u8]) -> Option<()> {
    for _ in 0..numbers::read(bytes)? {
        numbers::read(bytes)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<StackMap> {
        let map = |return_offset, slots: &[i32]| StackMap { return_offset, slots: slots.to_vec() };
        vec![map(5, &[-8]), map(9, &[-8]), map(300, &[-4096, -16, -4, 32]), map(301, &[]), map(70_000, &[-8])]
    }

    #[test]
    fn maps_come_back() {
        let maps = StackMaps::new(&sample());
        assert_eq!(maps.iter().collect::<Vec<_>>(), sample());
        assert_eq!(StackMaps::from_bytes(maps.as_bytes()), maps);
        for map in sample() {
            assert_eq!(maps.slots_at(map.return_offset), map.slots);
        }
        for other in [0, 4, 6, 299, 302, 80_000] {
            assert_eq!(maps.slots_at(other), Vec::<i32>::new());
        }
        assert!(StackMaps::default().is_empty() && !maps.is_empty());
    }

    #[test]
    fn no_damage_panics_or_goes_on_for_ever() {
        let maps = StackMaps::new(&sample());
        let bytes = maps.as_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let maps = StackMaps::from_bytes(&damaged);
            assert!(maps.iter().count() <= bytes.len());
            maps.slots_at(300);
        }
    }
}
