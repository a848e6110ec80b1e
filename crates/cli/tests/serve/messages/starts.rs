//! What keeps a plugin from starting.

use crate::config::Plugin;
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::starting::refusal_of;

#[test]
fn a_vm_that_does_not_start() {
    let vm_start =
        "configuration: {\"@type\": type.googleapis.com/google.protobuf.StringValue, value: vm_start}";
    for runtime in RUNTIMES.iter().copied() {
        let line = refusal_of(Plugin {
            vm: vm_start,
            ..Plugin::new(runtime, "crash")
        });
        assert!(line.contains("Failed to start base Wasm"), "{line}");
    }
}

#[test]
fn a_plugin_that_is_not_configured_whatever_its_policy() {
    for policy in [
        "",
        "fail_open: true",
        "failure_policy: FAIL_OPEN",
        "failure_policy: FAIL_RELOAD",
    ] {
        let line = refusal_of(Plugin {
            more: policy,
            ..Plugin::configured(any_runtime(), "crash", "configure")
        });
        let expected = "Unable to create Wasm plugin crash: Plugin crash failed to load: Failed to configure base Wasm plugin";
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn code_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("garbage.wasm");
    std::fs::write(&file, b"no wasm at all").unwrap();
    for runtime in RUNTIMES.iter().copied() {
        let line = refusal_of(Plugin {
            file: file.clone(),
            ..Plugin::new(runtime, "noop")
        });
        assert!(line.contains("Failed to load Wasm code"), "{line}");
        assert!(line.contains("Failed to parse corrupted Wasm module"), "{line}");
    }
}

#[test]
fn two_policies_at_once() {
    let line = refusal_of(Plugin {
        more: "fail_open: true, failure_policy: FAIL_OPEN",
        ..Plugin::new(any_runtime(), "noop")
    });
    assert!(
        line.contains("only one of fail_open or failure_policy can be set"),
        "{line}"
    );
}

#[test]
fn a_variable_that_is_there_twice() {
    let line = refusal_of(Plugin {
        vm: "environment_variables: {host_env_keys: [FOO], key_values: {FOO: bar}}",
        ..Plugin::new(any_runtime(), "noop")
    });
    let expected = "Key FOO is duplicated in envoy.extensions.wasm.v3.VmConfig.environment_variables for noop. All the keys \
                    must be unique.";
    assert!(line.contains(expected), "{line}");
}

#[test]
fn remote_code_without_a_digest() {
    let ended = crate::server::refused(&crate::remote_code::remote_with(
        Plugin::new(any_runtime(), "noop"),
        9,
        "",
        "5s",
        "{}",
    ));
    assert_eq!(ended.code, Some(1));
    let errors = ended.errors();
    assert!(errors[0].contains("vm_config.code.remote.sha256: "), "{errors:?}");
}
