//! Exports, and their values in WAMR's cells of 32 bits.

use enginebay_engine::{Export, Signature, ValType};

/// Cells for the most parameters a function may have.
pub(crate) const MAX_CELLS: usize = 2 * Signature::MAX_PARAMS;

/// The parameters of a call, and then its result.
pub(crate) type Cells = [u32; MAX_CELLS];

/// An export that the host may call.
pub(crate) struct Wanted {
    pub(crate) export: Export,
    /// Each parameter is one cell wide, as in all of Proxy-Wasm.
    narrow: bool,
    /// Cells of the result.
    result: usize,
}

impl Wanted {
    pub(crate) fn new(export: Export) -> Self {
        Wanted {
            export,
            narrow: export.signature.params.iter().all(|ty| cells(*ty) == 1),
            result: export.signature.result.map_or(0, cells),
        }
    }

    /// Writes the arguments, one for each parameter, and says how many cells they take.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of a word, and a count up to MAX_CELLS"
    )]
    pub(crate) fn pack(&self, args: &[u64], to: &mut Cells) -> u32 {
        if self.narrow {
            for (cell, word) in to.iter_mut().zip(args) {
                *cell = *word as u32;
            }
            return args.len() as u32;
        }
        let mut free = to.iter_mut();
        let mut used = 0;
        for (ty, word) in self.export.signature.params.iter().zip(args) {
            let halves = [*word as u32, (*word >> 32) as u32];
            for (half, cell) in halves.iter().take(cells(*ty)).zip(&mut free) {
                *cell = *half;
                used += 1;
            }
        }
        used
    }

    /// Reads the result.
    #[inline]
    pub(crate) fn unpack(&self, from: &Cells) -> u64 {
        match self.result {
            0 => 0,
            1 => u64::from(from[0]),
            _ => u64::from(from[0]) | u64::from(from[1]) << 32,
        }
    }
}

fn cells(ty: ValType) -> usize {
    match ty {
        ValType::I32 | ValType::F32 => 1,
        ValType::I64 | ValType::F64 => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(params: &'static [ValType], result: Option<ValType>) -> Wanted {
        Wanted::new(Export {
            name: "f",
            signature: Signature::new(params, result),
        })
    }

    #[test]
    fn wide_values_take_two_cells_low_half_first() {
        let wanted = wanted(&[ValType::I32, ValType::I64, ValType::F32], Some(ValType::F64));
        let mut cells = [0; MAX_CELLS];
        assert_eq!(
            wanted.pack(&[1, 0x0000_0003_0000_0002, 0xffff_ffff_0000_0004], &mut cells),
            4
        );
        assert_eq!(cells[..5], [1, 2, 3, 4, 0]);
        assert_eq!(wanted.unpack(&cells), 0x0000_0002_0000_0001);
    }

    #[test]
    fn the_widest_signature_fits() {
        let wanted = wanted(&[ValType::I64; Signature::MAX_PARAMS], None);
        let mut cells = [0; MAX_CELLS];
        assert_eq!(
            wanted.pack(&[u64::MAX; Signature::MAX_PARAMS], &mut cells) as usize,
            MAX_CELLS
        );
        assert_eq!(cells, [u32::MAX; MAX_CELLS]);
        assert_eq!(wanted.unpack(&cells), 0);
    }
}
