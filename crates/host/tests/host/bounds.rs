//! Everything a guest can make grow, up to its bound and one beyond.

use enginebay_host::abi::{LogLevel, pairs};
use enginebay_host::{Body, HeaderMap, LocalResponse, LogRecord, MAX_PROPERTY_SIZE};

use crate::fixture::{Guest, Run, Stream, on_each, status};

/// A guest with this many MiB to pass around from 1 MiB on.
fn roomy(mib: u32) -> Guest {
    let mut guest = Guest::new();
    guest.pages = 16 * (mib + 2);
    guest
}

const MIB: u32 = 1 << 20;

#[test]
fn bodies() {
    on_each(|bay| {
        assert_eq!(Body::MAX_WRITTEN, 64 << 20);
        let append = |size| status("proxy_set_buffer_bytes", &[0, u32::MAX, 0, MIB, size]);
        let steps = [
            append(64 * MIB - 5),
            append(1),
            append(0),
            // As long as before, shorter, and as long as it may be again.
            status("proxy_set_buffer_bytes", &[0, 0, 10, MIB, 10]),
            status("proxy_set_buffer_bytes", &[0, 0, 10, MIB, 11]),
            status("proxy_set_buffer_bytes", &[0, 0, 10, MIB, 9]),
            append(2),
            append(1),
        ];
        let Run { vm, id, result } = bay.run(&roomy(64).on_request(&steps), Stream::plain());
        result.unwrap();
        assert_eq!(bay.platform.reports(), ["0", "2", "0", "0", "2", "0", "2", "0"]);
        assert_eq!(vm.stream(id).unwrap().bodies[&0].len(), Body::MAX_WRITTEN);
    });
}

#[test]
fn a_body_that_came_longer_can_change_and_not_grow() {
    on_each(|bay| {
        let mut stream = Stream::plain();
        let long = bytes::Bytes::from(vec![b'x'; Body::MAX_WRITTEN + 10]);
        stream.bodies.insert(0, Body::from(long));
        let steps = [
            status("proxy_set_buffer_bytes", &[0, 0, 0, MIB, 1]),
            status("proxy_set_buffer_bytes", &[0, 0, 5, MIB, 5]),
            status("proxy_set_buffer_bytes", &[0, 0, 5, MIB, 4]),
        ];
        let guest = roomy(1).on_request(&steps);
        assert_eq!(bay.reports_with(&guest, stream), ["2", "0", "0"]);
    });
}

#[test]
fn local_responses() {
    on_each(|bay| {
        let (details, body) = (LocalResponse::MAX_DETAILS as u32, LocalResponse::MAX_BODY as u32);
        let send = |details, body| {
            status(
                "proxy_send_local_response",
                &[200, MIB, details, MIB, body, 0, 0, u32::MAX],
            )
        };
        let steps = [send(details, body), send(details, body + 1), send(details + 1, 0)];
        let Run { vm, id, result } = bay.run(&roomy(65).on_request(&steps), Stream::plain());
        result.unwrap();
        assert_eq!(bay.platform.reports(), ["0", "2", "0"]);
        let stream = vm.stream(id).unwrap();
        assert_eq!(stream.local.len(), 2);
        assert_eq!(stream.local[0].body.len(), LocalResponse::MAX_BODY);
        // The explanation is cut: a response is not lost for it.
        assert_eq!(stream.local[1].details.len(), LocalResponse::MAX_DETAILS);
    });
}

#[test]
fn properties() {
    on_each(|bay| {
        let mut guest = roomy(2);
        let [path, path_len] = guest.put("path");
        let most = MAX_PROPERTY_SIZE as u32;
        let set = |path, path_len, value_len| status("proxy_set_property", &[path, path_len, MIB, value_len]);
        let steps = [
            set(path, path_len, most - path_len),
            set(path, path_len, most - path_len + 1),
            set(MIB, most + 1, 0),
        ];
        let Run { vm, id, result } = bay.run(&guest.on_request(&steps), Stream::plain());
        result.unwrap();
        assert_eq!(bay.platform.reports(), ["0", "2", "2"]);
        let stream = vm.stream(id).unwrap();
        assert_eq!(stream.properties.len(), 1);
        assert_eq!(stream.properties[&b"path"[..]].len(), MAX_PROPERTY_SIZE - 4);
    });
}

#[test]
fn messages() {
    on_each(|bay| {
        let most = LogRecord::MAX_MESSAGE as u32;
        let mut guest = roomy(2);
        // The same large piece, 1,024 times: 1 GiB, of which the first MiB counts. And 1,024 times 4 MiB, which
        // is no 32-bit number.
        let list = |size: u32| [MIB.to_le_bytes(), size.to_le_bytes()].concat().repeat(1024);
        let large = guest.put(list(MIB))[0];
        guest.pages = 16 * 6;
        let huge = guest.put(list(4 * MIB))[0];
        let steps = [
            status("proxy_log", &[2, MIB, most]),
            status("proxy_log", &[2, MIB, most + 3]),
            status("fd_write", &[2, large, 1024, 8]),
            "(call $n (i32.load (i32.const 8)))".to_owned(),
            status("fd_write", &[2, huge, 1024, 8]),
        ];
        let reports = bay.reports(&guest.on_request(&steps));
        assert_eq!(reports, ["0", "0", "0", "1073741824", "28"]);
        let info = bay.logged(LogLevel::Info);
        assert_eq!(info[0].len(), LogRecord::MAX_MESSAGE);
        assert_eq!(info[1][LogRecord::MAX_MESSAGE..], *" (3 bytes left out)");
        let error = bay.logged(LogLevel::Error);
        assert_eq!(error.len(), 1);
        assert_eq!(
            error[0][LogRecord::MAX_MESSAGE..],
            *" (1072693248 bytes left out)"
        );
    });
}

#[test]
fn headers() {
    on_each(|bay| {
        // The bytes of all names and values.
        let mut guest = roomy(2);
        let [name, name_len] = guest.put("x");
        let spaces = "(memory.fill (i32.const 1048576) (i32.const 32) (i32.const 1048576))".to_owned();
        let set = |size| status("proxy_replace_header_map_value", &[0, name, name_len, MIB, size]);
        let room = HeaderMap::MAX_SIZE as u32 - 27 - 1;
        let steps = [
            spaces,
            set(room),
            set(room + 1),
            set(u32::MAX >> 8),
            status("proxy_add_header_map_value", &[0, name, name_len, MIB, 0]),
        ];
        let Run { vm, id, .. } = bay.run(&guest.on_request(&steps), Stream::plain());
        assert_eq!(bay.platform.reports(), ["0", "2", "6", "2"]);
        assert_eq!(vm.stream(id).unwrap().maps[&0].size(), HeaderMap::MAX_SIZE);

        // Their number, one by one and at once.
        let mut guest = roomy(2);
        let [name, name_len] = guest.put("x");
        let most = HeaderMap::MAX_ENTRIES;
        let full = guest.put(pairs::encode(vec![("a", ""); most]).unwrap());
        let over = guest.put(pairs::encode(vec![("a", ""); most + 1]).unwrap());
        let add = status("proxy_add_header_map_value", &[0, name, name_len, 0, 0]);
        let steps = [
            status("proxy_set_header_map_pairs", &[0, over[0], over[1]]),
            status("proxy_set_header_map_pairs", &[0, full[0], full[1]]),
            add.clone(),
            status(
                "proxy_send_local_response",
                &[200, 0, 0, 0, 0, full[0], full[1], 0],
            ),
            status(
                "proxy_send_local_response",
                &[200, 0, 0, 0, 0, over[0], over[1], 0],
            ),
        ];
        bay.platform.clear();
        let Run { vm, id, .. } = bay.run(&guest.on_request(&steps), Stream::plain());
        assert_eq!(bay.platform.reports(), ["2", "0", "2", "0", "0"]);
        let stream = vm.stream(id).unwrap();
        assert_eq!(stream.maps[&0].len(), most);
        // The answer goes out in any case, without headers that are too many.
        let sent: Vec<usize> = stream
            .local
            .iter()
            .map(|response| response.headers.len())
            .collect();
        assert_eq!(sent, [most, 0]);
    });
}
