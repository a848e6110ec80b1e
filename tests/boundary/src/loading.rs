//! Modules that are accepted, and the words in which others are refused.

use enginebay_engine::{Error, ErrorKind, Export, HostFunction, LoadRequest};

use crate::fixture::{FIRST, Fixture, I32, RUN, export, import, no_host};
use crate::suite::Suite;

const OFFERED: &[HostFunction] = &[import("log", &[I32, I32], Some(I32))];
const WANTED: &[Export] = &[RUN, export("tick", &[I32], None)];

pub(crate) fn add(suite: &mut Suite) {
    for (name, wat, kind, message) in [
        (
            "missing_import",
            r#"(module (import "env" "nope" (func)) (import "wasi" "log" (func))
                (import "env" "log" (func (param i32 i32) (result i32)))
                (import "env" "mem" (memory 1)))"#,
            ErrorKind::MissingImport,
            "Failed to load Wasm module due to a missing import: env.nope, wasi.log, env.mem (memory)",
        ),
        (
            "import_of_another_type",
            r#"(module (import "env" "log" (func (param i32 i64))))"#,
            ErrorKind::SignatureMismatch,
            "Failed to load Wasm module due to an import type mismatch: env.log, want: function (i32, i64), \
             but host exports: function (i32, i32) -> i32",
        ),
        (
            "import_of_another_kind",
            r#"(module (import "env" "log" (global i32)))"#,
            ErrorKind::SignatureMismatch,
            "Failed to load Wasm module due to an import type mismatch: env.log, want: global, \
             but host exports: function (i32, i32) -> i32",
        ),
        (
            "export_of_another_type",
            r#"(module (func (export "tick") (param i32) (result i64) (i64.const 1)))"#,
            ErrorKind::SignatureMismatch,
            "Bad function signature for: tick, want: function (i32), but the module exports: \
             function (i32) -> i64",
        ),
        (
            "export_of_another_kind",
            r#"(module (memory (export "run") 1))"#,
            ErrorKind::SignatureMismatch,
            "Bad function signature for: run, want: function () -> i32, but the module exports: memory",
        ),
    ] {
        suite.add(format!("loading/{name}"), move |fixture| {
            let error = fixture.try_load(wat, OFFERED, WANTED).map(drop).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(error.to_string(), message);
        });
    }
    suite.add("loading/what_is_offered_need_not_be_used", unused);
    suite.add("loading/not_a_module", not_a_module);
    suite.add("loading/a_body_that_does_not_type_check", bad_body);
    suite.add("loading/the_features_that_compilers_use", features);
    let simd = suite.capabilities().simd;
    suite.add_unless_cannot(simd, "no SIMD", "loading/simd", with_simd);
    suite.add_if(!simd, "it takes SIMD", "loading/simd_is_refused", |fixture| {
        assert!(fixture.try_load(SIMD, &[], &[RUN]).is_err());
    });
}

fn unused(fixture: Fixture) {
    let module = fixture.load("(module)", OFFERED, WANTED);
    module.instantiate(no_host()).unwrap();
    assert!(!module.has_export(FIRST));
}

fn load_bytes(fixture: &Fixture, code: &[u8]) -> Result<(), Error> {
    fixture.engine().load(&LoadRequest::new(code, &[], &[])).map(drop)
}

fn not_a_module(fixture: Fixture) {
    let whole = wat::parse_str(r#"(module (func (export "run") (result i32) (i32.const 1)))"#).unwrap();
    assert_eq!(load_bytes(&fixture, &whole).map_err(|e| e.to_string()), Ok(()));
    for length in 0..whole.len() {
        // Eight bytes are a whole module, and so is one that ends where a section does: leave those out.
        if let Err(error) = load_bytes(&fixture, &whole[..length]) {
            assert_eq!(error.kind(), ErrorKind::InvalidModule, "{length}: {error}");
        } else {
            assert!([8, 15].contains(&length), "{length}");
        }
    }
    let error = load_bytes(&fixture, b"\0asm\x0d\0\x01\0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModule);
    assert!(error.to_string().contains("component"), "{error}");
}

/// Engines check bodies themselves, so that the words differ.
fn bad_body(fixture: Fixture) {
    let code = wat::parse_str(r#"(module (func (export "run") (result i32) (i64.const 1)))"#).unwrap();
    let error = load_bytes(&fixture, &code).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModule, "{error}");
    assert!(
        error
            .to_string()
            .starts_with("Failed to parse corrupted Wasm module: "),
        "{error}"
    );
}

/// Sign extension, saturating conversion, bulk memory, multiple values, reference types (functions: nothing that compiles plugins uses `externref`), mutable globals.
fn features(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (memory (export "memory") 1) (table $t 1 funcref) (table $u 1 funcref)
            (global $g (export "g") (mut i32) (i32.const 3))
            (data $d "abcd")
            (func $two (result i32 i64) (i32.const 1) (i64.const 2))
            (func (export "run") (result i32) (local i32)
                (call $two) (drop) (local.set 0)
                (memory.init $d (i32.const 0) (i32.const 0) (i32.const 4)) (data.drop $d)
                (memory.copy (i32.const 4) (i32.const 0) (i32.const 4))
                (i32.add (local.get 0)
                (i32.add (i32.extend8_s (i32.const 255))
                (i32.add (i32.trunc_sat_f64_s (f64.const nan))
                (i32.add (ref.is_null (table.get $u (i32.const 0)))
                (i32.add (global.get $g) (i32.load8_u (i32.const 7)))))))))"#,
        &[],
        &[RUN],
        no_host(),
    );
    // 1 - 1 + 0 + 1 + 3 + 'd'
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 104);
}

const SIMD: &str = r#"(module (func (export "run") (result i32)
    (i32x4.extract_lane 2 (i32x4.add (v128.const i32x4 1 2 3 4) (i32x4.splat (i32.const 40))))))"#;

fn with_simd(fixture: Fixture) {
    let mut guest = fixture.guest(SIMD, &[], &[RUN], no_host());
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 43);
}
