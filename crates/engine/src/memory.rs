//! Checked access to a guest's memory.

/// An access outside the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of bounds memory access")]
pub struct OutOfBounds;

/// Memory that is not one slice of bytes: the address space of native plugins.
pub trait ForeignMemory {
    /// `len` readable bytes at `ptr`.
    ///
    /// # Errors
    /// [`OutOfBounds`] for an address that can't be a guest's.
    fn read(&self, ptr: u64, len: u64) -> Result<&[u8], OutOfBounds>;

    /// `len` writable bytes at `ptr`.
    ///
    /// # Errors
    /// As [`ForeignMemory::read`].
    fn write(&mut self, ptr: u64, len: u64) -> Result<&mut [u8], OutOfBounds>;
}

enum Repr<'a> {
    Linear(&'a mut [u8]),
    Foreign(&'a mut dyn ForeignMemory),
}

/// A guest's memory, borrowed for as long as the guest does not run.
///
/// Every access is checked; numbers are little-endian, and a *word* is a pointer or `size_t` of the guest.
pub struct Memory<'a>(Repr<'a>);

impl<'a> Memory<'a> {
    /// The linear memory of a WebAssembly guest: 4-byte words.
    #[inline]
    pub fn linear(bytes: &'a mut [u8]) -> Self {
        Memory(Repr::Linear(bytes))
    }

    /// The memory of a native guest: 8-byte words.
    pub fn foreign(memory: &'a mut dyn ForeignMemory) -> Self {
        Memory(Repr::Foreign(memory))
    }

    /// Size of a pointer and of `size_t`, in bytes: 4 or 8.
    #[inline]
    pub fn word_size(&self) -> u64 {
        match self.0 {
            Repr::Linear(_) => 4,
            Repr::Foreign(_) => 8,
        }
    }

    /// Size of the linear memory in bytes; 0 where there is none.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Linear(bytes) => bytes.len(),
            Repr::Foreign(_) => 0,
        }
    }

    /// Whether there is no linear memory, or none of it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `len` bytes at `ptr`.
    ///
    /// # Errors
    /// [`OutOfBounds`] when any of them is outside the memory.
    #[inline]
    pub fn read(&self, ptr: u64, len: u64) -> Result<&[u8], OutOfBounds> {
        match &self.0 {
            Repr::Linear(bytes) => bytes.get(range(ptr, len)?).ok_or(OutOfBounds),
            Repr::Foreign(memory) => memory.read(ptr, len),
        }
    }

    /// The `len` bytes at `ptr`, to write to.
    ///
    /// # Errors
    /// [`OutOfBounds`] when any of them is outside the memory.
    #[inline]
    pub fn write(&mut self, ptr: u64, len: u64) -> Result<&mut [u8], OutOfBounds> {
        match &mut self.0 {
            Repr::Linear(bytes) => bytes.get_mut(range(ptr, len)?).ok_or(OutOfBounds),
            Repr::Foreign(memory) => memory.write(ptr, len),
        }
    }

    /// The 4-byte number at `ptr`.
    ///
    /// # Errors
    /// [`OutOfBounds`] when it is not inside the memory.
    #[inline]
    pub fn read_u32(&self, ptr: u64) -> Result<u32, OutOfBounds> {
        let bytes = self.read(ptr, 4)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| OutOfBounds)?))
    }

    /// The 8-byte number at `ptr`.
    ///
    /// # Errors
    /// [`OutOfBounds`] when it is not inside the memory.
    #[inline]
    pub fn read_u64(&self, ptr: u64) -> Result<u64, OutOfBounds> {
        let bytes = self.read(ptr, 8)?;
        Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| OutOfBounds)?))
    }

    /// The word (pointer or `size_t`) at `ptr`.
    ///
    /// # Errors
    /// [`OutOfBounds`] when it is not inside the memory.
    #[inline]
    pub fn read_word(&self, ptr: u64) -> Result<u64, OutOfBounds> {
        match self.0 {
            Repr::Linear(_) => self.read_u32(ptr).map(u64::from),
            Repr::Foreign(_) => self.read_u64(ptr),
        }
    }

    /// Writes one byte.
    ///
    /// # Errors
    /// [`OutOfBounds`] when it is not inside the memory.
    #[inline]
    pub fn write_u8(&mut self, ptr: u64, value: u8) -> Result<(), OutOfBounds> {
        self.write(ptr, 1)?[0] = value;
        Ok(())
    }

    /// Writes a 4-byte number.
    ///
    /// # Errors
    /// [`OutOfBounds`] when it is not inside the memory.
    #[inline]
    pub fn write_u32(&mut self, ptr: u64, value: u32) -> Result<(), OutOfBounds> {
        self.write(ptr, 4)?.copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    /// Writes an 8-byte number.
    ///
    /// # Errors
    /// [`OutOfBounds`] when it is not inside the memory.
    #[inline]
    pub fn write_u64(&mut self, ptr: u64, value: u64) -> Result<(), OutOfBounds> {
        self.write(ptr, 8)?.copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    /// Writes a word (pointer or `size_t`).
    ///
    /// # Errors
    /// [`OutOfBounds`] when it is not inside the memory, or when the value doesn't fit the guest's word.
    #[inline]
    pub fn write_word(&mut self, ptr: u64, value: u64) -> Result<(), OutOfBounds> {
        match self.0 {
            Repr::Linear(_) => self.write_u32(ptr, u32::try_from(value).map_err(|_| OutOfBounds)?),
            Repr::Foreign(_) => self.write_u64(ptr, value),
        }
    }
}

#[inline]
fn range(ptr: u64, len: u64) -> Result<std::ops::Range<usize>, OutOfBounds> {
    let end = ptr.checked_add(len).ok_or(OutOfBounds)?;
    let start = usize::try_from(ptr).map_err(|_| OutOfBounds)?;
    let end = usize::try_from(end).map_err(|_| OutOfBounds)?;
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_access_is_checked_at_the_edges() {
        let mut bytes = [0u8; 16];
        let mut memory = Memory::linear(&mut bytes);
        assert_eq!(memory.read(16, 0), Ok(&[][..]));
        assert_eq!(memory.read(17, 0), Err(OutOfBounds));
        assert_eq!(memory.read(15, 1), Ok(&[0][..]));
        assert_eq!(memory.read(15, 2), Err(OutOfBounds));
        assert_eq!(memory.read(u64::MAX, 2), Err(OutOfBounds));
        assert_eq!(memory.write_u32(13, 1), Err(OutOfBounds));
        assert_eq!(memory.write_u64(8, 0x0102_0304_0506_0708), Ok(()));
        assert_eq!(memory.read_u32(8), Ok(0x0506_0708));
        assert_eq!(memory.read_u64(8), Ok(0x0102_0304_0506_0708));
    }

    #[test]
    fn a_word_is_as_wide_as_the_guests() {
        let mut bytes = [0xffu8; 8];
        let mut memory = Memory::linear(&mut bytes);
        assert_eq!(memory.write_word(0, 7), Ok(()));
        assert_eq!(memory.write_word(0, 1 << 32), Err(OutOfBounds));
        assert_eq!(memory.read_word(0), Ok(7));
        assert_eq!(bytes, [7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);

        struct Native([u8; 16]);
        impl ForeignMemory for Native {
            fn read(&self, ptr: u64, len: u64) -> Result<&[u8], OutOfBounds> {
                self.0.get(ptr as usize..(ptr + len) as usize).ok_or(OutOfBounds)
            }
            fn write(&mut self, ptr: u64, len: u64) -> Result<&mut [u8], OutOfBounds> {
                self.0
                    .get_mut(ptr as usize..(ptr + len) as usize)
                    .ok_or(OutOfBounds)
            }
        }
        let mut native = Native([0; 16]);
        let mut memory = Memory::foreign(&mut native);
        assert_eq!(memory.word_size(), 8);
        assert_eq!(memory.write_word(8, 1 << 32), Ok(()));
        assert_eq!(memory.read_word(8), Ok(1 << 32));
    }
}
