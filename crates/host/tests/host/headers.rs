//! Header maps: every function on them.

use enginebay_host::abi::{MapType, pairs};

use crate::fixture::{Guest, OUT, Run, Stream, on_each, status};

const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];

fn get(guest: &mut Guest, map: u32, name: &str) -> String {
    let [key, size] = guest.put(name);
    status("proxy_get_header_map_value", &[map, key, size, AT, LEN])
}

/// Runs steps and gives the reports and the request headers afterwards.
fn change(
    bay: &crate::fixture::Bay,
    guest: Guest,
    steps: &[String],
) -> (Vec<String>, Vec<(String, String)>, bool) {
    bay.platform.clear();
    let Run { vm, id, result } = bay.run(&guest.on_request(steps), Stream::plain());
    result.unwrap();
    let stream = vm.stream(id).unwrap();
    let modified = stream.maps[&0].is_modified();
    (bay.platform.reports(), stream.request_headers(), modified)
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    headers.iter().map(owned).collect()
}

const PLAIN: [(&str, &str); 4] = [(":path", "/"), ("accept", "a"), ("x-empty", ""), ("accept", "b")];

#[test]
fn single_values() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let out = "(call $out)".to_owned();
        let steps = [
            get(&mut guest, 0, "accept"),
            out.clone(),
            get(&mut guest, 0, "ACCEPT"),
            out.clone(),
            get(&mut guest, 0, ":path"),
            out.clone(),
            get(&mut guest, 0, "x-empty"),
            out,
            get(&mut guest, 0, "missing"),
            get(&mut guest, 0, ""),
            get(&mut guest, 0, "a\0b"),
            // A map that is not there, one that never is, and none.
            get(&mut guest, 2, "accept"),
            get(&mut guest, 7, "accept"),
            get(&mut guest, 8, "accept"),
            get(&mut guest, u32::MAX, "accept"),
        ];
        let (reports, headers, modified) = change(bay, guest, &steps);
        assert_eq!(
            reports,
            [
                "0", "a", "0", "a", "0", "/", "0", "", "1", "1", "1", "2", "2", "2", "2"
            ]
        );
        assert_eq!(headers, owned(&PLAIN));
        assert!(!modified);
    });
}

#[test]
fn whole_maps() {
    on_each(|bay| {
        let pairs_of = |map| status("proxy_get_header_map_pairs", &[map, AT, LEN]) + "(call $out)";
        let size_of =
            |map| status("proxy_get_header_map_size", &[map, AT]) + "(call $n (i32.load (i32.const 8)))";
        let steps = [
            pairs_of(0),
            size_of(0),
            // Empty, and not there: no bytes at all.
            pairs_of(1),
            "(call $n (i32.load (i32.const 8)))".to_owned(),
            size_of(1),
            pairs_of(3),
            status("proxy_get_header_map_size", &[3, AT]),
            status("proxy_get_header_map_pairs", &[8, AT, LEN]),
            status("proxy_get_header_map_size", &[8, AT]),
        ];
        let stream = Stream::plain().map(MapType::HttpRequestTrailers, &[]);
        let reports = bay.reports_with(&Guest::new().on_request(&steps), stream);
        let encoded = String::from_utf8(pairs::encode(PLAIN).unwrap()).unwrap();
        let expected = [
            "0", &encoded, "0", "27", "0", "", "0", "0", "0", "0", "", "2", "2", "2",
        ];
        assert_eq!(reports, expected);
    });
}

#[test]
fn adding() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [name, name_len] = guest.put("Accept");
        let [value, value_len] = guest.put("c d");
        let steps = [
            status(
                "proxy_add_header_map_value",
                &[0, name, name_len, value, value_len],
            ),
            status("proxy_add_header_map_value", &[0, name, name_len, 0, 0]),
            status(
                "proxy_add_header_map_value",
                &[2, name, name_len, value, value_len],
            ),
            status(
                "proxy_add_header_map_value",
                &[8, name, name_len, value, value_len],
            ),
        ];
        let (reports, headers, modified) = change(bay, guest, &steps);
        assert_eq!(reports, ["0", "0", "2", "2"]);
        let expected = [&PLAIN[..], &[("accept", "c d"), ("accept", "")]].concat();
        assert_eq!(headers, owned(&expected));
        assert!(modified);
    });
}

#[test]
fn replacing() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [accept, accept_len] = guest.put("ACCEPT");
        let [new, new_len] = guest.put("x-new");
        let [value, value_len] = guest.put("longer than it was");
        let steps = [
            status(
                "proxy_replace_header_map_value",
                &[0, accept, accept_len, value, value_len],
            ),
            status("proxy_replace_header_map_value", &[0, new, new_len, value, 6]),
            status("proxy_replace_header_map_value", &[2, new, new_len, value, 6]),
            status("proxy_replace_header_map_value", &[8, new, new_len, value, 6]),
        ];
        let (reports, headers, modified) = change(bay, guest, &steps);
        assert_eq!(reports, ["0", "0", "2", "2"]);
        let expected = [
            (":path", "/"),
            ("accept", "longer than it was"),
            ("x-empty", ""),
            ("x-new", "longer"),
        ];
        assert_eq!(headers, owned(&expected));
        assert!(modified);
    });
}

#[test]
fn removing() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [accept, accept_len] = guest.put("AcCept");
        let [path, path_len] = guest.put(":path");
        let steps = [
            status("proxy_remove_header_map_value", &[0, accept, accept_len]),
            // Once more: it is gone already.
            status("proxy_remove_header_map_value", &[0, accept, accept_len]),
            status("proxy_remove_header_map_value", &[0, path, path_len]),
            status("proxy_remove_header_map_value", &[0, path, 0]),
            status("proxy_remove_header_map_value", &[2, accept, accept_len]),
            status("proxy_remove_header_map_value", &[8, accept, accept_len]),
        ];
        let (reports, headers, modified) = change(bay, guest, &steps);
        assert_eq!(reports, ["0", "0", "0", "0", "2", "2"]);
        assert_eq!(headers, owned(&[("x-empty", "")]));
        assert!(modified);
    });
}

#[test]
fn replacing_a_whole_map() {
    on_each(|bay| {
        let new = [(":path", "/new"), ("X-One", "1"), ("x-empty", ""), ("x-one", "2")];
        let mut guest = Guest::new();
        let [at, len] = guest.put(pairs::encode(new).unwrap());
        let steps = [
            status("proxy_set_header_map_pairs", &[0, at, len]),
            status("proxy_set_header_map_pairs", &[2, at, len]),
            status("proxy_set_header_map_pairs", &[8, at, len]),
            status("proxy_get_header_map_pairs", &[0, AT, LEN]) + "(call $out)",
        ];
        let (reports, headers, modified) = change(bay, guest, &steps);
        let lower = [(":path", "/new"), ("x-one", "1"), ("x-empty", ""), ("x-one", "2")];
        let encoded = String::from_utf8(pairs::encode(lower).unwrap()).unwrap();
        assert_eq!(reports, ["0", "2", "2", "0", &encoded]);
        assert_eq!(headers, owned(&lower));
        assert!(modified);
        // Nothing at all empties it, in each of the ways to write nothing.
        for nothing in [&[][..], &[0], &[0; 4]] {
            let mut guest = Guest::new();
            let [at, len] = guest.put(nothing);
            let steps = [status("proxy_set_header_map_pairs", &[0, at, len])];
            let (reports, headers, _) = change(bay, guest, &steps);
            assert_eq!((reports, headers), (vec!["0".to_owned()], vec![]));
        }
    });
}

#[test]
fn malformed_pairs_change_nothing() {
    on_each(|bay| {
        let good = pairs::encode([("a", "1"), ("b", "2")]).unwrap();
        let mut guest = Guest::new();
        let mut bad: Vec<Vec<u8>> = (1..good.len()).map(|len| good[..len].to_vec()).collect();
        bad.push([&good[..], b"\0"].concat());
        bad.push([&u32::MAX.to_le_bytes()[..], &good[4..]].concat());
        bad.push([&good[..4], &u32::MAX.to_le_bytes(), &good[8..]].concat());
        // No NUL after the first name.
        let mut joined = good.clone();
        joined[4 + 16 + 1] = b'x';
        bad.push(joined);
        // Well-formed, and not what a map may hold.
        for (name, value) in [("", "x"), ("a b", "x"), ("a", "x\r\ny: z"), ("a", "x\0")] {
            bad.push(pairs::encode([("fine", "x"), (name, value)]).unwrap());
        }
        let steps: Vec<_> = bad
            .iter()
            .map(|bytes| {
                let [at, len] = guest.put(bytes);
                status("proxy_set_header_map_pairs", &[0, at, len])
            })
            .collect();
        let (reports, headers, modified) = change(bay, guest, &steps);
        assert_eq!(reports, vec!["2"; bad.len()]);
        assert_eq!(headers, owned(&PLAIN));
        assert!(!modified);
    });
}

#[test]
fn names_and_values_that_cannot_be_sent() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let mut steps = Vec::new();
        for (name, value) in [
            ("", "v"),
            (":", "v"),
            ("a b", "v"),
            ("a:", "v"),
            ("a\0", "v"),
            ("ä", "v"),
            ("a", "x\ny"),
            ("accept", "x\ry"),
            ("accept", "x\0y"),
        ] {
            let [name, name_len] = guest.put(name);
            let [value, value_len] = guest.put(value);
            for function in ["proxy_add_header_map_value", "proxy_replace_header_map_value"] {
                steps.push(status(function, &[0, name, name_len, value, value_len]));
            }
        }
        let count = steps.len();
        let (reports, headers, modified) = change(bay, guest, &steps);
        assert_eq!(reports, vec!["2"; count]);
        assert_eq!(headers, owned(&PLAIN));
        assert!(!modified);
    });
}

#[test]
fn each_map_of_a_stream_is_its_own() {
    on_each(|bay| {
        let stream = MapType::ALL.iter().fold(Stream::default(), |stream, map| {
            stream.map(*map, &[("n", map.name())])
        });
        let mut guest = Guest::new();
        let steps: Vec<_> = (0..4)
            .map(|map| get(&mut guest, map, "n") + "(call $out)")
            .collect();
        let reports = bay.reports_with(&guest.on_request(&steps), stream);
        let values: Vec<_> = reports.iter().skip(1).step_by(2).map(String::as_str).collect();
        let names: Vec<_> = MapType::ALL[..4].iter().map(|map| map.name()).collect();
        assert_eq!(values, names);
    });
}

#[test]
fn in_on_log_a_map_that_never_was_reads_as_empty() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [key, size] = guest.put("accept");
        let steps = [
            get(&mut guest, 0, "accept"),
            get(&mut guest, 2, "accept"),
            get(&mut guest, 8, "accept"),
            status("proxy_get_header_map_pairs", &[2, AT, LEN]),
            status("proxy_remove_header_map_value", &[2, key, size]),
            // What is there can be read, and no longer be changed.
            status("proxy_add_header_map_value", &[0, key, size, key, size]),
            status("proxy_replace_header_map_value", &[0, key, size, key, size]),
            status("proxy_remove_header_map_value", &[0, key, size]),
            status("proxy_set_header_map_pairs", &[0, 0, 0]),
        ];
        let guest = guest.on("proxy_on_log", steps.concat());
        let Run { vm, id, .. } = bay.run(&guest, Stream::plain());
        vm.on_log(id).unwrap();
        let reports = bay.platform.reports();
        assert_eq!(reports, ["0", "1", "2", "0", "2", "2", "2", "2", "2"]);
        assert!(!vm.stream(id).unwrap().maps[&0].is_modified());
    });
}

#[test]
fn a_root_context_has_no_maps() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [key, size] = guest.put("accept");
        let steps = [
            get(&mut guest, 0, "accept"),
            status("proxy_get_header_map_pairs", &[0, AT, LEN]),
            status("proxy_get_header_map_size", &[0, AT]),
            status("proxy_set_header_map_pairs", &[0, 0, 0]),
            status("proxy_add_header_map_value", &[0, key, size, key, size]),
            status("proxy_replace_header_map_value", &[0, key, size, key, size]),
            status("proxy_remove_header_map_value", &[0, key, size]),
        ];
        bay.started(&guest.on("proxy_on_configure", steps.concat()));
        assert_eq!(bay.platform.reports(), ["2", "0", "2", "2", "2", "2", "2"]);
    });
}
