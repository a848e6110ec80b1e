//! The allocator through which a host gives data to a Rust type.

use std::cell::RefCell;

/// What the host allocated while it ran one host function.
#[derive(Default)]
pub(crate) struct Allocations(RefCell<Vec<Vec<u8>>>);

impl Allocations {
    /// `proxy_on_memory_allocate`: the address of that many bytes, or 0.
    pub(crate) fn allocate(&self, args: &[u64]) -> u64 {
        let &[size] = args else {
            return 0;
        };
        let mut bytes = Vec::new();
        let (Ok(size), Ok(mut allocations)) = (usize::try_from(size), self.0.try_borrow_mut()) else {
            return 0;
        };
        if bytes.try_reserve_exact(size).is_err() {
            return 0;
        }
        bytes.resize(size, 0);
        let address = bytes.as_mut_ptr().expose_provenance() as u64;
        allocations.push(bytes);
        address
    }

    /// The first `len` bytes at an address that [`Allocations::allocate`] gave; all other allocations are freed.
    pub(crate) fn take(&self, address: u64, len: u64) -> Option<Vec<u8>> {
        let len = usize::try_from(len).ok()?;
        let mut allocations = self.0.try_borrow_mut().ok()?;
        let index = allocations
            .iter()
            .position(|bytes| bytes.as_ptr().addr() as u64 == address);
        let found = index.map(|index| allocations.swap_remove(index));
        allocations.clear();
        let mut bytes = found.filter(|bytes| len <= bytes.len())?;
        bytes.truncate(len);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_allocated_is_given() {
        let allocations = Allocations::default();
        let address = allocations.allocate(&[4]);
        assert_ne!(address, 0);
        assert_eq!(allocations.take(address + 1, 1), None);
        let address = allocations.allocate(&[4]);
        assert_eq!(allocations.take(address, 5), None);
        let address = allocations.allocate(&[4]);
        assert_eq!(allocations.take(address, 3), Some(vec![0; 3]));
        assert_eq!(allocations.take(address, 3), None);
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        let allocations = Allocations::default();
        assert_eq!(allocations.allocate(&[u64::MAX]), 0);
        assert_eq!(allocations.allocate(&[]), 0);
    }
}
