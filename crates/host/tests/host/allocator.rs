//! The guest's allocator, which runs in the middle of host functions and may do anything.

use enginebay_engine::TrapKind;
use enginebay_host::FailState;
use enginebay_host::abi::MapType;

use crate::fixture::{Bay, Guest, OUT, Stream, call, on_each, status};

const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];

/// Every function that allocates, with arguments that make it.
fn allocating(guest: &mut Guest) -> Vec<String> {
    let [accept, accept_len] = guest.put("accept");
    let [name, name_len] = guest.put("plugin_name");
    vec![
        status("proxy_get_header_map_value", &[0, accept, accept_len, AT, LEN]),
        status("proxy_get_header_map_pairs", &[0, AT, LEN]),
        status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]),
        status("proxy_get_buffer_bytes", &[7, 0, 5, AT, LEN]),
        status("proxy_get_property", &[name, name_len, AT, LEN]),
    ]
}

/// The bump allocator after these steps.
fn after(steps: &str) -> String {
    let bump = Guest::new().allocator;
    format!("{steps} {bump}")
}

#[test]
fn no_memory() {
    on_each(|bay| {
        for nowhere in ["(i32.const 0)", "(i32.const -1)", "(i32.const 262144)"] {
            let mut guest = Guest::new();
            let steps = allocating(&mut guest);
            guest.allocator = nowhere.to_owned();
            bay.platform.clear();
            let last = "(call $n (i32.load (i32.const 8))) (call $n (i32.load (i32.const 12)))".to_owned();
            let reports = bay.reports(&guest.on_request(&[steps.concat(), last]));
            assert_eq!(reports, ["6", "6", "6", "6", "6", "0", "0"], "{nowhere}");
        }
    });
}

#[test]
fn nothing_is_allocated_for_nothing() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [key, size] = guest.put("x-empty");
        let steps = [
            status("proxy_get_header_map_value", &[0, key, size, AT, LEN]),
            status("proxy_get_header_map_pairs", &[1, AT, LEN]),
            status("proxy_get_buffer_bytes", &[0, 5, 1, AT, LEN]),
            // Nor where the result has no place.
            status("proxy_get_header_map_pairs", &[0, u32::MAX, LEN]),
            status("proxy_get_header_map_pairs", &[0, AT, u32::MAX]),
        ];
        guest.allocator = "(unreachable)".to_owned();
        assert_eq!(bay.reports(&guest.on_request(&steps)), ["0", "0", "0", "6", "6"]);
    });
}

#[test]
fn one_that_traps_ends_the_callback() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let count = allocating(&mut guest).len();
        for step in 0..count {
            let mut guest = Guest::new();
            let steps = allocating(&mut guest);
            guest.allocator = "(unreachable)".to_owned();
            let guest = guest.on_request(&steps[step..=step]);
            let failure = bay.run(&guest, Stream::plain()).result.unwrap_err();
            assert_eq!(failure.state(), FailState::RuntimeError);
            assert_eq!(failure.function(), Some("proxy_on_request_headers"));
            assert_eq!(failure.trap().unwrap().kind(), TrapKind::Unreachable);
        }
        let mut guest = Guest::new();
        let steps = allocating(&mut guest);
        guest.allocator =
            "(call $proc_exit (call $proxy_log (i32.const 2) (i32.const 1024) (i32.const 6))) (unreachable)"
                .to_owned();
        let failure = bay
            .run(&guest.on_request(&steps), Stream::plain())
            .result
            .unwrap_err();
        assert_eq!(failure.trap().unwrap().kind(), TrapKind::Exit(0));
    });
}

#[test]
fn one_that_calls_host_functions() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps: Vec<_> = allocating(&mut guest)
            .into_iter()
            .map(|step| step + "(call $out)")
            .collect();
        guest.allocator = after("(call $n (i32.const 77))");
        let reports = bay.reports(&guest.on_request(&steps[..1]));
        assert_eq!(reports, ["77", "0", "a"]);
    });
}

#[test]
fn one_that_grows_memory() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]) + "(call $out)",
            "(call $n (memory.size))".to_owned(),
        ];
        // In the new page.
        guest.allocator = "(i32.mul (memory.grow (i32.const 1)) (i32.const 65536))".to_owned();
        assert_eq!(bay.reports(&guest.on_request(&steps)), ["0", "hello", "5"]);
    });
}

/// What a guest reads of the header `accept` while its allocator does this.
fn read_while(
    bay: &Bay,
    function: &str,
    stream: Stream,
    steps: impl Fn(&mut Guest) -> String,
) -> Vec<String> {
    let mut guest = Guest::new();
    let [accept, len] = guest.put("accept");
    let read = match function {
        "proxy_get_header_map_value" => status(function, &[0, accept, len, AT, LEN]),
        _ => status(function, &[0, AT, LEN]),
    };
    guest.allocator = after(&steps(&mut guest));
    let last = "(call $n (i32.load (i32.const 8))) (call $n (i32.load (i32.const 12)))".to_owned();
    bay.platform.clear();
    bay.reports_with(&guest.on_request(&[read, last]), stream)
}

#[test]
fn one_that_changes_the_header_map_that_is_copied() {
    on_each(|bay| {
        let one_value = |guest: &mut Guest, function: &str, value: &str| {
            let [name, name_len] = guest.put("accept");
            let [value, value_len] = guest.put(value);
            format!(
                "(drop {})",
                call(function, &[0, name, name_len, value, value_len])
            )
        };
        let set_pairs = |guest: &mut Guest, headers: &[(&str, &str)]| {
            let headers = headers.iter().copied();
            let [at, len] = guest.put(enginebay_host::abi::pairs::encode(headers).unwrap());
            format!("(drop {})", call("proxy_set_header_map_pairs", &[0, at, len]))
        };
        let refused = ["10", "0", "0"];
        for function in ["proxy_get_header_map_value", "proxy_get_header_map_pairs"] {
            let stream =
                || Stream::default().map(MapType::HttpRequestHeaders, &[("accept", "abc"), ("x", "yz")]);
            for value in ["", "longer", "a"] {
                let steps = |guest: &mut Guest| one_value(guest, "proxy_replace_header_map_value", value);
                assert_eq!(read_while(bay, function, stream(), steps), refused);
                let steps = |guest: &mut Guest| one_value(guest, "proxy_add_header_map_value", value);
                assert_eq!(read_while(bay, function, stream(), steps), refused);
            }
            let steps = |guest: &mut Guest| set_pairs(guest, &[]);
            assert_eq!(read_while(bay, function, stream(), steps), refused);
            let steps = |guest: &mut Guest| set_pairs(guest, &[("a", "b")]);
            assert_eq!(read_while(bay, function, stream(), steps), refused);
        }
        // As long as before, and something else: never the bytes of another header.
        let stream = Stream::default().map(MapType::HttpRequestHeaders, &[("accept", "abc"), ("x", "yz")]);
        let steps = |guest: &mut Guest| set_pairs(guest, &[("secret", "def"), ("x", "yz")]);
        let reports = read_while(bay, "proxy_get_header_map_value", stream, steps);
        assert_eq!(reports, refused);
        let stream = Stream::default().map(MapType::HttpRequestHeaders, &[("accept", "abc"), ("x", "yz")]);
        let steps = |guest: &mut Guest| one_value(guest, "proxy_replace_header_map_value", "def");
        let reports = read_while(bay, "proxy_get_header_map_value", stream, steps);
        assert_eq!(reports, refused);
    });
}

#[test]
fn one_that_shortens_the_body_that_is_copied() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]),
            "(call $n (i32.load (i32.const 8)))".to_owned(),
        ];
        guest.allocator = after(&format!(
            "(drop {})",
            call("proxy_set_buffer_bytes", &[0, 1, 9, 0, 0])
        ));
        assert_eq!(bay.reports(&guest.on_request(&steps)), ["10", "0"]);
    });
}

#[test]
fn one_that_turns_to_another_context() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = allocating(&mut guest);
        guest.allocator = after(&format!("(drop {})", call("proxy_set_effective_context", &[2])));
        let (vm, root) = bay.started(&guest.on_request(&steps));
        let other = [("accept", "z")];
        let other = Stream::default().map(MapType::HttpRequestHeaders, &other);
        vm.create_stream(root, other).unwrap();
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        vm.on_request_headers(id, 0, true).unwrap();
        // From the second on it is that context already.
        assert_eq!(bay.platform.reports(), ["10", "0", "1", "0", "0"]);
    });
}
