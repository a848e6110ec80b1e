//! What a plugin runs on, and what it may do there.

mod common;

use common::{Fixed, Noting};
use enginebay_config::model::Capabilities;
use enginebay_config::{Runtimes, load_plugin};

/// A plugin with something more in its `vm_config` and beside it.
fn with(vm: &str, plugin: &str) -> String {
    format!("{{name: p, vm_config: {{runtime: r, code: {{local: {{inline_string: c}}}}, {vm}}}, {plugin}}}")
}

#[test]
fn runtimes_that_are_known() {
    let outside = |default: Option<&str>| Runtimes {
        outside: Fixed,
        known: vec!["envoy.wasm.runtime.wasmtime".to_owned(), "r".to_owned()],
        absent: vec![("far".to_owned(), "away".to_owned())],
        default: default.map(str::to_owned),
    };
    let load = |runtime: &str, default: Option<&str>| {
        let text = format!("vm_config: {{{runtime} code: {{local: {{inline_string: c}}}}}}");
        load_plugin(&text, "plugin.yaml", &outside(default))
            .map(|plugin| plugin.vm.runtime)
            .map_err(|error| error.to_string())
    };
    assert_eq!(load("runtime: r,", None).unwrap(), "r");
    assert_eq!(load("runtime: r,", Some("other")).unwrap(), "r");
    assert_eq!(load("", Some("r")).unwrap(), "r");
    for (runtime, default, expected) in [
        ("", None, "required"),
        (
            "",
            Some("other"),
            "Failed to create Wasm VM using other runtime. Available: envoy.wasm.runtime.wasmtime, r",
        ),
        (
            "runtime: far,",
            None,
            "Failed to create Wasm VM using far runtime. It is not compiled in: build with the cargo feature `away`. \
             Available: envoy.wasm.runtime.wasmtime, r",
        ),
        (
            "runtime: envoy.wasm.runtime.wastime,",
            Some("r"),
            "Failed to create Wasm VM using envoy.wasm.runtime.wastime runtime. Did you mean \
             `envoy.wasm.runtime.wasmtime`? Available: envoy.wasm.runtime.wasmtime, r",
        ),
    ] {
        let expected = format!("plugin.yaml: vm_config.runtime: {expected} (line 1)");
        assert_eq!(load(runtime, default).unwrap_err(), expected, "{runtime}");
    }
}

#[test]
fn capabilities_of_the_vm_count_before_those_of_the_plugin() {
    const CONFIG: &str = "capability_restriction_config";
    let only = |name: &str| Capabilities::Only([name.to_owned()].into());
    for (vm, plugin, expected) in [
        (
            None,
            Some("{allowed_capabilities: {proxy_log: {}}}"),
            only("proxy_log"),
        ),
        (
            Some("{allowed_capabilities: {fd_write: {}}}"),
            None,
            only("fd_write"),
        ),
        (
            Some("{allowed_capabilities: {fd_write: {}}}"),
            Some("{allowed_capabilities: {proxy_log: {}}}"),
            only("fd_write"),
        ),
        // As in Envoy, being there is what counts.
        (
            Some("{}"),
            Some("{allowed_capabilities: {proxy_log: {}}}"),
            Capabilities::All,
        ),
    ] {
        let field = |value: Option<&str>| {
            value
                .map(|value| format!("{CONFIG}: {value}"))
                .unwrap_or_default()
        };
        let outside = Noting::default();
        let text = with(&field(vm), &field(plugin));
        assert_eq!(
            load_plugin(&text, "p", &outside).unwrap().capabilities,
            expected,
            "{text}"
        );
        let warnings = outside.warnings();
        if vm.is_some() && plugin.is_some() {
            let warning = "p: capability_restriction_config: has no effect, as \
                           vm_config.capability_restriction_config is given (line 1)";
            assert_eq!(warnings, [warning]);
        } else {
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }
}

#[test]
fn capabilities_that_there_are_not() {
    let text = with(
        "capability_restriction_config: {allowed_capabilities: {proxy_logg: {}, proxy_on_tick: {}, random_get: {}, \
         emscripten_notify_memory_growth: {}}}",
        "",
    );
    let outside = Noting::default();
    let plugin = load_plugin(&text, "p", &outside).unwrap();
    let Capabilities::Only(names) = plugin.capabilities else {
        panic!("{:?}", plugin.capabilities)
    };
    assert_eq!(names.len(), 4);
    let path = "vm_config.capability_restriction_config.allowed_capabilities";
    assert_eq!(
        outside.warnings(),
        [
            format!(
                "p: {path}.emscripten_notify_memory_growth: allows nothing: there is no such capability (line 1)"
            ),
            format!(
                "p: {path}.proxy_logg: allows nothing: there is no such capability; did you mean `proxy_log`? (line 1)"
            ),
        ]
    );
}

#[test]
fn an_empty_capability_map_restricts_nothing() {
    for config in ["{}", "{allowed_capabilities: {}}"] {
        let text = with("", &format!("capability_restriction_config: {config}"));
        let plugin = load_plugin(&text, "plugin.yaml", &Fixed).unwrap();
        assert_eq!(plugin.capabilities, Capabilities::All);
    }
}
