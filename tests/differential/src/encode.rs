//! A script as bytes in the guest's memory.

use crate::guest;
use crate::layout::{ALLOCATOR, DATA, HEAP, MOST_STEPS, OUT, RESULTS, SCRIPT, SLOTS, STEP};
use crate::probe::Patch;
use crate::script::{Arg, Does, Step};

/// Where everything of a script goes. A script without steps ends the one before.
pub(crate) fn patch(script: &[Step]) -> Patch {
    let mut steps = Vec::new();
    let mut data = Data::default();
    for (number, step) in script.iter().take(MOST_STEPS as usize).enumerate() {
        let from = steps.len();
        let code = match step.does {
            Does::Call(function) => guest::code(function),
            Does::Deed(deed) => guest::deed_code(deed),
        };
        steps.extend_from_slice(&code.to_le_bytes());
        steps.extend_from_slice(&(RESULTS + 8 * number as u32).to_le_bytes());
        let mut len = 0;
        for arg in &step.args {
            let (kind, value) = match arg {
                Arg::Num(value) => (0, *value),
                Arg::Data(bytes) => {
                    len = bytes.len() as u64;
                    (0, data.put(bytes))
                }
                Arg::Pieces(pieces) => {
                    len = pieces.len() as u64;
                    let list: Vec<u8> = pieces
                        .iter()
                        .flat_map(|piece| [data.put(piece) as u32, piece.len() as u32])
                        .flat_map(u32::to_le_bytes)
                        .collect();
                    (0, data.put(&list))
                }
                Arg::Len => (0, len),
                Arg::Out(slot) => (0, u64::from(place(*slot))),
                Arg::Load(slot) => (1, u64::from(place(*slot))),
            };
            steps.extend_from_slice(&u64::to_le_bytes(kind));
            steps.extend_from_slice(&value.to_le_bytes());
        }
        steps.resize(from + STEP as usize, 0);
    }
    // A zero after the last, and a good allocator to begin with.
    steps.extend_from_slice(&[0; 4]);
    vec![(SCRIPT, steps), (DATA, data.0), (ALLOCATOR, vec![0; 4])]
}

fn place(slot: u32) -> u32 {
    OUT + 8 * (slot % SLOTS)
}

#[derive(Default)]
struct Data(Vec<u8>);

impl Data {
    /// Puts bytes into the data and says where they are. What has no room left is where the room ends.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = DATA as usize + self.0.len();
        if at + bytes.len() + 8 <= HEAP as usize {
            self.0.extend_from_slice(bytes);
            self.0.resize(self.0.len().next_multiple_of(8), 0);
        }
        at as u64
    }
}
