//! What `envoy_on_stats_update` is called with: counters and gauges by name, as one buffer.
//!
//! The callback is Envoy's and in no specification; the buffer is as Envoy lays it out and as the functions read it that
//! Envoy has for plugins. All numbers are little-endian:
//!
//! * for the counters and then for the gauges, a block: its size in bytes, 1 or 2 for its kind, and how many entries it has,
//!   each a `u32`;
//! * for each entry, the length of its name (`u32`), the name, zeros up to a multiple of 8 in the buffer, the value (`u64`)
//!   and, of a counter, by how much it grew (`u64`).
//!
//! Envoy 1.40 states wrong sizes and counts: `docs/envoy-differences.md` has what it does.

/// A counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterUpdate<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// What it stands at.
    pub value: u64,
    /// How much of that came since the last update.
    pub delta: u64,
}

/// A gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaugeUpdate<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// What it stands at.
    pub value: u64,
}

/// The counters and gauges that a plugin is told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsUpdate<'a> {
    /// The counters, in any order.
    pub counters: Vec<CounterUpdate<'a>>,
    /// The gauges, in any order.
    pub gauges: Vec<GaugeUpdate<'a>>,
}

const COUNTERS: u32 = 1;
const GAUGES: u32 = 2;
const ALIGN: usize = 8;

impl<'a> StatsUpdate<'a> {
    /// The buffer. `None` if it would be larger than the 4 GiB that its sizes can say.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let counters = self.counters.iter();
        let counters = counters.map(|counter| (counter.name, [counter.value, counter.delta]));
        block(&mut out, COUNTERS, counters)?;
        let gauges = self.gauges.iter().map(|gauge| (gauge.name, [gauge.value]));
        block(&mut out, GAUGES, gauges)?;
        u32::try_from(out.len()).is_ok().then_some(out)
    }

    /// Reads a buffer. `None` if it is not one. Blocks of other kinds are passed over.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut update = StatsUpdate::default();
        let mut begin = 0;
        while begin < bytes.len() {
            let mut reader = Reader { bytes, at: begin };
            let (size, kind, count) = (reader.number()?, reader.number()?, reader.number()?);
            let end = begin.checked_add(size as usize)?;
            if end < reader.at || end > bytes.len() {
                return None;
            }
            reader.bytes = &bytes[..end];
            for _ in 0..count {
                match kind {
                    COUNTERS => {
                        let (name, [value, delta]) = reader.entry()?;
                        update.counters.push(CounterUpdate { name, value, delta });
                    }
                    GAUGES => {
                        let (name, [value]) = reader.entry()?;
                        update.gauges.push(GaugeUpdate { name, value });
                    }
                    _ => break,
                }
            }
            begin = end;
        }
        Some(update)
    }
}

fn block<'n, const N: usize>(
    out: &mut Vec<u8>,
    kind: u32,
    entries: impl ExactSizeIterator<Item = (&'n [u8], [u64; N])>,
) -> Option<()> {
    let begin = out.len();
    // Its size is known when it is written.
    for number in [0, kind, u32::try_from(entries.len()).ok()?] {
        out.extend(number.to_le_bytes());
    }
    for (name, values) in entries {
        out.extend(u32::try_from(name.len()).ok()?.to_le_bytes());
        out.extend(name);
        out.resize(out.len().next_multiple_of(ALIGN), 0);
        values.iter().for_each(|value| out.extend(value.to_le_bytes()));
    }
    let size = u32::try_from(out.len() - begin).ok()?;
    out[begin..begin + 4].copy_from_slice(&size.to_le_bytes());
    Some(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn entry<const N: usize>(&mut self) -> Option<(&'a [u8], [u64; N])> {
        let len = self.number()?;
        let name = self.take(len as usize)?;
        self.take(self.at.next_multiple_of(ALIGN) - self.at)?;
        let mut values = [0; N];
        for value in &mut values {
            *value = u64::from_le_bytes(self.array()?);
        }
        Some((name, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> StatsUpdate<'static> {
        StatsUpdate {
            counters: vec![
                CounterUpdate {
                    name: b"wasmcustom.flushes",
                    value: 3,
                    delta: 1,
                },
                CounterUpdate {
                    name: b"abcd",
                    value: u64::MAX,
                    delta: 0,
                },
            ],
            gauges: vec![GaugeUpdate {
                name: b"server.live",
                value: 1,
            }],
        }
    }

    #[test]
    fn as_envoy_writes_it() {
        let bytes = some().encode().unwrap();
        let mut expected = Vec::new();
        // Two entries: 12 + 4 + 18, filled up to 40, and two values; 56 + 4 + 4 = 64, and two values.
        for number in [80_u32, 1, 2, 18] {
            expected.extend(number.to_le_bytes());
        }
        expected.extend(b"wasmcustom.flushes\0\0\0\0\0\0");
        for number in [3_u64, 1] {
            expected.extend(number.to_le_bytes());
        }
        expected.extend(4_u32.to_le_bytes());
        expected.extend(b"abcd");
        expected.extend([0xff; 8]);
        expected.extend([0; 8]);
        for number in [40_u32, 2, 1, 11] {
            expected.extend(number.to_le_bytes());
        }
        expected.extend(b"server.live\0\0\0\0\0");
        expected.extend(1_u64.to_le_bytes());
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_written_is_read() {
        for update in [some(), StatsUpdate::default()] {
            let bytes = update.encode().unwrap();
            assert_eq!(StatsUpdate::decode(&bytes), Some(update));
        }
        // The padding is that of the buffer, whatever the block before has.
        let mut update = some();
        update.counters.clear();
        let bytes = update.encode().unwrap();
        assert_eq!(StatsUpdate::decode(&bytes), Some(update));
    }

    #[test]
    fn what_is_cut_is_refused_and_nothing_panics() {
        let bytes = some().encode().unwrap();
        for end in 0..bytes.len() {
            // After the counters there may be nothing.
            let whole = end == 0 || end == 80;
            assert_eq!(StatsUpdate::decode(&bytes[..end]).is_some(), whole, "{end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            let _ = StatsUpdate::decode(&changed);
        }
        // A size of 0 would never end.
        assert_eq!(StatsUpdate::decode(&[0; 12]), None);
    }
}
