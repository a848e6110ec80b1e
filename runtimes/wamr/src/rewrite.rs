//! The copy of a module that WAMR is given: with limits written into it, and without what WAMR would give a meaning of
//! its own.

use std::ffi::CString;
use std::ops::Range;

use enginebay_engine::ResolvedLimits;
use wasmparser::{
    BinaryReaderError, ExportSectionReader, ExternalKind, MemorySectionReader, Parser, Payload, RefType,
    TableSectionReader,
};

const CUSTOM: u8 = 0;
const EXPORTS: u8 = 7;
const START: u8 = 8;
const FUNCTION: u8 = 0;
const FUNCREF: u8 = 0x70;
const EXTERNREF: u8 = 0x6f;
const HAS_MAXIMUM: u8 = 1;

const PAGE: u64 = 65536;
const MAX_PAGES: u64 = 65536;

/// The new name of the function that is export number `position` of the module.
pub(crate) fn export_name(position: usize) -> CString {
    let digits = position.to_string().into_bytes();
    // Digits have no zero byte; an empty name would match nothing.
    CString::new(digits).unwrap_or_default()
}

/// The name under which the start function is exported.
pub(crate) fn start_name() -> CString {
    c"start".to_owned()
}

/// Rewrites a valid module:
///
/// * the maximum of a memory and of a table is at most the limit;
/// * functions are exported under other names, because WAMR calls or interprets some, and nothing else is exported;
/// * a start function is exported instead of run by WAMR, which leaves out one that is an import;
/// * custom sections are left out.
///
/// All other sections stay byte for byte.
pub(crate) fn rewrite(code: &[u8], limits: &ResolvedLimits) -> Result<Vec<u8>, BinaryReaderError> {
    let mut sections: Vec<(u8, Section<'_>)> = Vec::new();
    let mut start = None;
    for payload in Parser::new(0).parse_all(code) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        let section = match payload {
            Payload::StartSection { func, .. } => {
                start = Some(func);
                continue;
            }
            Payload::ExportSection(exports) => Section::Exports(Some(exports)),
            Payload::TableSection(tables) => Section::Tables(tables),
            Payload::MemorySection(memories) => Section::Memories(memories),
            _ if id == CUSTOM => continue,
            _ => Section::Other(range),
        };
        sections.push((id, section));
    }
    if start.is_some() && !sections.iter().any(|(id, _)| *id == EXPORTS) {
        // All sections but exports come in the order of their numbers up to the start section.
        let place = sections
            .iter()
            .position(|(id, _)| *id > START)
            .unwrap_or(sections.len());
        sections.insert(place, (EXPORTS, Section::Exports(None)));
    }
    let mut out = Vec::with_capacity(code.len());
    out.extend(code.iter().take(8));
    for (id, section) in sections {
        let contents = match section {
            Section::Exports(section) => exports(section, start)?,
            Section::Tables(section) => tables(section, limits)?,
            Section::Memories(section) => memories(section, limits)?,
            Section::Other(range) => {
                write_section(&mut out, id, code.get(range).unwrap_or_default());
                continue;
            }
        };
        write_section(&mut out, id, &contents);
    }
    Ok(out)
}

enum Section<'a> {
    Exports(Option<ExportSectionReader<'a>>),
    Tables(TableSectionReader<'a>),
    Memories(MemorySectionReader<'a>),
    Other(Range<usize>),
}

fn exports(
    section: Option<ExportSectionReader<'_>>,
    start: Option<u32>,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut count = 0;
    let mut entries = Vec::new();
    let mut push = |name: CString, function: u32| {
        let name = name.as_bytes();
        write_leb(&mut entries, name.len() as u64);
        entries.extend(name);
        entries.push(FUNCTION);
        write_leb(&mut entries, u64::from(function));
        count += 1;
    };
    for (position, export) in section.into_iter().flatten().enumerate() {
        let export = export?;
        if export.kind == ExternalKind::Func {
            push(export_name(position), export.index);
        }
    }
    if let Some(function) = start {
        push(start_name(), function);
    }
    Ok(with_count(count, &entries))
}

fn tables(section: TableSectionReader<'_>, limits: &ResolvedLimits) -> Result<Vec<u8>, BinaryReaderError> {
    let limit = limits.table_elements.map_or(u64::from(u32::MAX), u64::from);
    let (mut count, mut entries) = (0, Vec::new());
    for table in section {
        let ty = table?.ty;
        // Validation lets nothing else through.
        entries.push(if ty.element_type == RefType::EXTERNREF {
            EXTERNREF
        } else {
            FUNCREF
        });
        write_size(&mut entries, ty.initial, ty.maximum, limit);
        count += 1;
    }
    Ok(with_count(count, &entries))
}

fn memories(section: MemorySectionReader<'_>, limits: &ResolvedLimits) -> Result<Vec<u8>, BinaryReaderError> {
    let limit = limits
        .memory
        .map_or(MAX_PAGES, |bytes| (bytes / PAGE).min(MAX_PAGES));
    let (mut count, mut entries) = (0, Vec::new());
    for memory in section {
        let memory = memory?;
        write_size(&mut entries, memory.initial, memory.maximum, limit);
        count += 1;
    }
    Ok(with_count(count, &entries))
}

fn write_size(out: &mut Vec<u8>, initial: u64, maximum: Option<u64>, limit: u64) {
    out.push(HAS_MAXIMUM);
    write_leb(out, initial);
    // A module that starts above its limit was refused already.
    write_leb(out, maximum.unwrap_or(limit).min(limit).max(initial));
}

fn with_count(count: u64, entries: &[u8]) -> Vec<u8> {
    let mut contents = Vec::with_capacity(entries.len() + 5);
    write_leb(&mut contents, count);
    contents.extend(entries);
    contents
}

fn write_section(out: &mut Vec<u8>, id: u8, contents: &[u8]) {
    out.push(id);
    write_leb(out, contents.len() as u64);
    out.extend(contents);
}

fn write_leb(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ResolvedLimits = ResolvedLimits {
        memory: Some(3 * PAGE + 1),
        table_elements: Some(300),
        call_time: None,
        stack: None,
    };

    fn rewrite_wat(from: &str, limits: &ResolvedLimits) -> Vec<u8> {
        let code = rewrite(&wat::parse_str(from).unwrap(), limits).unwrap();
        wasmparser::Validator::new().validate_all(&code).unwrap();
        code
    }

    #[track_caller]
    fn assert_rewritten(from: &str, to: &str) {
        assert_eq!(rewrite_wat(from, &LIMITS), without_names(to));
    }

    /// The module without the section in which the text's names end up.
    fn without_names(wat: &str) -> Vec<u8> {
        let mut code = wat::parse_str(wat).unwrap();
        let names = Parser::new(0).parse_all(&code).find_map(|payload| {
            let (id, range) = payload.unwrap().as_section()?;
            (id == CUSTOM).then_some(range)
        });
        if let Some(range) = names {
            assert_eq!(range.end, code.len());
            // Its number and a size of one byte are in front.
            code.truncate(range.start - 2);
        }
        code
    }

    #[test]
    fn numbers_are_written_as_leb128() {
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::from(u32::MAX), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            write_leb(&mut out, value);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn maxima_are_brought_down_to_the_limits() {
        for (from, to) in [
            ("(memory 1)", "(memory 1 3)"),
            ("(memory 1 4)", "(memory 1 3)"),
            ("(memory 1 2)", "(memory 1 2)"),
            ("(memory 3 3)", "(memory 3 3)"),
            ("(table 1 funcref)", "(table 1 300 funcref)"),
            ("(table 1 301 funcref)", "(table 1 300 funcref)"),
            ("(table 1 299 externref)", "(table 1 299 externref)"),
            (
                "(table 1 funcref) (table 2 externref)",
                "(table 1 300 funcref) (table 2 300 externref)",
            ),
        ] {
            assert_rewritten(&format!("(module {from})"), &format!("(module {to})"));
        }
    }

    #[test]
    fn without_limits_sizes_stay_as_they_are() {
        let none = ResolvedLimits::default();
        for (from, to) in [
            ("(memory 1)", "(memory 1 65536)"),
            ("(memory 1 70)", "(memory 1 70)"),
            ("(table 1 funcref)", "(table 1 4294967295 funcref)"),
        ] {
            assert_eq!(
                rewrite_wat(&format!("(module {from})"), &none),
                wat::parse_str(format!("(module {to})")).unwrap()
            );
        }
    }

    #[test]
    fn only_functions_are_exported_and_under_other_names() {
        assert_rewritten(
            r#"(module (func $f) (memory (export "memory") 1 1) (global (export "__heap_base") i32 (i32.const 5))
                (export "malloc" (func $f)) (export "__wasm_call_ctors" (func $f)))"#,
            r#"(module (func $f) (memory 1 1) (global i32 (i32.const 5))
                (export "2" (func $f)) (export "3" (func $f)))"#,
        );
        assert_eq!(export_name(23).as_c_str(), c"23");
    }

    #[test]
    fn a_start_function_is_exported() {
        assert_rewritten(
            r#"(module (import "e" "f" (func $i)) (func (export "a")) (start $i) (data "x"))"#,
            r#"(module (import "e" "f" (func $i)) (func (export "0")) (export "start" (func $i)) (data "x"))"#,
        );
        // Without exports, at each place a section of exports may have.
        assert_rewritten(
            r#"(module (import "e" "f" (func $i)) (start $i))"#,
            r#"(module (import "e" "f" (func $i)) (export "start" (func $i)))"#,
        );
        assert_rewritten(
            r#"(module (table 1 1 funcref) (func $s) (elem (i32.const 0) $s) (start $s) (data "x"))"#,
            r#"(module (table 1 1 funcref) (func $s) (elem (i32.const 0) $s) (export "start" (func $s)) (data "x"))"#,
        );
        assert_rewritten(
            r#"(module (memory 1 1) (func $s unreachable memory.init 0) (start $s) (data "x"))"#,
            r#"(module (memory 1 1) (func $s unreachable memory.init 0) (export "start" (func $s)) (data "x"))"#,
        );
    }

    #[test]
    fn custom_sections_are_left_out_and_all_else_is_kept() {
        let body = r#"(type (func (param i32))) (import "env" "_x" (func (type 0)))
            (table 1 1 funcref) (memory 1 1) (global (mut i64) (i64.const 7))
            (elem (i32.const 0) $f) (func $f (param i32) local.get 0 call 0) (data (i32.const 1) "abc")"#;
        assert_rewritten(
            &format!(r#"(module $named {body} (@custom "extra" "bytes"))"#),
            &format!(
                "(module {})",
                body.replace("$f", "1").replace("(func 1 ", "(func ")
            ),
        );
    }
}
