//! Timers.

use std::time::Duration;

use crate::fixture::{Guest, Stream, on_each, status};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_root_context_ticks_while_it_wants_to() {
    on_each(|bay| {
        let guest = Guest::new()
            .on(
                "proxy_on_configure",
                status("proxy_set_tick_period_milliseconds", &[250]),
            )
            .on("proxy_on_tick", "(call $n (local.get $plugin_context_id))")
            .on_request(&[status("proxy_set_tick_period_milliseconds", &[0])]);
        let (vm, root) = bay.started(&guest);
        let id = root.get();
        assert_eq!(vm.tick_period(root), Some(250 * MS));
        vm.on_tick(root).unwrap();
        vm.on_tick(root).unwrap();
        assert_eq!(bay.platform.reports(), ["0", &id.to_string(), &id.to_string()]);

        // A stream sets the timer of its root context.
        let stream = vm.create_stream(root, Stream::plain()).unwrap();
        assert_eq!(vm.tick_period(stream), None);
        vm.on_request_headers(stream, 1, true).unwrap();
        assert_eq!(vm.tick_period(root), None);
        vm.on_tick(root).unwrap();
        assert_eq!(bay.platform.reports().len(), 4);
        assert_eq!(*bay.platform.timers.borrow(), [(id, Some(250 * MS)), (id, None)]);
        vm.finish(stream).unwrap();
        vm.finish(root).unwrap();
        vm.on_tick(root).unwrap();
    });
}
