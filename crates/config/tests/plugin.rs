//! One plugin: what is accepted and what is refused.

mod common;

use std::time::Duration;

use common::{Fixed, Noting, bootstrap_problems, plugin_problems};
use enginebay_config::model::{Capabilities, Code, FailurePolicy, Plugin, RemoteScheme};
use enginebay_config::{Runtimes, load_bootstrap, load_plugin};

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
fn where_code_may_come_from() {
    let code = |code: &str| load(&format!("vm_config: {{runtime: r, code: {code}}}")).vm.code;
    assert_eq!(
        code("{local: {filename: a/b.wasm}}"),
        Code::LocalFile("a/b.wasm".into())
    );
    assert_eq!(
        code("{local: {inline_bytes: AGFzbQ==}}"),
        Code::InlineBytes(b"\0asm".to_vec())
    );
    assert_eq!(
        code("{local: {environment_variable: CODE}}"),
        Code::EnvironmentVariable("CODE".to_owned())
    );
    let digest = "01234567890ABCDEF".repeat(4)[..64].to_owned();
    let remote = format!(
        "remote: {{http_uri: {{uri: http://h:81/p.wasm, cluster: c, timeout: 5s}}, sha256: '{digest}'"
    );
    let Code::Remote(plain) = code(&format!("{{{remote}}}}}")) else {
        panic!()
    };
    assert_eq!(
        (plain.uri.as_str(), plain.cluster.as_str()),
        ("http://h:81/p.wasm", "c")
    );
    assert_eq!(
        (plain.scheme, plain.authority.as_str(), plain.path.as_str()),
        (RemoteScheme::Http, "h:81", "/p.wasm")
    );
    assert_eq!(
        (plain.sha256, plain.timeout),
        (digest.to_lowercase(), Duration::from_secs(5))
    );
    assert_eq!((plain.num_retries, plain.back_off), (1, Default::default()));
    let retry = "retry_policy: {num_retries: 4, retry_back_off: {base_interval: 0.5s, max_interval: 3s}}";
    let Code::Remote(retried) = code(&format!("{{{remote}, {retry}}}}}")) else {
        panic!()
    };
    assert_eq!(retried.num_retries, 4);
    assert_eq!(retried.back_off.base_interval, Duration::from_millis(500));
    assert_eq!(retried.back_off.max_interval, Duration::from_secs(3));
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
fn runtimes_that_are_known() {
    let outside = |default: Option<&str>| Runtimes {
        outside: Fixed,
        known: vec!["envoy.wasm.runtime.wasmtime".to_owned(), "r".to_owned()],
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
            "unknown runtime 'other'; the runtimes are: envoy.wasm.runtime.wasmtime, r",
        ),
        (
            "runtime: envoy.wasm.runtime.wastime,",
            Some("r"),
            "unknown runtime 'envoy.wasm.runtime.wastime'; did you mean `envoy.wasm.runtime.wasmtime`? the runtimes \
             are: envoy.wasm.runtime.wasmtime, r",
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
fn remote_code_that_is_refused() {
    let path = "vm_config.code.remote";
    let load = |sha256: &str, http: &str, more: &str| {
        let remote = format!("{{sha256: '{sha256}', http_uri: {{{http}}}, {more}}}");
        plugin_problems(&format!("vm_config: {{runtime: r, code: {{remote: {remote}}}}}"))
    };
    let digest = "a".repeat(64);
    let http = "uri: h/p, cluster: c, timeout: 1s";
    for sha256 in [
        "a".repeat(63),
        "a".repeat(65),
        "g".repeat(64),
        "sha256:".to_owned() + &"a".repeat(57),
    ] {
        assert_eq!(
            load(&sha256, http, ""),
            [format!("{path}.sha256: must be 64 hexadecimal digits")],
            "{sha256}"
        );
    }
    for (http, expected) in [
        (
            "uri: 'ftp://h/p', cluster: c, timeout: 1s",
            "uri: its scheme is not supported; supported: http, https, oci",
        ),
        (
            "uri: 'h/a b', cluster: c, timeout: 1s",
            "uri: not a URI: it has a space, or a character that must be percent-encoded",
        ),
        ("uri: 'http://', cluster: c, timeout: 1s", "uri: has no host"),
        (
            "uri: h/p, cluster: c, timeout: -1s",
            "timeout: must not be negative",
        ),
        (
            "uri: h/p, cluster: c, timeout: 4294967296s",
            "timeout: must be less than 4294967296s",
        ),
        ("uri: h/p, cluster: '', timeout: 1s", "cluster: required"),
    ] {
        assert_eq!(
            load(&digest, http, ""),
            [format!("{path}.http_uri.{expected}")],
            "{http}"
        );
    }
    let refused = "not supported: every failure of a fetch is tried again, on the cluster's next host";
    for (retry, expected) in [
        ("num_retries: 1001", "num_retries: must be at most 1000"),
        ("retry_back_off: {}", "retry_back_off.base_interval: required"),
        (
            "retry_back_off: {base_interval: 2s, max_interval: 1s}",
            "retry_back_off.max_interval: must be greater than or equal to the base_interval",
        ),
        ("retry_on: 5xx", &format!("retry_on: {refused}")),
        ("retry_priority: {name: a}", &format!("retry_priority: {refused}")),
        (
            "retry_host_predicate: [{name: a}]",
            &format!("retry_host_predicate: {refused}"),
        ),
        (
            "host_selection_retry_max_attempts: 3",
            &format!("host_selection_retry_max_attempts: {refused}"),
        ),
    ] {
        let problems = load(&digest, http, &format!("retry_policy: {{{retry}}}"));
        assert_eq!(problems, [format!("{path}.retry_policy.{expected}")], "{retry}");
    }
}

#[test]
fn bounds_of_remote_code_that_are_accepted() {
    let text = format!(
        "vm_config: {{runtime: r, code: {{remote: {{sha256: {}, http_uri: {{uri: 'oci://h/p:1', cluster: c, timeout: 0s}}, \
         retry_policy: {{num_retries: 0}}}}}}}}",
        "a".repeat(64)
    );
    let Code::Remote(remote) = load(&text).vm.code else {
        panic!()
    };
    assert_eq!((remote.timeout, remote.num_retries), (Duration::ZERO, 0));
    assert_eq!((remote.scheme, remote.path.as_str()), (RemoteScheme::Oci, "/p:1"));
}

#[test]
fn the_cluster_of_remote_code_must_be_there() {
    let service = |cluster: &str| {
        format!(
            "{{static_resources: {{clusters: [{{name: c}}]}}, bootstrap_extensions: [{{name: s, typed_config: {{'@type': \
             x/envoy.extensions.wasm.v3.WasmService, config: {{vm_config: {{runtime: r, code: {{remote: {{sha256: {}, \
             http_uri: {{uri: h/p, cluster: {cluster}, timeout: 1s}}}}}}}}}}}}}}]}}",
            "a".repeat(64)
        )
    };
    assert!(load_bootstrap(&service("c"), "b", &Fixed).is_ok());
    assert_eq!(
        bootstrap_problems(&service("d")),
        [
            "bootstrap_extensions[0].typed_config.config.vm_config.code.remote.http_uri.cluster: unknown cluster 'd'; the \
             clusters are: c"
        ]
    );
}

#[test]
fn a_file_that_is_to_be_read_again_is_refused() {
    let text = "vm_config: {runtime: r, code: {local: {filename: a, watched_directory: {path: d}}}}";
    assert_eq!(
        plugin_problems(text),
        [
            "vm_config.code.local.watched_directory: not supported: this file is read once; reload the configuration to \
             read it again"
        ]
    );
}

#[test]
fn an_empty_capability_map_restricts_nothing() {
    for config in ["{}", "{allowed_capabilities: {}}"] {
        let plugin = load(&with("", &format!("capability_restriction_config: {config}")));
        assert_eq!(plugin.capabilities, Capabilities::All);
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
