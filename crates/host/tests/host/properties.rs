//! Properties.

use crate::fixture::{Guest, OUT, Run, Stream, on_each, status};

const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];

fn get(guest: &mut Guest, path: &str) -> String {
    let [path, size] = guest.put(path);
    status("proxy_get_property", &[path, size, AT, LEN])
}

#[test]
fn what_the_host_knows_itself() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let mut steps = String::new();
        for path in [
            "plugin_name",
            "plugin_root_id",
            "plugin_vm_id",
            "node\0id",
            "node\0id\0",
        ] {
            steps += &(get(&mut guest, path) + "(call $out)");
        }
        for path in ["", "\0", "plugin_name\0x", "plugin", "node", "missing\0path"] {
            steps += &get(&mut guest, path);
        }
        let guest = guest.on("proxy_on_configure", steps.clone()).on_request(&[steps]);
        let reports = bay.reports(&guest);
        let expected = [
            "0",
            "my_plugin",
            "0",
            "my_root",
            "0",
            "my_vm",
            "0",
            "my_node",
            "0",
            "my_node",
            "3",
            "1",
            "1",
            "1",
            "1",
            "1",
        ];
        assert_eq!(reports[..16], expected);
        assert_eq!(reports[16..], expected);
    });
}

#[test]
fn properties_of_the_stream() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [path, size] = guest.put("my\0own");
        let [value, value_len] = guest.put("value");
        let set = status("proxy_set_property", &[path, size, value, value_len]);
        let steps = [
            get(&mut guest, "my\0own"),
            set.clone(),
            get(&mut guest, "my\0own"),
            "(call $out)".to_owned(),
            get(&mut guest, "my\0own\0"),
            get(&mut guest, "request\0path"),
            "(call $out)".to_owned(),
            // Set to nothing: it is there, and empty.
            status("proxy_set_property", &[path, size, 0, 0]),
            get(&mut guest, "my\0own"),
            "(call $n (i32.load (i32.const 8)))".to_owned(),
            // No path: nothing is set, and nothing said.
            status("proxy_set_property", &[path, 0, value, value_len]),
        ];
        let guest = guest.on("proxy_on_configure", set).on_request(&steps);
        let mut stream = Stream::plain();
        stream
            .properties
            .insert(b"request\0path".to_vec(), b"/x".to_vec());
        let Run { vm, id, .. } = bay.run(&guest, stream);
        assert_eq!(
            bay.platform.reports(),
            // First what the root context may set: nothing.
            ["1", "1", "0", "0", "value", "0", "0", "/x", "0", "0", "0", "0"]
        );
        let stream = vm.stream(id).unwrap();
        assert_eq!(stream.properties.len(), 2);
        assert_eq!(stream.properties[&b"my\0own"[..]], b"");
    });
}
