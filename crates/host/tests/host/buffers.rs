//! Buffers: reading and changing parts of them.

use enginebay_host::abi::BufferType;

use crate::fixture::{Guest, OUT, Run, Stream, on_each, status};

const MAX: u32 = u32::MAX;
const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];

/// Reads a part and reports status and bytes.
fn read(buffer: u32, start: u32, max: u32) -> String {
    status("proxy_get_buffer_bytes", &[buffer, start, max, AT, LEN]) + "(call $out)"
}

#[test]
fn parts_of_a_body() {
    on_each(|bay| {
        let mut expected = Vec::new();
        let mut steps = Vec::new();
        for (start, max, part) in [
            (0, 5, "hello"),
            (0, 2, "he"),
            (1, 2, "el"),
            (2, 100, "llo"),
            (4, 1, "o"),
            (0, MAX, "hello"),
            (1, MAX - 1, "ello"),
            (0, 0, ""),
            (5, 0, ""),
            (5, 10, ""),
            (6, 10, ""),
            (1000, 10, ""),
            (MAX, 0, ""),
            // The end is no 32-bit number.
            (1, MAX, "ello"),
            (MAX, 1, ""),
            (MAX, MAX, ""),
            (6, MAX - 5, ""),
        ] {
            steps.push(read(0, start, max));
            expected.extend(["0".to_owned(), part.to_owned()]);
        }
        assert_eq!(bay.reports(&Guest::new().on_request(&steps)), expected);
    });
}

#[test]
fn nothing_read_means_a_null_address() {
    on_each(|bay| {
        let steps = [
            "(i32.store (i32.const 8) (i32.const 1)) (i32.store (i32.const 12) (i32.const 2))".to_owned(),
            status("proxy_get_buffer_bytes", &[0, 9, 9, AT, LEN]),
            "(call $n (i32.load (i32.const 8))) (call $n (i32.load (i32.const 12)))".to_owned(),
        ];
        assert_eq!(bay.reports(&Guest::new().on_request(&steps)), ["0", "0", "0"]);
    });
}

#[test]
fn buffers_that_are_not_there() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [value, size] = guest.put("x");
        let mut steps = Vec::new();
        let mut expected = Vec::new();
        for buffer in [1, 2, 3, 4, 5, 8] {
            steps.push(status("proxy_get_buffer_bytes", &[buffer, 0, 1, AT, LEN]));
            steps.push(status("proxy_get_buffer_status", &[buffer, AT, LEN]));
            steps.push(status("proxy_set_buffer_bytes", &[buffer, 0, 0, value, size]));
            expected.extend(["1"; 3]);
        }
        for buffer in [9, 100, MAX] {
            steps.push(status("proxy_get_buffer_bytes", &[buffer, 0, 1, AT, LEN]));
            steps.push(status("proxy_get_buffer_status", &[buffer, AT, LEN]));
            steps.push(status("proxy_set_buffer_bytes", &[buffer, 0, 0, value, size]));
            expected.extend(["2"; 3]);
        }
        assert_eq!(bay.reports(&guest.on_request(&steps)), expected);
    });
}

#[test]
fn sizes() {
    on_each(|bay| {
        let size = |buffer| {
            status("proxy_get_buffer_status", &[buffer, AT, LEN])
                + "(call $n (i32.load (i32.const 8))) (call $n (i32.load (i32.const 12)))"
        };
        let steps = [
            "(i32.store (i32.const 12) (i32.const 9))".to_owned(),
            size(0),
            size(6),
            size(7),
        ];
        let reports = bay.reports(&Guest::new().on_request(&steps));
        assert_eq!(reports, ["0", "5", "0", "0", "16", "0", "0", "20", "0"]);
    });
}

#[test]
fn configurations() {
    on_each(|bay| {
        let steps = [read(6, 0, MAX), read(7, 0, 6), read(7, 7, 100), read(6, 16, 1)].concat();
        let mut guest = Guest::new();
        let [value, size] = guest.put("x");
        let guest = guest.on("proxy_on_configure", steps.clone()).on_request(&[
            steps,
            // They can't be changed.
            status("proxy_set_buffer_bytes", &[7, 0, 0, value, size]),
        ]);
        let seen = [
            "0",
            "vm configuration",
            "0",
            "plugin",
            "0",
            "configuration",
            "0",
            "",
        ];
        let reports = bay.reports(&guest);
        assert_eq!(reports[..8], seen);
        assert_eq!(reports[8..16], seen);
        assert_eq!(reports[16..], ["2"]);
    });
}

#[test]
fn changes() {
    on_each(|bay| {
        for (start, size, value, result) in [
            (5, 0, "!", "hello!"),
            (MAX, MAX, "!", "hello!"),
            (100, 3, "!", "hello!"),
            (0, 0, ">", ">hello"),
            (2, 0, "-", "he-llo"),
            (1, 3, "ipp", "hippo"),
            (1, 3, "", "ho"),
            (1, MAX, "i", "hi"),
            (0, MAX, "bye", "bye"),
            (0, 5, "", ""),
            (0, 0, "", "hello"),
        ] {
            let mut guest = Guest::new();
            let [at, len] = guest.put(value);
            let steps = [
                status("proxy_set_buffer_bytes", &[0, start, size, at, len]),
                read(0, 0, MAX),
            ];
            bay.platform.clear();
            let Run { vm, id, .. } = bay.run(&guest.on_request(&steps), Stream::plain());
            assert_eq!(bay.platform.reports(), ["0", "0", result]);
            assert_eq!(vm.stream(id).unwrap().request_body(), result);
        }
    });
}

#[test]
fn each_buffer_of_a_stream_is_its_own() {
    on_each(|bay| {
        let stream = BufferType::ALL.iter().fold(Stream::default(), |stream, buffer| {
            stream.body(*buffer, &[buffer.name()])
        });
        let steps: Vec<_> = [0, 1, 2, 3, 6, 7].map(|buffer| read(buffer, 0, MAX)).into();
        let reports = bay.reports_with(&Guest::new().on_request(&steps), stream);
        let values: Vec<_> = reports.iter().skip(1).step_by(2).collect();
        assert_eq!(
            values,
            [
                "HTTP_REQUEST_BODY",
                "HTTP_RESPONSE_BODY",
                "DOWNSTREAM_DATA",
                "UPSTREAM_DATA",
                "vm configuration",
                "plugin configuration",
            ]
        );
    });
}
