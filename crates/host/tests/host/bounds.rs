//! Everything a guest can make grow, up to its bound and one beyond.

use enginebay_host::abi::{LogLevel, pairs};
use enginebay_host::{Body, HeaderLimits, VmLimits};

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
        assert_eq!(VmLimits::default().buffer, 64 << 20);
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
        assert_eq!(
            vm.stream(id).unwrap().bodies[&0].len(),
            VmLimits::default().buffer
        );
    });
}

#[test]
fn a_body_that_came_longer_can_change_and_not_grow() {
    on_each(|bay| {
        let mut stream = Stream::plain();
        let long = bytes::Bytes::from(vec![b'x'; VmLimits::default().buffer + 10]);
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
        let limits = VmLimits::default();
        let (details, body) = (
            limits.local_response_details as u32,
            limits.local_response_body as u32,
        );
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
        assert_eq!(stream.local[0].body.len(), limits.local_response_body);
        // The explanation is cut: a response is not lost for it.
        assert_eq!(stream.local[1].details.len(), limits.local_response_details);
    });
}

#[test]
fn properties() {
    on_each(|bay| {
        let mut guest = roomy(2);
        let [path, path_len] = guest.put("path");
        let most = VmLimits::default().property as u32;
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
        assert_eq!(
            stream.properties[&b"path"[..]].len(),
            VmLimits::default().property - 4
        );
    });
}

#[test]
fn messages() {
    on_each(|bay| {
        let limit = VmLimits::default().log_message;
        let most = limit as u32;
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
        assert_eq!(info[0].len(), limit);
        assert_eq!(info[1][limit..], *" (3 bytes left out)");
        let error = bay.logged(LogLevel::Error);
        assert_eq!(error.len(), 1);
        assert_eq!(error[0][limit..], *" (1072693248 bytes left out)");
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
        let room = HeaderLimits::DEFAULT.bytes as u32 - 27 - 1;
        let steps = [
            spaces,
            set(room),
            set(room + 1),
            set(u32::MAX >> 8),
            status("proxy_add_header_map_value", &[0, name, name_len, MIB, 0]),
        ];
        let Run { vm, id, .. } = bay.run(&guest.on_request(&steps), Stream::plain());
        assert_eq!(bay.platform.reports(), ["0", "2", "6", "2"]);
        assert_eq!(
            vm.stream(id).unwrap().maps[&0].size(),
            HeaderLimits::DEFAULT.bytes
        );

        // Their number, one by one and at once.
        let mut guest = roomy(2);
        let [name, name_len] = guest.put("x");
        let most = HeaderLimits::DEFAULT.entries;
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

/// Every limit of a VM can be set to something else, and holds then.
#[test]
fn limits_can_be_changed() {
    on_each(|bay| {
        let mut limits = VmLimits::default();
        limits.headers = HeaderLimits {
            entries: 5,
            bytes: 40,
        };
        limits.buffer = 7;
        limits.local_response_body = 3;
        limits.local_response_details = 2;
        limits.property = 6;
        limits.log_message = 4;
        bay.platform.limits.set(limits);
        let mut guest = Guest::new();
        let [at, _] = guest.put("abcdefghijklmnopqrstuvwxyz");
        let pairs = guest.put(pairs::encode(vec![("a", ""); 6]).unwrap());
        let add = |name, value| status("proxy_add_header_map_value", &[0, at, name, at, value]);
        let append = |size| status("proxy_set_buffer_bytes", &[0, u32::MAX, 0, at, size]);
        let send = |details, body| {
            status(
                "proxy_send_local_response",
                &[200, at, details, at, body, 0, 0, u32::MAX],
            )
        };
        let set = |value| status("proxy_set_property", &[at, 4, at, value]);
        let steps = [
            // 27 bytes in 4 headers are there, and 5 bytes of body.
            add(1, 13),
            add(1, 12),
            add(1, 0),
            status("proxy_set_header_map_pairs", &[0, pairs[0], pairs[1]]),
            append(3),
            append(2),
            send(0, 4),
            send(3, 3),
            set(3),
            set(2),
        ];
        let steps = steps.concat() + &status("proxy_log", &[2, at, 6]);
        let Run { vm, id, result } = bay.run(&guest.on_request(&[steps]), Stream::plain());
        result.unwrap();
        let expected = ["2", "0", "2", "2", "2", "0", "2", "0", "2", "0", "0"];
        assert_eq!(bay.platform.reports(), expected);
        assert_eq!(bay.logged(LogLevel::Info), ["abcd (2 bytes left out)"]);
        assert_eq!(vm.stream(id).unwrap().local[0].details, b"ab");
    });
}

#[test]
fn messages_in_a_second() {
    on_each(|bay| {
        let mut limits = VmLimits::default();
        limits.log_rate = 3;
        bay.platform.limits.set(limits);
        let say = "(call $n (i32.const 1)) (call $n (i32.const 2))".to_owned();
        let guest = Guest::new()
            .on_request(std::slice::from_ref(&say))
            .on("proxy_on_request_body", say);
        let Run { vm, id, .. } = bay.run(&guest, Stream::plain());
        vm.on_request_body(id, 0, true).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "2", "1"]);
        bay.platform.advance(1_000_000_000);
        vm.on_request_body(id, 0, true).unwrap();
        vm.on_request_body(id, 0, true).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "2", "1", "1", "2", "1"]);
        let warning = "1 log messages were left out: more than 3 came in one second";
        assert_eq!(bay.logged(LogLevel::Warn), [warning]);
        // The last ones are told of when the VM goes.
        drop(vm);
        assert_eq!(bay.logged(LogLevel::Warn), [warning; 2]);
    });
}

#[test]
fn contexts_that_wait_for_their_end() {
    on_each(|bay| {
        let mut limits = VmLimits::default();
        limits.finishing = 2;
        bay.platform.limits.set(limits);
        let guest = Guest::new()
            .returning("proxy_on_done", "", "(i32.const 0)")
            .on("proxy_on_delete", "(call $n (local.get $context_id))")
            .on_request(&[
                status("proxy_set_effective_context", &[2]),
                status("proxy_done", &[]),
            ]);
        let (vm, root) = bay.started(&guest);
        let streams = [(); 5].map(|()| vm.create_stream(root, Stream::plain()).unwrap());
        for stream in &streams[..3] {
            vm.finish(*stream).unwrap();
        }
        // Two wait, and the third had to go.
        assert_eq!(bay.platform.reports(), ["4"]);
        assert_eq!(vm.context_count(), 1 + 4);
        let warning = "a context was deleted before its time: 2 wait for proxy_done already";
        assert_eq!(bay.logged(LogLevel::Warn), [warning]);
        // One that is done makes room.
        vm.on_request_headers(streams[4], 1, true).unwrap();
        vm.finish(streams[3]).unwrap();
        assert_eq!(bay.platform.reports(), ["4", "0", "0", "2"]);
        assert_eq!(vm.context_count(), 1 + 3);
    });
}
