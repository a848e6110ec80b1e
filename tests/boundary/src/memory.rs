//! The guest's memory, seen from both sides.

use enginebay_engine::OutOfBounds;

use crate::fixture::{FIRST, Fixture, I32, RUN, SECOND, export, host, import, no_host};
use crate::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("memory/both_sides_see_the_same_bytes", both_sides);
    suite.add("memory/access_is_checked_at_the_edges", edges);
    suite.add("memory/a_host_call_sees_what_it_needs", in_a_host_call);
    suite.add("memory/growth_is_seen_at_once", growth);
    suite.add("memory/a_guest_without_memory_has_none", absent);
}

const PEEK_AND_POKE: &str = r#"(module (memory (export "memory") 1)
    (data (i32.const 8) "abcd")
    (func (export "peek") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "poke") (param i32 i32) (i32.store (local.get 0) (local.get 1))))"#;

fn both_sides(fixture: Fixture) {
    let mut guest = fixture.guest(
        PEEK_AND_POKE,
        &[],
        &[
            export("peek", &[I32], Some(I32)),
            export("poke", &[I32, I32], None),
        ],
        no_host(),
    );
    assert_eq!(guest.memory().read(8, 4), Ok(&b"abcd"[..]));
    guest.memory().write_u32(65532, 0xdead_beef).unwrap();
    assert_eq!(guest.call(FIRST, &[65532]).unwrap(), 0xdead_beef);
    assert_eq!(guest.call(SECOND, &[100, 0x8765_4321]).unwrap(), 0);
    assert_eq!(guest.memory().read_u32(100), Ok(0x8765_4321));
    assert_eq!(guest.memory().read(100, 4), Ok(&[0x21, 0x43, 0x65, 0x87][..]));
}

fn edges(fixture: Fixture) {
    let mut guest = fixture.guest(PEEK_AND_POKE, &[], &[], no_host());
    assert_eq!(guest.memory_size(), 65536);
    let mut memory = guest.memory();
    assert_eq!(memory.len(), 65536);
    assert_eq!(memory.word_size(), 4);
    assert_eq!(memory.read(65536, 0), Ok(&[][..]));
    assert_eq!(memory.read(65535, 1), Ok(&[0][..]));
    assert_eq!(memory.read(0, 65536).map(<[u8]>::len), Ok(65536));
    for (ptr, len) in [
        (65535, 2),
        (65536, 1),
        (65537, 0),
        (0, 65537),
        (u64::from(u32::MAX), 1),
        (u64::MAX, 1),
        (u64::MAX, u64::MAX),
    ] {
        assert_eq!(memory.read(ptr, len), Err(OutOfBounds), "{ptr} {len}");
        assert!(memory.write(ptr, len).is_err(), "{ptr} {len}");
    }
}

fn in_a_host_call(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (import "env" "reverse" (func $reverse (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "run") (result i32)
                (i32.store (i32.const 16) (i32.const 0x01020304))
                (call $reverse (i32.const 16) (i32.const 4))
                (i32.load (i32.const 16))))"#,
        &[import("reverse", &[I32, I32], None)],
        &[RUN],
        host(|_, guest, args| {
            guest.memory().write(args[0], args[1]).unwrap().reverse();
            Ok(0)
        }),
    );
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 0x0403_0201);
}

fn growth(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (import "env" "mark" (func $mark (result i32)))
            (memory (export "memory") 1)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "run") (result i32)
                (drop (memory.grow (i32.const 1)))
                (i32.load (call $mark))))"#,
        &[import("mark", &[], Some(I32))],
        &[RUN, export("grow", &[I32], Some(I32))],
        host(|_, guest, _| {
            assert_eq!(guest.memory().len(), 3 * 65536);
            // The guest's memory may move while the call is running.
            assert_eq!(guest.call(SECOND, &[1])?, 3);
            guest.memory().write_u32(4 * 65536 - 4, 99).unwrap();
            Ok(4 * 65536 - 4)
        }),
    );
    guest.memory().write_u8(65535, 7).unwrap();
    assert_eq!(guest.call(SECOND, &[1]).unwrap(), 1);
    assert_eq!(guest.memory_size(), 2 * 65536);
    assert_eq!(guest.memory().read(65535, 2), Ok(&[7, 0][..]));
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 99);
    assert_eq!(guest.memory_size(), 4 * 65536);
}

fn absent(fixture: Fixture) {
    for wat in [
        "(module)",
        "(module (memory 1))",
        r#"(module (memory (export "mem") 1))"#,
        r#"(module (func (export "memory")))"#,
        r#"(module (memory (export "memory") 0))"#,
    ] {
        let mut guest = fixture.guest(wat, &[], &[], no_host());
        assert_eq!(guest.memory_size(), 0, "{wat}");
        assert!(guest.memory().is_empty(), "{wat}");
        assert_eq!(guest.memory().read(0, 0), Ok(&[][..]), "{wat}");
        assert_eq!(guest.memory().read(0, 1), Err(OutOfBounds), "{wat}");
        assert_eq!(guest.memory().write_u8(0, 1), Err(OutOfBounds), "{wat}");
    }
}
