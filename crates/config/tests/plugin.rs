//! One plugin: what is accepted and what is refused.

mod common;

use common::{Fixed, plugin_problems};
use enginebay_config::load_plugin;
use enginebay_config::model::{Code, FailurePolicy, Plugin};

fn load(text: &str) -> Plugin {
    load_plugin(text, "plugin.yaml", &Fixed).unwrap()
}

/// A plugin with something more in its `vm_config` and beside it.
fn with(vm: &str, plugin: &str) -> String {
    format!("{{name: p, vm_config: {{runtime: r, code: {{local: {{inline_string: c}}}}, {vm}}}, {plugin}}}")
}

#[test]
fn the_least_a_plugin_needs() {
    let plugin = load("vm_config: {runtime: r, code: {local: {inline_string: c}}}");
    assert_eq!(plugin, Plugin::new("r", Code::InlineString("c".to_owned())));
}

#[test]
fn what_a_plugin_reads_as_its_configuration() {
    let type_url = "'@type': type.googleapis.com";
    for (configuration, expected) in [
        (
            format!("{{{type_url}/google.protobuf.StringValue, value: '{{}}'}}"),
            b"{}".as_slice(),
        ),
        (
            format!("{{{type_url}/google.protobuf.BytesValue, value: /-8}}"),
            &[],
        ),
        (
            format!("{{{type_url}/google.protobuf.BytesValue, value: _-8}}"),
            &[255, 239],
        ),
        (
            format!("{{{type_url}/google.protobuf.BytesValue, value: '/+8='}}"),
            &[255, 239],
        ),
        (
            format!("{{{type_url}/google.protobuf.Struct, value: {{b: [1, yes], a: \"\\\"\"}}}}"),
            br#"{"a":"\"","b":[1,true]}"#,
        ),
        (
            format!("{{{type_url}/google.protobuf.Struct, value: {{}}}}"),
            b"{}",
        ),
        (format!("{{{type_url}/google.protobuf.Empty}}"), b""),
        (
            format!("{{{type_url}/google.protobuf.UInt32Value, value: 5}}"),
            b"\x08\x05",
        ),
        (
            format!("{{{type_url}/google.protobuf.Duration, value: 1s}}"),
            b"\x08\x01",
        ),
        (
            format!("{{{type_url}/google.protobuf.ListValue, value: [true]}}"),
            b"\x0a\x02\x20\x01",
        ),
        (
            format!("{{{type_url}/envoy.config.core.v3.HttpUri, uri: ab}}"),
            b"\x0a\x02ab",
        ),
        ("{}".to_owned(), b""),
    ] {
        let text = with("", &format!("configuration: {configuration}"));
        if configuration.contains("/-8") {
            let problem = "configuration.value: expected base64, found the text `/-8`";
            assert_eq!(plugin_problems(&text), [problem], "two alphabets mixed");
            continue;
        }
        assert_eq!(load(&text).configuration, expected, "{configuration}");
        let text = with(&format!("configuration: {configuration}"), "");
        assert_eq!(load(&text).vm.configuration, expected, "{configuration}");
    }
}

#[test]
fn numbers_of_json_stay_numbers() {
    let text = r#"{"vm_config": {"runtime": "r", "code": {"local": {"inline_string": "c"}}}, "configuration":
        {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": 0.5, "b": 3000000000, "c": 1e2}}}"#;
    assert_eq!(load(text).configuration, br#"{"a":0.5,"b":3000000000,"c":100}"#);
}

#[test]
fn failure_policies() {
    for (plugin, expected) in [
        ("", FailurePolicy::FailClosed),
        ("fail_open: false", FailurePolicy::FailClosed),
        ("fail_open: true", FailurePolicy::FailOpenAtOnce),
        (
            "failure_policy: UNSPECIFIED, fail_open: true",
            FailurePolicy::FailOpenAtOnce,
        ),
        ("failure_policy: FAIL_CLOSED", FailurePolicy::FailClosed),
        (
            "failure_policy: FAIL_OPEN, fail_open: false",
            FailurePolicy::FailOpen,
        ),
        (
            "failure_policy: FAIL_RELOAD",
            FailurePolicy::FailReload(Default::default()),
        ),
        (
            "failure_policy: FAIL_RELOAD, reload_config: {}",
            FailurePolicy::FailReload(Default::default()),
        ),
        ("failure_policy: 2", FailurePolicy::FailClosed),
    ] {
        assert_eq!(load(&with("", plugin)).failure_policy, expected, "{plugin}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (text, expected) in [
        ("name: a", vec!["vm_config: required"]),
        (
            "vm_config: {}",
            vec!["vm_config.runtime: required", "vm_config.code: required"],
        ),
        (
            "vm_config: {runtime: '', code: {}}",
            vec![
                "vm_config.runtime: required",
                "vm_config.code: one of local, remote is required",
            ],
        ),
        (
            "vm_config: {runtime: r, code: {local: {}}}",
            vec![
                "vm_config.code.local: one of filename, inline_bytes, inline_string, environment_variable is required",
            ],
        ),
        (
            "vm_config: {runtime: r, code: {local: {filename: ''}}}",
            vec!["vm_config.code.local.filename: required"],
        ),
        (
            "vm_config: {runtime: r, code: {remote: {}}}",
            vec![
                "vm_config.code.remote.sha256: required",
                "vm_config.code.remote.http_uri: required",
            ],
        ),
        (
            "vm_config: {runtime: r, code: {remote: {sha256: a, http_uri: {}}}}",
            vec![
                "vm_config.code.remote.sha256: must be 64 hexadecimal digits",
                "vm_config.code.remote.http_uri.uri: required",
                "vm_config.code.remote.http_uri.cluster: required",
                "vm_config.code.remote.http_uri.timeout: required",
            ],
        ),
    ] {
        assert_eq!(plugin_problems(text), expected, "{text}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (vm, plugin, expected) in [
        (
            "",
            "fail_open: true, failure_policy: FAIL_CLOSED",
            "fail_open: only one of fail_open or failure_policy can be set",
        ),
        (
            "environment_variables: {host_env_keys: [FOO], key_values: {FOO: a}}",
            "",
            "vm_config.environment_variables.host_env_keys[0]: Key FOO is duplicated in \
             envoy.extensions.wasm.v3.VmConfig.environment_variables for p. All the keys must be unique.",
        ),
        (
            "environment_variables: {host_env_keys: [ZONE, ZONE]}",
            "",
            "vm_config.environment_variables.host_env_keys[1]: Key ZONE is duplicated in \
             envoy.extensions.wasm.v3.VmConfig.environment_variables for p. All the keys must be unique.",
        ),
        (
            "environment_variables: {key_values: {'A=B': c}}",
            "",
            "vm_config.environment_variables.key_values[\"A=B\"]: the name of a variable must not be empty or contain \
             `=` or a zero byte",
        ),
        (
            "environment_variables: {key_values: {A: \"\\0\"}}",
            "",
            "vm_config.environment_variables.key_values.A: the value of a variable must not contain a zero byte",
        ),
        (
            "",
            "reload_config: {backoff: {}}",
            "reload_config.backoff.base_interval: required",
        ),
        (
            "",
            "reload_config: {backoff: {base_interval: 0s}}",
            "reload_config.backoff.base_interval: must be at least 0.001s",
        ),
        (
            "",
            "reload_config: {backoff: {base_interval: -1s}}",
            "reload_config.backoff.base_interval: must not be negative",
        ),
        (
            "",
            "reload_config: {backoff: {base_interval: 2s, max_interval: 1s}}",
            "reload_config.backoff.max_interval: must be greater than or equal to the base_interval",
        ),
    ] {
        assert_eq!(plugin_problems(&with(vm, plugin)), [expected], "{vm} {plugin}");
    }
}

#[test]
fn a_problem_found_by_checking_says_its_line_too() {
    let error = load_plugin("name: a\nvm_config:\n  code: {}\n", "plugin.yaml", &Fixed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin.yaml: vm_config.runtime: required (line 2)\n\
         plugin.yaml: vm_config.code: one of local, remote is required (line 3)"
    );
}
