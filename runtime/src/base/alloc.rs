//! Memory of sizes that a guest chooses: asking for it can fail, where the standard library's collections would end the
//! process.

use crate::base::error::{Error, Result};
use epsilon_abi::vm::{VmFuncRow, VmKnownReference};
use std::alloc::{Layout, alloc_zeroed};

/// Types of which bytes that are all zero are a value.
///
/// # Safety
/// They must be.
pub unsafe trait Zeroed: Copy {}

// SAFETY: an integer may hold any bits (invariant 17).
unsafe impl Zeroed for u32 {}
// SAFETY: an integer may hold any bits (invariant 17).
unsafe impl Zeroed for u64 {}
// SAFETY: it consists of three integers without padding, which may hold any bits (invariant 17).
unsafe impl Zeroed for VmFuncRow {}
// SAFETY: it consists of an integer, which may hold any bits, and a pointer, which may be null (invariant 17).
unsafe impl Zeroed for VmKnownReference {}
// SAFETY: an integer may hold any bits (invariant 17).
unsafe impl Zeroed for u8 {}
// SAFETY: zero is `false` (invariant 17).
unsafe impl Zeroed for bool {}

/// A vector of `len` zeroes, for `what`. Of a large one, pages take memory when they are first written.
///
/// # Errors
/// If the system has no memory for it.
pub fn zeroed<T: Zeroed>(len: usize, what: &str) -> Result<Vec<T>> {
    let layout = Layout::array::<T>(len).map_err(|_| no_memory(what, usize::MAX))?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the allocator wants a size above 0, as was just checked; the result is checked below (invariant 16).
    let start = unsafe { alloc_zeroed(layout) };
    if start.is_null() {
        return Err(no_memory(what, layout.size()));
    }
    // SAFETY: the global allocator just gave it for an array of `len` elements, and nothing else owns it (invariant 16); all of
    // it is zero, which is a value of a `Zeroed` type (invariant 17).
    Ok(unsafe { Vec::from_raw_parts(start.cast(), len, len) })
}

/// Room for `more` elements behind those of a vector, for `what`.
///
/// # Errors
/// If the system has no memory for it.
pub fn reserve<T>(vec: &mut Vec<T>, more: usize, what: &str) -> Result<()> {
    vec.try_reserve(more).map_err(|_| no_memory(what, (vec.len() + more).saturating_mul(size_of::<T>())))
}

/// Puts an element behind those of a vector, for `what`.
///
/// # Errors
/// If the system has no memory for it.
pub fn push<T>(vec: &mut Vec<T>, element: T, what: &str) -> Result<()> {
    reserve(vec, 1, what)?;
    vec.push(element);
    Ok(())
}

/// The error for memory that the system does not have.
#[cold]
pub fn no_memory(what: &str, bytes: usize) -> Error {
    Error::limit(format!("the system is out of memory: cannot allocate {what} of {bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_an_error() {
        assert_eq!(zeroed::<u32>(3, "a test").expect("memory"), [0, 0, 0]);
        assert!(zeroed::<VmFuncRow>(0, "a test").expect("nothing").is_empty());
        assert!(zeroed::<VmFuncRow>(usize::MAX / 4, "a test").is_err());
        assert!(zeroed::<u32>(1 << 55, "a test").unwrap_err().to_string().contains("a test"));
        let mut vec = vec![1u32];
        assert!(reserve(&mut vec, 1 << 60, "a test").is_err());
        push(&mut vec, 2, "a test").expect("memory");
        assert_eq!(vec, [1, 2]);
    }
}
