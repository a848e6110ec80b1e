//! Memory that the host writes to.

use std::cell::Cell;
use std::rc::Rc;

const WORD: usize = size_of::<usize>();

/// Memory whose address was given away.
#[derive(Clone)]
pub(super) struct Memory {
    /// In units of 8 bytes, so that anything may be at the start.
    units: Rc<[Cell<u64>]>,
    len: usize,
}

impl Memory {
    /// So many bytes, all of this value.
    pub(super) fn new(len: usize, filler: u8) -> Self {
        let unit = Cell::new(u64::from_ne_bytes([filler; 8]));
        Memory {
            // One more: an allocation of no bytes has an address of its own, too.
            units: std::iter::repeat_n(unit, len / 8 + 1).collect(),
            len,
        }
    }

    pub(super) fn address(&self) -> usize {
        self.units.as_ptr().expose_provenance()
    }

    /// So many bytes from there on, if there are so many.
    pub(super) fn bytes(&self, at: usize, len: usize) -> Option<Vec<u8>> {
        if at.checked_add(len)? > self.len {
            return None;
        }
        let units = self.units.iter().flat_map(|unit| unit.get().to_ne_bytes());
        Some(units.skip(at).take(len).collect())
    }

    /// The number of 32 bits there.
    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes(at, 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The word there.
    pub(super) fn word(&self, at: usize) -> Option<usize> {
        let bytes = self.bytes(at, WORD)?;
        Some(usize::from_le_bytes(bytes.try_into().ok()?))
    }
}
