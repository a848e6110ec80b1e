//! The memory of native plugins: the address space of the process.

use enginebay_engine::{ForeignMemory, OutOfBounds};

/// Reads and writes where the plugin says. What can't be an address is refused; all else is trusted, as native plugins
/// are.
pub(crate) struct AddressSpace;

impl ForeignMemory for AddressSpace {
    #[inline]
    fn read(&self, ptr: u64, len: u64) -> Result<&[u8], OutOfBounds> {
        let Some((start, len)) = range(ptr, len)? else {
            return Ok(&[]);
        };
        // SAFETY: not null, not longer than a slice may be, and not beyond the end of the address space. That the
        // bytes are there and don't change while the host looks is the plugin's part of the ABI; the plugin waits
        // for the host function meanwhile.
        Ok(unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(start), len) })
    }

    #[inline]
    fn write(&mut self, ptr: u64, len: u64) -> Result<&mut [u8], OutOfBounds> {
        let Some((start, len)) = range(ptr, len)? else {
            return Ok(&mut []);
        };
        // SAFETY: as in `read`; the plugin gave the address for the host to write to.
        Ok(unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(start), len) })
    }
}

/// Address and length, if they can be those of bytes; `None` for no bytes, which may be anywhere.
#[inline]
fn range(ptr: u64, len: u64) -> Result<Option<(usize, usize)>, OutOfBounds> {
    if len == 0 {
        return Ok(None);
    }
    let start = usize::try_from(ptr).map_err(|_| OutOfBounds)?;
    let len = isize::try_from(len).map_err(|_| OutOfBounds)?.cast_unsigned();
    if start == 0 || start.checked_add(len).is_none() {
        return Err(OutOfBounds);
    }
    Ok(Some((start, len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        let mut memory = AddressSpace;
        assert_eq!(memory.read(0, 1), Err(OutOfBounds));
        assert_eq!(memory.write(0, 1), Err(OutOfBounds));
        assert_eq!(memory.read(1, 1 << 63), Err(OutOfBounds));
        assert_eq!(memory.read(u64::MAX - 3, 8), Err(OutOfBounds));
        assert_eq!(memory.write(u64::MAX, 1), Err(OutOfBounds));
    }

    #[test]
    fn no_bytes_are_everywhere() {
        let mut memory = AddressSpace;
        for ptr in [0, 1, u64::MAX] {
            assert_eq!(memory.read(ptr, 0), Ok(&[][..]));
            assert_eq!(memory.write(ptr, 0), Ok(&mut [][..]));
        }
    }

    #[test]
    fn bytes_are_read_and_written_where_they_are() {
        let mut bytes = [1u8, 2, 3];
        let ptr = (&raw mut bytes).expose_provenance() as u64;
        AddressSpace.write(ptr + 1, 2).unwrap().copy_from_slice(&[8, 9]);
        assert_eq!(AddressSpace.read(ptr, 3), Ok(&[1, 8, 9][..]));
    }
}
