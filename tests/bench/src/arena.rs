//! The headers of the hosts that are written by hand.

/// Headers as one piece of memory: `name\0value\0`, and where each begins.
#[derive(Default)]
pub(crate) struct Arena {
    /// Names and values.
    pub(crate) bytes: Vec<u8>,
    entries: Vec<(u32, u32, u32)>,
}

impl Arena {
    /// Replaces everything.
    pub(crate) fn fill(&mut self, headers: &[(&str, &str)]) {
        self.bytes.clear();
        self.entries.clear();
        for (name, value) in headers {
            self.add(name.as_bytes(), value.as_bytes());
        }
    }

    /// Adds one at the end.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.bytes.extend_from_slice(value);
        self.bytes.push(0);
        self.entries.push((start, name.len() as u32, value.len() as u32));
    }

    /// Where a value is.
    pub(crate) fn get(&self, name: &[u8]) -> Option<std::ops::Range<usize>> {
        self.entries.iter().find_map(|(start, name_len, value_len)| {
            let (start, name_len) = (*start as usize, *name_len as usize);
            let value = start + name_len + 1;
            (&self.bytes[start..start + name_len] == name).then_some(value..value + *value_len as usize)
        })
    }

    /// Bytes that [`Self::encode_into`] writes.
    pub(crate) fn encoded_len(&self) -> usize {
        4 + 8 * self.entries.len() + self.bytes.len()
    }

    /// Writes them as a plugin reads them.
    pub(crate) fn encode_into(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(&(self.entries.len() as u32).to_le_bytes());
        let mut at = 4;
        for (_, name, value) in &self.entries {
            out[at..at + 4].copy_from_slice(&name.to_le_bytes());
            out[at + 4..at + 8].copy_from_slice(&value.to_le_bytes());
            at += 8;
        }
        out[at..].copy_from_slice(&self.bytes);
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, name: &[u8]) {
        let Some(value) = self.get(name) else { return };
        let (start, end) = (value.start - name.len() - 1, value.end + 1);
        self.bytes.drain(start..end);
        self.entries.retain(|entry| entry.0 as usize != start);
        for entry in &mut self.entries {
            if entry.0 as usize > start {
                entry.0 -= (end - start) as u32;
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
