//! Environment variables of native plugins.
#![cfg(feature = "null")]

use enginebay::config::{Outside, Process, load_plugin};
use enginebay::{Engines, Plugin};

#[test]
fn native_plugins_have_the_environment_of_the_process() {
    let engines = Engines::new().unwrap();
    let load = |variables: &str| {
        let text = format!(
            "vm_config: {{runtime: envoy.wasm.runtime.null, code: {{local: {{inline_string: nobody}}}}, \
             environment_variables: {{{variables}}}}}"
        );
        let config = load_plugin(&text, "plugin.yaml", &Process).unwrap();
        // There is no such plugin, so an error there is in any case.
        Plugin::load(&engines, &config).map(drop).unwrap_err().to_string()
    };
    let refused =
        "envoy.extensions.wasm.v3.VmConfig.EnvironmentVariables.key_values must not be set for NullVm.";
    assert!(
        load("key_values: {A: b}").contains(refused),
        "{}",
        load("key_values: {A: b}")
    );
    assert!(Process.variable("PATH").is_some());
    assert!(!load("host_env_keys: [PATH]").contains(refused));
}
