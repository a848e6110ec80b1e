//! A small mutator for the tests, which run without a fuzzer.

/// The same numbers for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from this seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % (end.max(1) as u64)) as usize
    }
}

/// Numbers at which code goes wrong, as 32 bits.
const BOUNDARIES: [u32; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff0,
    0xffff_fffe,
    0xffff_ffff,
];

/// The longest result.
const MAX: usize = 64 << 10;

/// Changes an input in one to four places; `other` is what pieces are taken from.
pub fn mutate(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        once(&mut bytes, other, random);
        bytes.truncate(MAX);
    }
    bytes
}

fn once(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(16)).min(bytes.len());
    match random.below(7) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
        2 => {
            let number = BOUNDARIES[random.below(BOUNDARIES.len())].to_le_bytes();
            let len = [1, 2, 4][random.below(3)];
            for (byte, new) in bytes.iter_mut().skip(at).zip(&number[..len]) {
                *byte = *new;
            }
        }
        3 => bytes.truncate(at),
        4 => {
            bytes.drain(at.min(end)..end);
        }
        5 => {
            let piece = bytes[at.min(end)..end].to_vec();
            for _ in 0..=random.below(8) {
                bytes.splice(at..at, piece.iter().copied());
            }
        }
        _ => {
            let from = random.below(other.len());
            let to = (from + 1 + random.below(64)).min(other.len());
            let piece = other.get(from..to).unwrap_or_default();
            bytes.splice(at..end.max(at), piece.iter().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_another_something_else() {
        let all = |seed| -> Vec<Vec<u8>> {
            let mut random = Random::new(seed);
            (0..100)
                .map(|_| mutate(b"some input", b"another", &mut random))
                .collect()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert!(all(1).iter().filter(|bytes| *bytes != b"some input").count() > 80);
    }

    #[test]
    fn nothing_can_be_mutated() {
        let mut random = Random::new(3);
        for _ in 0..1000 {
            mutate(b"", b"", &mut random);
        }
    }
}
