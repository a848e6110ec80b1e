//! Where a plugin's code may come from.

mod common;

use std::time::Duration;

use common::{Fixed, bootstrap_problems, plugin_problems};
use enginebay_config::model::{Code, Plugin, RemoteScheme};
use enginebay_config::{load_bootstrap, load_plugin};

fn load(text: &str) -> Plugin {
    load_plugin(text, "plugin.yaml", &Fixed).unwrap()
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
