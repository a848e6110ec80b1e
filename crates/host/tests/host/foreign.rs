//! Foreign functions.

use crate::fixture::{Guest, OUT, on_each, status};

const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];

fn call(guest: &mut Guest, name: &str, arguments: &str, [data, size]: [u32; 2]) -> String {
    let ([name, name_size], [arguments, arguments_size]) = (guest.put(name), guest.put(arguments));
    status(
        "proxy_call_foreign_function",
        &[name, name_size, arguments, arguments_size, data, size],
    )
}

/// The platform of these tests has two: `reverse`, and `refuse`, which says that its arguments are bad.
#[test]
fn the_embedder_answers_by_name() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            call(&mut guest, "reverse", "abc", [AT, LEN]) + "(call $out)",
            call(&mut guest, "reverse", "", [AT, LEN]),
            format!("(call $n (i32.load (i32.const {LEN})))"),
            call(&mut guest, "refuse", "abc", [AT, LEN]),
            call(&mut guest, "nothing", "abc", [AT, LEN]),
            call(&mut guest, "", "", [AT, LEN]),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "cba", "0", "0", "2", "1", "1"]);
    });
}

#[test]
fn results_that_nobody_wants_go_nowhere() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            "(i32.store (i32.const 0) (i32.const 77))".to_owned(),
            call(&mut guest, "reverse", "abc", [0, 0]),
            "(call $n (i32.load (i32.const 0)))".to_owned(),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "77"]);
    });
}
