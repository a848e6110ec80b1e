//! What the admin interface tells: numbers in each format, the configuration, and the log's components.

use std::fs;

use serde_json::Value;

use crate::client::{Client, get_with};
use crate::config::{Plugin, bootstrap, config, guest, http_listener};
use crate::prometheus;
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, until};

fn json(server: &Server, path: &str) -> Value {
    let (status, text) = server.admin(path);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// A plugin of that name which is the guest `crash`.
fn crash(runtime: &'static str, name: &'static str) -> Plugin {
    Plugin {
        name,
        file: guest("crash"),
        ..Plugin::new(runtime, name)
    }
}

#[tokio::test]
async fn prometheus_and_json_say_what_the_text_does() {
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(&[Plugin::new(runtime, "metrics")], &[], false));
        let mut client = Client::http1(server.address).await;
        for _ in 0..3 {
            assert_eq!(client.get("/direct").await.status, 200);
        }
        let (status, text) = server.admin("/stats/prometheus");
        assert_eq!(status, 200);
        let read = prometheus::read(&text);
        let prefix = r#"envoy_http_conn_manager_prefix="ingress""#;
        assert_eq!(read[&format!("envoy_http_downstream_rq_total{{{prefix}}}")], 3.0);
        let class = format!(r#"envoy_http_downstream_rq_xx{{envoy_response_code_class="2",{prefix}}}"#);
        assert_eq!(read[&class], 3.0);
        assert_eq!(read["envoy_server_live{}"], 1.0);
        assert_eq!(read["metrics_requests{}"], 3.0);
        assert_eq!(read[r#"metrics_path_bytes_bucket{le="5"}"#], 0.0);
        assert_eq!(read[r#"metrics_path_bytes_bucket{le="10"}"#], 3.0);
        assert_eq!(read["metrics_path_bytes_sum{}"], 21.0);
        let under = runtime.replace('.', "_");
        assert_eq!(read[&format!("envoy_wasm_{under}_created{{}}")], 3.0);
        assert!(text.contains(&format!("# TYPE envoy_wasm_{under}_active gauge\n")));

        let (_, same) = server.admin("/stats?format=prometheus&filter=rq_total$&usedonly");
        assert_eq!(
            same,
            format!(
                "# TYPE envoy_http_downstream_rq_total counter\nenvoy_http_downstream_rq_total{{{prefix}}} 3\n"
            )
        );
        let stats = json(&server, "/stats?format=json&filter=metrics_(requests|path)");
        assert_eq!(stats["stats"][0]["name"], "wasmcustom.metrics_requests");
        assert_eq!(stats["stats"][0]["value"], 3);
        let histogram = &stats["stats"][1]["histograms"]["computed_quantiles"][0];
        assert_eq!(histogram["name"], "wasmcustom.metrics_path_bytes");
    }
}

#[test]
fn what_envoy_has_is_there_before_it_moves() {
    let server = Server::start(&config(&[Plugin::new(any_runtime(), "noop")], &[], false));
    let (_, text) = server.admin("/stats?filter=^wasm%5C.(noop.vm_reload|remote|wasm_)");
    let active = server.stat("wasm.wasm_vm_count");
    assert!(active >= 2);
    assert_eq!(
        text,
        format!(
            "wasm.noop.vm_reload: 0\nwasm.noop.vm_reload_backoff: 0\nwasm.noop.vm_reload_failure: 0\n\
             wasm.noop.vm_reload_success: 0\nwasm.remote_load_cache_entries: 0\nwasm.remote_load_cache_hits: 0\n\
             wasm.remote_load_cache_misses: 0\nwasm.remote_load_cache_negative_hits: 0\n\
             wasm.remote_load_fetch_failures: 0\nwasm.remote_load_fetch_successes: 0\nwasm.wasm_vm_count: {active}\n"
        )
    );
    let usage = "usage: /stats?format=(json|prometheus|text)\n".to_owned();
    assert_eq!(server.admin("/stats?format=html"), (400, usage));
    assert_eq!(server.admin("/stats?type=None").0, 400);
}

#[tokio::test]
async fn plugins_that_share_a_vm_are_told_apart() {
    for runtime in RUNTIMES.iter().copied() {
        let plugins = [crash(runtime, "first"), crash(runtime, "second")];
        let server = Server::start_with(&config(&plugins, &[], false), &["--concurrency", "1"]);
        let mut client = Client::http1(server.address).await;
        for _ in 0..100 {
            assert_eq!(client.get("/direct").await.status, 200);
        }
        until("counted", || server.stat("wasm.second.calls") >= 300).await;
        until("sampled", || server.stat("wasm.first.guest_time_ns") > 0).await;
        assert!(server.stat("wasm.first.calls") >= 300);
        let memory = server.stat("wasm.first.vm_memory_size");
        assert!(memory >= 65536 && memory.is_multiple_of(65536), "{memory}");
        assert_eq!(server.stat("wasm.second.vm_memory_size"), memory);
        // The second one is in it too, but has not done it.
        client.get_with("/direct", "x-crash", "request_headers").await;
        until("counted", || server.stat("wasm.first.crashes") == 1).await;
        assert_eq!(server.stat("wasm.second.crashes"), 0);
        assert_eq!(server.stat("wasm.first.limit_hits"), 0);
    }
}

#[tokio::test]
async fn limits_are_counted() {
    for runtime in RUNTIMES.iter().copied() {
        let spin = config(&[Plugin::new(runtime, "spin")], &[], false);
        let server = Server::start_with(&spin, &["--concurrency", "1", "--time-limit", "100ms"]);
        let mut client = Client::http1(server.address).await;
        let answer = client.send(get_with("/direct", "x-spin", "1")).await.unwrap();
        assert_eq!(answer.status, 503);
        until("counted", || server.stat("wasm.spin.limit_hits") == 1).await;
        assert_eq!(server.stat("wasm.spin.crashes"), 1);
    }
}

#[tokio::test]
async fn numbers_stay_when_the_configuration_changes() {
    let runtime = any_runtime();
    let of = |listener| {
        bootstrap(
            &[http_listener(listener, &[Plugin::new(runtime, "noop")], &[])],
            &[],
            false,
        )
    };
    let server = Server::start_with(&of("main"), &["--concurrency", "1"]);
    let mut client = Client::http1(server.address).await;
    assert_eq!(client.get("/direct").await.status, 200);
    until("counted", || server.stat("wasm.noop.calls") > 3).await;
    let calls = server.stat("wasm.noop.calls");
    server.change_to(&of("other")).await.unwrap();
    let mut client = Client::http1(server.at("other")).await;
    assert_eq!(client.get("/direct").await.status, 200);
    assert_eq!(server.stat("http.ingress.downstream_rq_total"), 2);
    until("counted", || server.stat("wasm.noop.calls") > calls).await;
    // The first one's are not there twice.
    let dump = json(&server, "/config_dump");
    let configs = dump["configs"].as_array().unwrap();
    assert_eq!(configs.len(), 1);
    let listener = &configs[0]["bootstrap"]["static_resources"]["listeners"][0];
    assert_eq!(listener["name"], "other");
}

#[tokio::test]
async fn the_configuration_can_be_read() {
    let runtime = any_runtime();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.yaml");
    let wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    let response = |version: u32| {
        format!(
            "version_info: \"{version}\"\nresources:\n- \"@type\": \
             type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig\n  name: found\n  typed_config:\n    \
             \"@type\": {wasm}\n    config: {{name: found, vm_config: {{runtime: {runtime}, code: {{local: \
             {{filename: {:?}}}}}}}}}\n",
            guest("noop")
        )
    };
    fs::write(&file, response(1)).unwrap();
    let plugin = Plugin {
        vm: "environment_variables: {key_values: {SHOWN: as-on-envoy}}",
        ..Plugin::configured(runtime, "add_header", "{}")
    };
    let filter = format!(
        "          - name: found\n            config_discovery: {{config_source: {{path_config_source: {{path: \
         {file:?}}}}}, type_urls: [envoy.extensions.filters.http.wasm.v3.Wasm]}}\n          - name: \
         envoy.filters.http.router\n"
    );
    let listener = http_listener("main", &[plugin], &[]);
    let listener = listener.replacen("          - name: envoy.filters.http.router\n", &filter, 1);
    let server = Server::start(&bootstrap(&[listener], &[], false));

    let dump = json(&server, "/config_dump");
    let first = &dump["configs"][0];
    assert_eq!(
        first["@type"],
        "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"
    );
    let manager = &first["bootstrap"]["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0];
    let filter = &manager["typed_config"]["http_filters"][0]["typed_config"];
    assert_eq!(filter["@type"], wasm);
    let vm = &filter["config"]["vm_config"];
    assert_eq!(vm["runtime"], runtime);
    assert_eq!(vm["environment_variables"]["key_values"]["SHOWN"], "as-on-envoy");
    let found = |dump: &Value| {
        assert_eq!(
            dump["configs"][1]["@type"],
            "type.googleapis.com/envoy.admin.v3.EcdsConfigDump"
        );
        let entry = &dump["configs"][1]["ecds_filters"][0];
        let filter = &entry["ecds_filter"];
        assert_eq!(
            (filter["name"].as_str(), filter["typed_config"]["@type"].as_str()),
            (Some("found"), Some(wasm))
        );
        entry["version_info"].clone()
    };
    assert_eq!(found(&dump), "1");
    let new = file.with_extension("new");
    // Something has to differ.
    fs::write(&new, response(2).replace("name: found, vm", "name: again, vm")).unwrap();
    fs::rename(new, &file).unwrap();
    server.log_with("version \"2\" is served").await;
    assert_eq!(found(&json(&server, "/config_dump")), "2");
}

#[tokio::test]
async fn what_plugins_log_has_a_level_of_its_own() {
    let plugins = [Plugin::new(any_runtime(), "access_log")];
    let levels = ["-l", "error", "--component-log-level", "wasm:info"];
    let server = Server::start_with(&config(&plugins, &[], false), &levels);
    let mut client = Client::http1(server.address).await;
    client.get("/direct").await;
    let log = server
        .log_with("][info][wasm] wasm log access_log: access_log: GET /direct")
        .await;
    assert!(!log.contains("[main]"), "{log}");
    drop(server);

    let levels = ["-l", "info", "--component-log-level", "wasm:off,main:info"];
    let server = Server::start_with(&config(&plugins, &[], false), &levels);
    let mut client = Client::http1(server.address).await;
    client.get("/direct").await;
    let log = server.log_with("][info][main] ").await;
    assert!(!log.contains("[wasm]"), "{log}");
}
