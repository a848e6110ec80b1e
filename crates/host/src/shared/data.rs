//! Shared data: keys with values, and a number for each that tells whether it was changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::{SharedLimits, lock};

/// The shared data of one `vm_id`.
pub(crate) struct Data {
    max_entries: usize,
    max_bytes: usize,
    store: Mutex<Store>,
}

/// A value, and the number that changes with it.
type Versioned = (Arc<[u8]>, u32);

#[derive(Default)]
struct Store {
    entries: HashMap<Box<[u8]>, Versioned>,
    bytes: usize,
    last_cas: u32,
}

/// Why a value was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetError {
    /// It was changed since it was read.
    CasMismatch,
    /// There is no room for it.
    Full,
}

impl Data {
    pub(crate) fn new(limits: &SharedLimits) -> Self {
        Data {
            max_entries: limits.data_entries,
            max_bytes: limits.data_bytes,
            store: Mutex::default(),
        }
    }

    /// A value, and the number to give to [`Data::set`].
    pub(crate) fn get(&self, key: &[u8]) -> Option<Versioned> {
        lock(&self.store).entries.get(key).cloned()
    }

    /// Sets a value. A `cas` other than 0 must be the number of the present value; for a key that isn't there it
    /// doesn't matter, as on Envoy.
    pub(crate) fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), SetError> {
        let value: Arc<[u8]> = value.into();
        let mut store = lock(&self.store);
        let Store {
            entries,
            bytes,
            last_cas,
        } = &mut *store;
        // 0 means "whatever it is", so no value has it.
        let next_cas = last_cas.checked_add(1).unwrap_or(1);
        match entries.get_mut(key) {
            Some(entry) => {
                let (old, old_cas) = &*entry;
                if cas != 0 && cas != *old_cas {
                    return Err(SetError::CasMismatch);
                }
                let sum = *bytes - old.len() + value.len();
                if sum > self.max_bytes {
                    return Err(SetError::Full);
                }
                *bytes = sum;
                *entry = (value, next_cas);
            }
            None => {
                let sum = bytes.saturating_add(key.len()).saturating_add(value.len());
                if entries.len() >= self.max_entries || sum > self.max_bytes {
                    return Err(SetError::Full);
                }
                *bytes = sum;
                entries.insert(key.into(), (value, next_cas));
            }
        }
        *last_cas = next_cas;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(data: &Data, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        data.get(key).map(|(value, cas)| (value.to_vec(), cas))
    }

    #[test]
    fn a_value_is_replaced_only_by_who_has_seen_it() {
        let data = Data::new(&SharedLimits::default());
        assert_eq!(value(&data, b"k"), None);
        // A key that is not there has no number to compare with.
        assert_eq!(data.set(b"k", b"1", 77), Ok(()));
        let (_, cas) = value(&data, b"k").unwrap();
        assert_eq!(data.set(b"k", b"2", cas + 1), Err(SetError::CasMismatch));
        assert_eq!(data.set(b"k", b"2", cas), Ok(()));
        assert_eq!(data.set(b"k", b"3", cas), Err(SetError::CasMismatch));
        assert_eq!(data.set(b"k", b"3", 0), Ok(()));
        assert_eq!(value(&data, b"k").unwrap().0, b"3");
    }

    #[test]
    fn the_number_is_never_zero() {
        let data = Data::new(&SharedLimits::default());
        lock(&data.store).last_cas = u32::MAX - 1;
        for expected in [u32::MAX, 1, 2] {
            data.set(b"k", b"", 0).unwrap();
            assert_eq!(value(&data, b"k").unwrap().1, expected);
        }
    }

    #[test]
    fn there_is_room_for_so_much() {
        let limits = SharedLimits {
            data_entries: 2,
            data_bytes: 10,
            ..SharedLimits::default()
        };
        let data = Data::new(&limits);
        assert_eq!(data.set(b"a", b"12345", 0), Ok(()));
        assert_eq!(data.set(b"b", b"1234", 0), Err(SetError::Full));
        assert_eq!(data.set(b"b", b"123", 0), Ok(()));
        assert_eq!(data.set(b"c", b"", 0), Err(SetError::Full));
        assert_eq!(data.set(b"a", b"123456", 0), Err(SetError::Full));
        assert_eq!(value(&data, b"a").unwrap().0, b"12345");
        assert_eq!(data.set(b"a", b"1", 0), Ok(()));
        assert_eq!(data.set(b"b", b"1234567", 0), Ok(()));
    }
}
