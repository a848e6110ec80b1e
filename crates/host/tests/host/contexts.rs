//! `proxy_set_effective_context`: whose headers, properties and log prefix a callback gets.

use enginebay_host::PluginConfig;

use crate::fixture::{Guest, Stream, on_each, status};

#[test]
fn host_functions_act_on_the_effective_context_until_the_callback_ends() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [key, size] = guest.put("plugin_name");
        let name = [
            status("proxy_get_property", &[key, size, 8, 12]),
            "(call $out)".to_owned(),
        ]
        .concat();
        let steps = [
            status("proxy_set_effective_context", &[4]),
            name.clone(),
            status("proxy_set_effective_context", &[99]),
            status("proxy_set_effective_context", &[u32::MAX]),
            status("proxy_continue_stream", &[0]),
            // A local response for another stream does not stop this one.
            status("proxy_send_local_response", &[403, 0, 0, 0, 0, 0, 0, 0]),
            // 0 is the context whose callback this is.
            status("proxy_set_effective_context", &[0]),
            name.clone(),
        ];
        let guest = guest.on_request(&steps).on("proxy_on_log", name);
        let (vm, root) = bay.started(&guest);
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        let other = PluginConfig {
            name: "other".to_owned(),
            root_id: "other_root".to_owned(),
            ..PluginConfig::default()
        };
        let other = vm.start_plugin(other).unwrap();
        let target = vm.create_stream(other, Stream::plain()).unwrap();
        assert_eq!((id.get(), target.get()), (2, 4));
        let result = vm.on_request_headers(id, 0, true).unwrap();
        assert_eq!(result.name(), "CONTINUE");
        assert_eq!(
            bay.platform.reports(),
            ["0", "0", "other", "2", "2", "0", "0", "0", "0", "my_plugin"]
        );
        assert_eq!(bay.platform.lines()[0], "wasm log other other_root my_vm: 0");
        assert_eq!(vm.stream(target).unwrap().continued.len(), 1);
        assert_eq!(vm.stream(target).unwrap().local.len(), 1);
        assert!(vm.stream(id).unwrap().local.is_empty());
        // The next callback is about its own context again.
        bay.platform.clear();
        vm.on_log(id).unwrap();
        assert_eq!(
            bay.platform.lines(),
            [
                "wasm log my_plugin my_root my_vm: 0",
                "wasm log my_plugin my_root my_vm: my_plugin"
            ]
        );
    });
}

#[test]
fn a_root_context_can_act_on_a_stream() {
    on_each(|bay| {
        let steps = [
            status("proxy_get_header_map_size", &[0, 8]),
            status("proxy_set_effective_context", &[2]),
            status("proxy_get_header_map_size", &[0, 8]),
        ];
        let guest = Guest::new().on("proxy_on_configure", steps.concat());
        let (vm, root) = bay.started(&guest);
        assert_eq!(bay.platform.reports(), ["2", "2", "2"]);
        vm.create_stream(root, Stream::plain()).unwrap();
        bay.platform.clear();
        vm.start_plugin(bay.plugin.clone()).unwrap();
        assert_eq!(bay.platform.reports(), ["2", "0", "0"]);
    });
}
