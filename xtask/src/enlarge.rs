//! Modules of any size, made from a real one: what is loaded in benchmarks has code like a plugin's, and needs no file
//! of megabytes in the repository.

use anyhow::{Context, Result, bail};

const FUNCTIONS: u8 = 3;
const CODE: u8 = 10;

/// The module with its functions repeated, behind those that are there, until it has at least `size` bytes. Nothing calls
/// the copies; engines compile them all the same. A module that is as large already is returned as it is.
///
/// # Errors
///
/// It is not a module, or has no function of its own.
pub fn enlarge(module: &[u8], size: usize) -> Result<Vec<u8>> {
    let header = module
        .get(..8)
        .filter(|header| header.starts_with(b"\0asm"))
        .context("not a module")?;
    let mut sections = Vec::new();
    let mut rest = &module[8..];
    while let Some((&id, after)) = rest.split_first() {
        let (length, after) = number(after)?;
        let (body, after) = after
            .split_at_checked(length)
            .context("a section ends behind the module")?;
        sections.push((id, body));
        rest = after;
    }
    let items = |id| {
        let body = sections.iter().find(|(found, _)| *found == id);
        number(body.with_context(|| format!("there is no section {id}"))?.1)
    };
    let ((count, types), (bodies, code)) = (items(FUNCTIONS)?, items(CODE)?);
    if count != bodies || code.is_empty() {
        bail!("the module has {count} functions and the code of {bodies}");
    }
    let times = 1 + size
        .saturating_sub(module.len())
        .div_ceil(types.len() + code.len());
    let mut out = header.to_vec();
    for (id, body) in sections {
        let repeated = match id {
            FUNCTIONS => Some(types),
            CODE => Some(code),
            _ => None,
        };
        let body = match repeated {
            Some(items) => [encoded(count * times), items.repeat(times)].concat(),
            None => body.to_vec(),
        };
        out.push(id);
        out.extend(encoded(body.len()));
        out.extend(body);
    }
    Ok(out)
}

/// A number of at most 32 bits in LEB128, and what is behind it.
fn number(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[index + 1..]));
        }
    }
    bail!("a number has no end");
}

fn encoded(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_module_grows_and_stays_valid() {
        let file = crate::workspace::guests().join("wasm/header_filter.wasm");
        let module = std::fs::read(file).unwrap();
        let large = enlarge(&module, 1 << 20).unwrap();
        assert!(large.len() >= 1 << 20, "{}", large.len());
        assert!(large.len() < (1 << 20) + module.len(), "{}", large.len());
        wasmparser::validate(&large).unwrap();
        assert_eq!(enlarge(&module, 1).unwrap(), module);
    }

    #[test]
    fn what_is_not_a_module_is_an_error() {
        for bytes in [
            b"".as_slice(),
            b"\0asm",
            b"\0asm\x01\0\0\0",
            b"\0asm\x01\0\0\0\x03\x7f",
            b"\0asm\x01\0\0\0\x03\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(enlarge(bytes, 100).is_err(), "{bytes:?}");
        }
    }
}
