//! Keeps a mistake of wasmi 2.0.0 from running: a `select` whose condition is the comparison of a local with zero is made one
//! instruction with the comparison, and then looks at what some earlier instruction left behind instead of at the local.
//!
//! The copy of a module that wasmi is given turns the bits of such a condition around once, which leaves zero zero and
//! anything else something else, and keeps the two apart.

use std::borrow::Cow;
use std::ops::Range;

use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload};

const CODE: u8 = 10;

/// `i32.const 1`, `i32.rotl`
const TURN: [u8; 3] = [0x41, 0x01, 0x77];

/// The module, or a copy in which no comparison comes right before its `select`. One that can't be read stays as it is: wasmi
/// says what is wrong with it.
pub(crate) fn separate(code: &[u8]) -> Cow<'_, [u8]> {
    match rewrite(code) {
        Ok(Some(copy)) => copy.into(),
        Ok(None) | Err(_) => code.into(),
    }
}

fn rewrite(code: &[u8]) -> Result<Option<Vec<u8>>, BinaryReaderError> {
    let mut section = None;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(code) {
        match payload? {
            Payload::CodeSectionStart { range, .. } => section = Some(range),
            Payload::CodeSectionEntry(body) => bodies.push((body.range(), places(&body)?)),
            _ => {}
        }
    }
    let Some(section) = section else {
        return Ok(None);
    };
    if bodies.iter().all(|(_, places)| places.is_empty()) {
        return Ok(None);
    }
    Ok(with_turns(code, &section, &bodies))
}

/// The `select`s of a function before which the bits are to be turned.
fn places(body: &FunctionBody<'_>) -> Result<Vec<usize>, BinaryReaderError> {
    let mut places = Vec::new();
    let mut compared = false;
    for operator in body.get_operators_reader()?.into_iter_with_offsets() {
        let (operator, offset) = operator?;
        match operator {
            Operator::Select | Operator::TypedSelect { .. } if compared => places.push(offset),
            _ => {}
        }
        compared = may_leave_a_comparison(&operator);
    }
    Ok(places)
}

/// Whether the last instruction that wasmi makes may be a comparison with zero after this one: for what compares, and what
/// makes no instruction of its own.
fn may_leave_a_comparison(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32Eqz
            | Operator::I32Eq
            | Operator::I32Ne
            | Operator::I32LtS
            | Operator::I32LtU
            | Operator::I32GtS
            | Operator::I32GtU
            | Operator::I32LeS
            | Operator::I32LeU
            | Operator::I32GeS
            | Operator::I32GeU
            | Operator::Nop
            | Operator::Drop
            | Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::End
    )
}

fn with_turns(code: &[u8], section: &Range<usize>, bodies: &[(Range<usize>, Vec<usize>)]) -> Option<Vec<u8>> {
    let mut new = Vec::with_capacity(section.len() + section.len() / 16);
    write_size(&mut new, bodies.len());
    for (range, places) in bodies {
        write_size(&mut new, range.len() + places.len() * TURN.len());
        let mut from = range.start;
        for place in places {
            new.extend_from_slice(code.get(from..*place)?);
            new.extend_from_slice(&TURN);
            from = *place;
        }
        new.extend_from_slice(code.get(from..range.end)?);
    }
    // The section's number and its size are in front of its contents, and the size may be written with more bytes than it
    // takes.
    let contents = section.start;
    let number = (1..=5)
        .map(|bytes| contents.checked_sub(bytes + 1))
        .find_map(|at| {
            let at = at?;
            let size = code.get(at + 1..contents)?;
            (code.get(at) == Some(&CODE) && read_size(size) == Some(section.len())).then_some(at)
        })?;
    let mut copy = Vec::with_capacity(code.len() + new.len() - section.len() + 5);
    copy.extend_from_slice(code.get(..=number)?);
    write_size(&mut copy, new.len());
    copy.extend_from_slice(&new);
    copy.extend_from_slice(code.get(section.end..)?);
    Some(copy)
}

fn write_size(out: &mut Vec<u8>, mut size: usize) {
    while size >= 0x80 {
        out.push(size as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
}

/// The number that these bytes are, if all of them belong to it.
fn read_size(bytes: &[u8]) -> Option<usize> {
    let (last, others) = bytes.split_last()?;
    if *last >= 0x80 || others.iter().any(|byte| *byte < 0x80) {
        return None;
    }
    let add = |size: usize, byte: &u8| size << 7 | usize::from(byte & 0x7f);
    Some(bytes.iter().rev().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for size in [0, 1, 127, 128, 300, 16_383, 16_384, 1 << 27] {
            let mut bytes = Vec::new();
            write_size(&mut bytes, size);
            assert_eq!(read_size(&bytes), Some(size));
            // Longer than it has to be.
            if let Some(last) = bytes.last_mut() {
                *last |= 0x80;
            }
            bytes.push(0);
            assert_eq!(read_size(&bytes), Some(size));
        }
        assert_eq!(read_size(&[]), None);
        assert_eq!(read_size(&[1, 1]), None);
        assert_eq!(read_size(&[0x80]), None);
    }

    #[test]
    fn what_is_no_module_or_needs_nothing_stays() {
        let nothing = b"\0asm\x01\0\0\0";
        for code in [&b"no module"[..], b"", nothing] {
            assert!(matches!(separate(code), Cow::Borrowed(same) if same == code));
        }
    }

    /// `(module (func (param i32) (result i32) i32.const 7 i32.const 8 local.get 0 i32.eqz select))`, with the sizes of the
    /// section and of the function written in more bytes than they take.
    #[test]
    fn sizes_may_be_long() {
        let body = [0, 0x41, 7, 0x41, 8, 0x20, 0, 0x45, 0x1b, 0x0b];
        let mut code = b"\0asm\x01\0\0\0\x01\x06\x01\x60\x01\x7f\x01\x7f\x03\x02\x01\0\x0a".to_vec();
        code.extend_from_slice(&[0x8c + 1, 0x80, 0x00, 1, 0x8a, 0x00]);
        code.extend_from_slice(&body);
        let copy = separate(&code);
        let body = [0, 0x41, 7, 0x41, 8, 0x20, 0, 0x45, 0x41, 1, 0x77, 0x1b, 0x0b];
        assert!(
            copy.ends_with(&[&[0x0a, 15, 1, 13][..], &body].concat()),
            "{copy:x?}"
        );
        wasmparser::validate(&copy).unwrap();
    }
}
