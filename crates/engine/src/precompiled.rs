//! Compiled code carried in a module: one custom section for each engine that compiled it.
//!
//! The section is called [`PRECOMPILED_SECTION`] and holds, after eight bytes that name the format, the length of the
//! key (4 bytes, little-endian), the key, the SHA-256 of the module without such sections, the SHA-256 of the compiled
//! code, and the compiled code. The digests find damage and mix-ups. They are no signature: whoever allows precompiled
//! code trusts where the module comes from.

use std::ops::Range;

use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

use crate::{Error, ErrorKind};

/// The name of the custom section.
pub const PRECOMPILED_SECTION: &str = "enginebay.precompiled";

const MAGIC: &[u8; 8] = b"ebprec\0\x01";
const DIGEST: usize = 32;

/// What became of the compiled code that a module carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precompiled {
    /// The module carries none, or it was not allowed to look.
    Absent,
    /// It was used.
    Used,
    /// It was not used, and the module was compiled, for this reason.
    Ignored(String),
}

/// What is in one section.
struct Contents<'a> {
    key: &'a str,
    module: &'a [u8],
    code: &'a [u8],
    digest: &'a [u8],
}

impl<'a> Contents<'a> {
    /// `None` for a section that is cut short or of another format.
    fn parse(data: &'a [u8]) -> Option<Self> {
        let data = data.strip_prefix(MAGIC)?;
        let (length, data) = data.split_first_chunk()?;
        let (key, data) = data.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (module, data) = data.split_at_checked(DIGEST)?;
        let (digest, code) = data.split_at_checked(DIGEST)?;
        Some(Contents {
            key: std::str::from_utf8(key).ok()?,
            module,
            code,
            digest,
        })
    }

    /// The word a key begins with says which engine made the code.
    fn engine(&self) -> &str {
        first_word(self.key)
    }

    /// Why an engine with this key can't use the code.
    fn objection(&self, key: &str, module: &dyn Fn() -> [u8; DIGEST]) -> Option<String> {
        if self.key != key {
            return Some(format!("it is for {}, and this is {key}", self.key));
        }
        if self.digest != digest([self.code]) {
            return Some("it is damaged".to_owned());
        }
        (self.module != module()).then(|| "it was compiled from another module".to_owned())
    }
}

fn first_word(key: &str) -> &str {
    key.split(' ').next().unwrap_or(key)
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; DIGEST] {
    let mut hasher = Sha256::new();
    parts.into_iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// A module, with where its precompiled sections are.
struct Carrier<'a> {
    code: &'a [u8],
    /// Each whole section, its header too, and what is in it.
    sections: Vec<(Range<usize>, &'a [u8])>,
}

impl<'a> Carrier<'a> {
    fn read(code: &'a [u8]) -> Result<Self, Error> {
        let mut sections = Vec::new();
        let mut end = 0;
        for payload in Parser::new(0).parse_all(code) {
            let payload = payload.map_err(|error| {
                Error::new(
                    ErrorKind::InvalidModule,
                    format!("Failed to parse corrupted Wasm module: {error}"),
                )
            })?;
            let start = end;
            match &payload {
                Payload::Version { range, .. } => end = range.end,
                // Its functions follow one by one, inside the section.
                Payload::CodeSectionEntry(_) => continue,
                other => match other.as_section() {
                    Some((_, range)) => end = range.end,
                    None => continue,
                },
            }
            if let Payload::CustomSection(section) = &payload
                && section.name() == PRECOMPILED_SECTION
            {
                sections.push((start..end, section.data()));
            }
        }
        Ok(Carrier { code, sections })
    }

    /// The module without its precompiled sections, in pieces.
    fn rest(&self) -> impl Iterator<Item = &'a [u8]> {
        let starts = std::iter::once(0).chain(self.sections.iter().map(|(range, _)| range.end));
        let ends = self.sections.iter().map(|(range, _)| range.start);
        let code = self.code;
        std::iter::zip(starts, ends.chain(std::iter::once(code.len())))
            .map(move |(start, end)| &code[start..end])
    }
}

/// The compiled code in `module` that an engine with this key can use; otherwise why there is none.
pub(crate) fn find<'a>(module: &'a [u8], key: Option<&str>) -> Result<&'a [u8], Precompiled> {
    // The caller has parsed the module already, so this can't fail.
    let carrier = Carrier::read(module).map_err(|_| Precompiled::Absent)?;
    if carrier.sections.is_empty() {
        return Err(Precompiled::Absent);
    }
    let Some(key) = key else {
        return Err(Precompiled::Ignored("this runtime can't use any".to_owned()));
    };
    let source = || digest(carrier.rest());
    // What is said is about the section of this engine, if there is one: it is the one that was meant.
    let mut reason: Option<(bool, String)> = None;
    for (_, data) in &carrier.sections {
        let (ours, objection) = match Contents::parse(data) {
            Some(contents) => match contents.objection(key, &source) {
                None => return Ok(contents.code),
                Some(objection) => (contents.engine() == first_word(key), objection),
            },
            None => (false, "it is damaged".to_owned()),
        };
        if ours || reason.is_none() {
            reason = Some((ours, objection));
        }
    }
    Err(Precompiled::Ignored(
        reason.map(|(_, reason)| reason).unwrap_or_default(),
    ))
}

/// `module` with this compiled code in it, in place of what the same engine compiled before.
///
/// # Errors
/// When `module` is no valid module, or the section would be larger than 4 GiB.
pub(crate) fn attach(module: &[u8], key: &str, compiled: &[u8]) -> Result<Vec<u8>, Error> {
    let carrier = Carrier::read(module)?;
    let source = digest(carrier.rest());
    let mut out = Vec::with_capacity(module.len() + compiled.len() + 256);
    carrier.rest().for_each(|part| out.extend_from_slice(part));
    for (range, data) in &carrier.sections {
        let other = Contents::parse(data).is_some_and(|contents| contents.engine() != first_word(key));
        if other {
            out.extend_from_slice(&module[range.clone()]);
        }
    }
    let mut body = Vec::new();
    leb128(&mut body, PRECOMPILED_SECTION.len() as u32);
    body.extend_from_slice(PRECOMPILED_SECTION.as_bytes());
    body.extend_from_slice(MAGIC);
    body.extend_from_slice(&(key.len() as u32).to_le_bytes());
    body.extend_from_slice(key.as_bytes());
    body.extend_from_slice(&source);
    body.extend_from_slice(&digest([compiled]));
    let length = u32::try_from(body.len() + compiled.len()).map_err(|_| {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "the compiled code of {} bytes is too large for a section",
                compiled.len()
            ),
        )
    })?;
    // Number 0 is a custom section.
    out.push(0);
    leb128(&mut out, length);
    out.extend_from_slice(&body);
    out.extend_from_slice(compiled);
    Ok(out)
}

fn leb128(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "engine 1.0 target";

    fn module() -> Vec<u8> {
        wat::parse_str(r#"(module (func (export "f")) (@custom "other" "x"))"#).unwrap()
    }

    fn reason(module: &[u8], key: &str) -> String {
        match find(module, Some(key)) {
            Err(Precompiled::Ignored(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_attached_is_found() {
        let with = attach(&module(), KEY, b"compiled").unwrap();
        assert_eq!(find(&with, Some(KEY)), Ok(&b"compiled"[..]));
        wasmparser::Validator::new().validate_all(&with).unwrap();
        assert_eq!(find(&module(), Some(KEY)), Err(Precompiled::Absent));
    }

    #[test]
    fn each_engine_has_one_section() {
        let with = attach(&module(), KEY, b"old").unwrap();
        let with = attach(&with, "another 2.0 target", b"another").unwrap();
        let with = attach(&with, "engine 1.1 target", b"new").unwrap();
        assert_eq!(Carrier::read(&with).unwrap().sections.len(), 2);
        assert_eq!(find(&with, Some("another 2.0 target")), Ok(&b"another"[..]));
        assert_eq!(find(&with, Some("engine 1.1 target")), Ok(&b"new"[..]));
        assert_eq!(
            reason(&with, KEY),
            "it is for engine 1.1 target, and this is engine 1.0 target"
        );
    }

    #[test]
    fn an_engine_without_compiled_code_ignores_what_is_there() {
        let with = attach(&module(), KEY, b"compiled").unwrap();
        assert_eq!(
            find(&with, None),
            Err(Precompiled::Ignored("this runtime can't use any".to_owned()))
        );
        assert_eq!(find(&module(), None), Err(Precompiled::Absent));
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let with = attach(&module(), KEY, b"compiled").unwrap();
        let section = Carrier::read(&with).unwrap().sections[0].0.clone();
        // From behind the section's name on, every byte counts.
        let contents = section.end
            - Contents::parse(Carrier::read(&with).unwrap().sections[0].1)
                .map(|c| c.code.len() + 2 * DIGEST + c.key.len() + 4 + MAGIC.len())
                .unwrap();
        for position in contents..section.end {
            let mut damaged = with.clone();
            damaged[position] ^= 0x55;
            assert!(!reason(&damaged, KEY).is_empty(), "at {position}");
        }
    }

    #[test]
    fn code_of_another_module_is_not_used() {
        let with = attach(&module(), KEY, b"compiled").unwrap();
        let carrier = Carrier::read(&with).unwrap();
        let mut other = wat::parse_str(r#"(module (func (export "g")))"#).unwrap();
        other.extend_from_slice(&with[carrier.sections[0].0.clone()]);
        assert_eq!(reason(&other, KEY), "it was compiled from another module");
    }
}
