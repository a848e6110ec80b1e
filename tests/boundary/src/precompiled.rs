//! Compiled code that a module carries: used where it fits and is allowed, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use enginebay_engine::{
    Engine, Error, ErrorKind, Limits, LoadRequest, Module, PRECOMPILED_SECTION, Precompiled,
};

use crate::fixture::{FIRST, Fixture, RUN, no_host};
use crate::suite::Suite;

const ONE: &str = r#"(module (func (export "run") (result i32) (i32.const 1)))"#;
const TWO: &str = r#"(module (func (export "run") (result i32) (i32.const 2)))"#;

pub(crate) fn add(suite: &mut Suite) {
    let can = suite.capabilities().precompiled;
    for (name, case) in [
        ("cannot_be_made", cannot_be_made as fn(Fixture)),
        ("is_ignored", is_ignored),
    ] {
        let name = format!("precompiled/{name}");
        suite.add_if(!can, "modules have a compiled form", name, case);
    }
    for (name, case) in [
        ("is_used_by_another_engine_of_the_runtime", used as fn(Fixture)),
        ("fits_engines_with_other_limits", fits_other_limits),
        ("is_not_read_unless_allowed", not_read),
        ("damage_is_found", damaged),
        ("of_another_engine_is_ignored", foreign),
        ("of_other_settings_is_ignored", other_settings),
        ("of_another_module_is_ignored", of_another_module),
        ("absence_is_no_news", absent),
        ("imports_are_checked_all_the_same", checked),
    ] {
        let name = format!("precompiled/{name}");
        suite.add_if(can, "modules have no compiled form", name, case);
    }
}

fn cannot_be_made(fixture: Fixture) {
    let error = fixture.engine().precompile_into(&wat(ONE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

fn is_ignored(fixture: Fixture) {
    let foreign = with_section(&wat(ONE), b"whatever");
    assert_ignored(&fixture, &foreign, "this runtime can't use any");
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn load(engine: &dyn Engine, code: &[u8]) -> Result<(Arc<dyn Module>, Precompiled), Error> {
    let info = engine.inspect(code)?;
    engine.load_precompiled(&LoadRequest::new(code, &[], &[RUN]), &info)
}

fn run(module: &dyn Module) -> u64 {
    module.instantiate(no_host()).unwrap().call(FIRST, &[]).unwrap()
}

/// A module with a section of the name, of any contents.
fn with_section(code: &[u8], contents: &[u8]) -> Vec<u8> {
    let name = PRECOMPILED_SECTION.as_bytes();
    let mut body = vec![name.len() as u8];
    body.extend_from_slice(name);
    body.extend_from_slice(contents);
    let mut out = code.to_vec();
    out.push(0);
    let mut size = body.len();
    while size >= 0x80 {
        out.push(size as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
    out.extend_from_slice(&body);
    out
}

/// What is in the one section of this name.
fn contents<'a>(fixture: &Fixture, code: &'a [u8]) -> &'a [u8] {
    let info = fixture.engine().inspect(code).unwrap();
    let section = info.custom_sections.last().unwrap();
    assert_eq!(section.name, PRECOMPILED_SECTION);
    &code[section.range.clone()]
}

/// Where the digest of the module is in the contents: behind the format, the key's length and the key.
fn module_digest(contents: &[u8]) -> std::ops::Range<usize> {
    let key = u32::from_le_bytes(contents[8..12].try_into().unwrap()) as usize;
    12 + key..12 + key + 32
}

#[track_caller]
fn assert_ignored(fixture: &Fixture, code: &[u8], why: &str) {
    match load(&*fixture.engine(), code).unwrap() {
        (module, Precompiled::Ignored(reason)) => {
            assert!(reason.contains(why), "{reason}");
            assert_eq!(run(&*module), 1);
        }
        (_, other) => panic!("{other:?}"),
    }
}

fn used(fixture: Fixture) {
    let code = fixture.engine().precompile_into(&wat(ONE)).unwrap();
    let (module, precompiled) = load(&*fixture.engine(), &code).unwrap();
    assert_eq!(precompiled, Precompiled::Used);
    assert_eq!(run(&*module), 1);
}

fn fits_other_limits(fixture: Fixture) {
    let code = fixture.engine().precompile_into(&wat(ONE)).unwrap();
    let fixture = fixture.limits(Limits {
        memory: Some(1 << 20),
        table_elements: Some(10),
        call_time: Some(Duration::from_millis(300)),
        ..Limits::default()
    });
    assert_eq!(load(&*fixture.engine(), &code).unwrap().1, Precompiled::Used);
}

/// Carries the code of the second module, as if it had been compiled from the first: what runs tells what was read.
fn not_read(fixture: Fixture) {
    let engine = fixture.engine();
    let (one, two) = (
        engine.precompile_into(&wat(ONE)).unwrap(),
        engine.precompile_into(&wat(TWO)).unwrap(),
    );
    let (one, mut two) = (contents(&fixture, &one), contents(&fixture, &two).to_vec());
    two[module_digest(one)].copy_from_slice(&one[module_digest(one)]);
    let forged = with_section(&wat(ONE), &two);
    let (module, precompiled) = load(&*engine, &forged).unwrap();
    assert_eq!((run(&*module), precompiled), (2, Precompiled::Used));
    let module = engine.load(&LoadRequest::new(&forged, &[], &[RUN])).unwrap();
    assert_eq!(run(&*module), 1);
}

fn damaged(fixture: Fixture) {
    let code = fixture.engine().precompile_into(&wat(ONE)).unwrap();
    let middle = code.len() - contents(&fixture, &code).len() / 4;
    let mut damaged = code.clone();
    damaged[middle] ^= 1;
    assert_ignored(&fixture, &damaged, "it is damaged");
    assert_ignored(&fixture, &with_section(&wat(ONE), b""), "it is damaged");
    let cut = &contents(&fixture, &code)[..40];
    assert_ignored(&fixture, &with_section(&wat(ONE), cut), "it is damaged");
}

/// Replaces the key in what an engine made, keeping its length.
fn with_key(fixture: &Fixture, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let code = fixture.engine().precompile_into(&wat(ONE)).unwrap();
    let mut contents = contents(fixture, &code).to_vec();
    let key = 12..module_digest(&contents).start;
    change(&mut contents[key]);
    with_section(&wat(ONE), &contents)
}

fn foreign(fixture: Fixture) {
    let code = with_key(&fixture, |key| key[..5].copy_from_slice(b"other"));
    assert_ignored(&fixture, &code, "it is for other");
}

fn other_settings(fixture: Fixture) {
    // Another version differs in the key too.
    let code = with_key(&fixture, |key| *key.last_mut().unwrap() ^= 1);
    assert_ignored(&fixture, &code, ", and this is ");
    let unlimited = fixture.another().limits(Limits {
        call_time: Some(Duration::MAX),
        ..Limits::default()
    });
    let code = unlimited.engine().precompile_into(&wat(ONE)).unwrap();
    assert_ignored(&fixture, &code, ", and this is ");
}

fn of_another_module(fixture: Fixture) {
    let two = fixture.engine().precompile_into(&wat(TWO)).unwrap();
    let code = with_section(&wat(ONE), contents(&fixture, &two));
    assert_ignored(&fixture, &code, "it was compiled from another module");
}

fn absent(fixture: Fixture) {
    let (module, precompiled) = load(&*fixture.engine(), &wat(ONE)).unwrap();
    assert_eq!((run(&*module), precompiled), (1, Precompiled::Absent));
}

fn checked(fixture: Fixture) {
    let importing = wat(r#"(module (import "env" "nope" (func)))"#);
    let code = fixture.engine().precompile_into(&importing).unwrap();
    let error = load(&*fixture.engine(), &code).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingImport);
}
