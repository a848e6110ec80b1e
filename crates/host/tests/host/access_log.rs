//! A root context that logs a stream.

use std::cell::Cell;
use std::rc::Rc;

use enginebay_host::abi::MapType;

use crate::fixture::{Guest, Stream, on_each, status};

#[test]
fn a_root_context_reads_the_stream_that_it_logs_and_only_then() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [key, size] = guest.put("accept");
        let look = [
            status("proxy_get_header_map_value", &[0, key, size, 64, 68]),
            status("proxy_get_header_map_value", &[2, key, size, 64, 68]),
            status("proxy_add_header_map_value", &[0, key, size, key, size]),
            status("proxy_set_header_map_pairs", &[0, 0, 0]),
            status("proxy_remove_header_map_value", &[0, key, size]),
        ]
        .concat();
        let guest = guest
            .on("proxy_on_log", format!("(call $n (local.get 0)) {look}"))
            .on("proxy_on_configure", look);
        let (vm, root) = bay.started(&guest);
        // Nothing to read, and a map that is not there.
        assert_eq!(bay.platform.reports(), ["2"; 5]);
        bay.platform.clear();
        let dropped = Rc::new(Cell::new(0));
        for times in 1..=2 {
            let counted = dropped.clone();
            let mut stream = Stream::plain().map(MapType::HttpResponseHeaders, &[(":status", "200")]);
            stream.on_drop = Some(Box::new(move || counted.set(counted.get() + 1)));
            vm.log(root, stream).unwrap();
            let id = root.get().to_string();
            // Headers that are there and not; what is over can't be changed.
            assert_eq!(bay.platform.reports(), [&id, "0", "1", "2", "2", "2"]);
            bay.platform.clear();
            assert_eq!((dropped.get(), vm.context_count()), (times, 1));
        }
    });
}

#[test]
fn a_failed_vm_logs_nothing() {
    on_each(|bay| {
        let (vm, root) = bay.started(&Guest::new().on("proxy_on_log", "(unreachable)"));
        let dropped = Rc::new(Cell::new(0));
        for times in 1..=2 {
            let counted = dropped.clone();
            let mut stream = Stream::plain();
            stream.on_drop = Some(Box::new(move || counted.set(counted.get() + 1)));
            let failure = vm.log(root, stream).unwrap_err();
            assert_eq!(failure.function(), Some("proxy_on_log"));
            assert_eq!(dropped.get(), times);
        }
    });
}
