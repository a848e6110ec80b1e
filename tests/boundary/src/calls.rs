//! Values that cross the boundary, and the numbers of functions.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use enginebay_engine::{ExportId, Signature, TrapKind, ValType};

use crate::fixture::{
    F32, F64, FIRST, Fixture, I32, I64, RUN, SECOND, THIRD, assert_kind, export, host, import, no_host,
};
use crate::suite::Suite;

/// Signatures of Proxy-Wasm and WASI that are not made of `i32` alone, and some that neither has.
const MIXED: &[Signature] = &[
    Signature::new(&[I32, I64], Some(I32)),
    Signature::new(&[I32, I64, I32], Some(I32)),
    Signature::new(&[I32, I64, I64], Some(I32)),
    Signature::new(&[I32, I64, I32, I32], Some(I32)),
    Signature::new(&[I32, I64, I64, I32], Some(I32)),
    Signature::new(&[I32, I32, I32, I64, I32], Some(I32)),
    Signature::new(&[I32, I32, I32, I32, I32, I64, I64, I32, I32], Some(I32)),
    Signature::new(&[], Some(I64)),
    Signature::new(&[], Some(F64)),
    Signature::new(&[F64], None),
    Signature::new(&[F64], Some(F64)),
    Signature::new(&[F32], Some(F32)),
    Signature::new(&[I64, F64, F32, I32], Some(I64)),
    Signature::new(
        &[
            I32, I64, F32, F64, I32, I64, F32, F64, I32, I64, F32, F64, I32, I64, F32, F64,
        ],
        Some(F32),
    ),
];

static I32S: [ValType; 13] = [I32; 13];

pub(crate) fn add(suite: &mut Suite) {
    for count in 0..=I32S.len() {
        for result in [None, Some(I32)] {
            let signature = Signature::new(&I32S[..count], result);
            let name = match result {
                None => format!("calls/i32/{count}_parameters"),
                Some(_) => format!("calls/i32/{count}_parameters_and_a_result"),
            };
            suite.add(name, move |fixture| {
                values_pass_through(&fixture, signature);
            });
        }
    }
    for signature in MIXED {
        let (params, result) = (words(signature.params), words(signature.result.as_slice()));
        suite.add(format!("calls/mixed/{params}_to_{result}"), |fixture| {
            values_pass_through(&fixture, *signature);
        });
    }
    suite.add("calls/an_i32_is_zero_extended", an_i32_is_zero_extended);
    suite.add("calls/functions_have_the_numbers_of_the_request", numbers);
    suite.add("calls/an_absent_export_is_an_error", absent_export);
    suite.add("calls/a_wrong_number_of_arguments_is_an_error", wrong_arguments);
    suite.add("calls/has_export", has_export);
    suite.add(
        "calls/a_select_sees_the_comparison_before_it",
        select_after_comparison,
    );
}

/// Types in the name of a case.
fn words(types: &[ValType]) -> String {
    let words: Vec<String> = types.iter().map(ValType::to_string).collect();
    match words.is_empty() {
        true => "nothing".to_owned(),
        false => words.join("_"),
    }
}

/// A word that uses all bits of its type, different at each place.
fn word(ty: ValType, place: usize) -> u64 {
    let place = place as u64;
    match ty {
        ValType::I32 => 0xffff_ff00 | place,
        ValType::I64 => 0xfeed_beef_8000_0000 | place,
        ValType::F32 => u64::from((-1.5f32 - place as f32).to_bits()),
        ValType::F64 => (-1.5f64 - place as f64).to_bits(),
    }
}

fn types(keyword: &str, types: &[ValType]) -> String {
    let mut text = String::new();
    for ty in types {
        write!(text, " ({keyword} {ty})").unwrap();
    }
    text
}

/// The guest passes its own arguments to the host, and the host's result back.
fn values_pass_through(fixture: &Fixture, signature: Signature) {
    let params = types("param", signature.params);
    let result = types("result", signature.result.as_slice());
    let arguments: String = (0..signature.params.len())
        .map(|i| format!(" (local.get {i})"))
        .collect();
    let wat = format!(
        r#"(module (import "env" "f" (func $f{params}{result}))
            (func (export "run"){params}{result} (call $f{arguments})))"#
    );
    let args: Vec<u64> = std::iter::zip(signature.params, 0..)
        .map(|(ty, place)| word(*ty, place))
        .collect();
    // What a host returns for a function without a result is ignored.
    let answer = word(signature.result.unwrap_or(I64), 77);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let mut guest = fixture.guest(
        &wat,
        &[import("f", signature.params, signature.result)],
        &[export("run", signature.params, signature.result)],
        host({
            let seen = Rc::clone(&seen);
            move |function, _, args| {
                assert_eq!(function, 0);
                seen.borrow_mut().push(args.to_vec());
                Ok(answer)
            }
        }),
    );
    let expected = if signature.result.is_some() { answer } else { 0 };
    assert_eq!(guest.call(FIRST, &args).unwrap(), expected);
    assert_eq!(guest.call(FIRST, &args).unwrap(), expected);
    assert_eq!(*seen.borrow(), [args.clone(), args]);
}

fn an_i32_is_zero_extended(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (import "env" "negate" (func $negate (param i32) (result i32)))
            (func (export "minus_one") (result i32) (i32.const -1))
            (func (export "is_negative") (param i32) (result i32)
                (i32.lt_s (local.get 0) (i32.const 0)))
            (func (export "host_is_negative") (param i32) (result i32)
                (i32.lt_s (call $negate (local.get 0)) (i32.const 0))))"#,
        &[import("negate", &[I32], Some(I32))],
        &[
            export("minus_one", &[], Some(I32)),
            export("is_negative", &[I32], Some(I32)),
            export("host_is_negative", &[I32], Some(I32)),
        ],
        host(|_, _, args| {
            let value = u32::try_from(args[0]).expect("zero-extended").cast_signed();
            Ok(u64::from((-value).cast_unsigned()))
        }),
    );
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 0xffff_ffff);
    assert_eq!(guest.call(SECOND, &[0xffff_ffff]).unwrap(), 1);
    assert_eq!(guest.call(SECOND, &[0x7fff_ffff]).unwrap(), 0);
    assert_eq!(guest.call(THIRD, &[5]).unwrap(), 1);
    assert_eq!(guest.call(THIRD, &[0xffff_fffb]).unwrap(), 0);
}

fn numbers(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module
            (import "env" "third" (func $third (result i32)))
            (import "other" "first" (func $other (result i32)))
            (import "env" "first" (func $first (result i32)))
            (import "env" "third" (func $again (result i32)))
            (func (export "b") (result i32)
                (i32.add (i32.mul (call $third) (i32.const 1000))
                (i32.add (i32.mul (call $other) (i32.const 100))
                (i32.add (i32.mul (call $first) (i32.const 10)) (call $again)))))
            (func (export "a") (result i32) (i32.const 42)))"#,
        &[
            import("first", &[], Some(I32)),
            import("second", &[], Some(I32)),
            import("third", &[], Some(I32)),
            enginebay_engine::HostFunction {
                module: "other",
                ..import("first", &[], Some(I32))
            },
        ],
        &[export("a", &[], Some(I32)), export("b", &[], Some(I32))],
        host(|function, _, _| Ok(function as u64 + 1)),
    );
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 42);
    assert_eq!(guest.call(SECOND, &[]).unwrap(), 3413);
}

fn absent_export(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (func (export "run") (result i32) (i32.const 1)))"#,
        &[],
        &[RUN, export("absent", &[], None)],
        no_host(),
    );
    let trap = guest.call(SECOND, &[]).unwrap_err();
    assert_kind(&trap, TrapKind::Other);
    assert!(trap.message().contains("absent"), "{trap}");
    assert_kind(&guest.call(ExportId(999), &[]).unwrap_err(), TrapKind::Other);
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 1);
}

fn wrong_arguments(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (func (export "run") (param i32 i32) (result i32) (local.get 1))
            (func (export "wide") (param i64) (result i64) (local.get 0)))"#,
        &[],
        &[
            export("run", &[I32, I32], Some(I32)),
            export("wide", &[I64], Some(I64)),
        ],
        no_host(),
    );
    for args in [&[][..], &[1], &[1, 2, 3], &[1; 40]] {
        assert_kind(&guest.call(FIRST, args).unwrap_err(), TrapKind::Other);
    }
    for args in [&[][..], &[1, 2], &[1; 40]] {
        assert_kind(&guest.call(SECOND, args).unwrap_err(), TrapKind::Other);
    }
    assert_eq!(guest.call(FIRST, &[1, 2]).unwrap(), 2);
    assert_eq!(guest.call(SECOND, &[3]).unwrap(), 3);
}

fn has_export(fixture: Fixture) {
    let module = fixture.load(
        r#"(module (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 1)))"#,
        &[],
        &[export("absent", &[], None), RUN],
    );
    assert!(!module.has_export(FIRST));
    assert!(module.has_export(SECOND));
    assert!(!module.has_export(THIRD));
}

/// An interpreter that makes one instruction of two must not lose what is compared.
fn select_after_comparison(fixture: Fixture) {
    for (condition, if_zero) in [
        ("i32.eqz", 7),
        ("i32.const 0 i32.eq", 7),
        ("i32.const 0 i32.ne", 8),
        ("i32.const 0 i32.gt_u", 8),
        ("i32.const 1 i32.lt_u", 7),
        ("i32.eqz nop", 7),
        ("i32.eqz i32.const 5 drop", 7),
        ("i32.eqz i32.eqz", 8),
    ] {
        for select in ["select", "select (result i32)"] {
            let wat = format!(
                r#"(module (memory 1) (func (export "run") (param i32) (result i32)
                    (drop (i32.add (memory.size) (i32.const 3)))
                    i32.const 7 i32.const 8 local.get 0 {condition} {select}))"#
            );
            let run = export("run", &[I32], Some(I32));
            let mut guest = fixture.guest(&wat, &[], &[run], no_host());
            for (value, expected) in [(0, if_zero), (1, 15 - if_zero), (0x8000_0000, 15 - if_zero)] {
                assert_eq!(
                    guest.call(FIRST, &[value]).unwrap(),
                    expected,
                    "{condition} of {value}"
                );
            }
        }
    }
}
