//! HTTP/2 metadata, of which nothing but the number is told.

use crate::fixture::{Guest, Stream, on_each};

#[test]
fn metadata_never_stops_a_stream() {
    on_each(|bay| {
        let say = "(call $n (local.get $num_elements))";
        for returned in ["(i32.const 0)", "(i32.const 1)", "(i32.const 77)"] {
            bay.platform.clear();
            let guest = Guest::new()
                .returning("proxy_on_request_metadata", say, returned)
                .returning("proxy_on_response_metadata", say, returned);
            let (vm, root) = bay.started(&guest);
            let id = vm.create_stream(root, Stream::plain()).unwrap();
            assert_eq!(vm.on_request_metadata(id, 3).unwrap().name(), "CONTINUE");
            assert_eq!(vm.on_response_metadata(id, 0).unwrap().name(), "CONTINUE");
            assert_eq!(bay.platform.reports(), ["3", "0"]);
        }
        // Not exported.
        let (vm, root) = bay.started(&Guest::new());
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        assert_eq!(vm.on_request_metadata(id, 1).unwrap().name(), "CONTINUE");
    });
}

#[test]
fn metadata_callbacks_may_trap() {
    on_each(|bay| {
        let guest = Guest::new().on("proxy_on_response_metadata", "(unreachable)");
        let (vm, root) = bay.started(&guest);
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        let failure = vm.on_response_metadata(id, 1).unwrap_err();
        assert_eq!(failure.function(), Some("proxy_on_response_metadata"));
        assert!(vm.on_request_metadata(id, 1).is_err());
    });
}
