//! The runtimes that configurations name, or leave out.

use crate::client::Client;
use crate::config::{Plugin, bootstrap, config, http_listener};
use crate::discovered::{adding, listener_with, replace, response};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, refused, refused_with};

const FILTERS: &str = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters";

/// A plugin that names no runtime.
fn nameless() -> Plugin {
    Plugin::new("\"\"", "add_header")
}

async fn adds(server: &Server) -> bool {
    let answer = Client::http1(server.address).await.get("/direct").await;
    answer.header("x-enginebay") == Some("hello")
}

#[test]
fn unknown_runtimes_are_named_with_all_other_mistakes() {
    let plugins = [
        Plugin::new("envoy.wasm.runtime.nosuch", "noop"),
        nameless(),
        Plugin::new("wasmtime", "noop"),
    ];
    let mut listeners = vec![http_listener("main", &plugins, &[])];
    listeners.push(http_listener("other", &[], &[]).replace("cluster: dead", "cluster: nowhere"));
    let ended = refused(&bootstrap(&listeners, &[], false));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let errors = ended.errors();
    let has = |path: &str, parts: &[&str]| {
        let matches = |line: &&&str| line.contains(path) && parts.iter().all(|part| line.contains(part));
        assert_eq!(
            errors.iter().filter(matches).count(),
            1,
            "{path}: {}",
            ended.stderr
        );
    };
    let runtime = |place: usize| format!("{FILTERS}[{place}].typed_config.config.vm_config.runtime: ");
    let unknown = "Failed to create Wasm VM using envoy.wasm.runtime.nosuch runtime. ";
    has(&runtime(0), &[unknown, "Available: ", any_runtime()]);
    has(&runtime(1), &["required"]);
    has(
        &runtime(2),
        &["Failed to create Wasm VM using wasmtime runtime. "],
    );
    has("listeners[1]", &["nowhere"]);
    assert_eq!(errors.len(), 4, "{}", ended.stderr);
}

#[cfg(not(feature = "wamr"))]
#[test]
fn a_runtime_that_is_not_compiled_in_is_named_with_its_feature() {
    let ended = refused(&config(
        &[Plugin::new("envoy.wasm.runtime.wamr", "noop")],
        &[],
        false,
    ));
    let errors = ended.errors();
    assert!(
        errors[0].contains("build with the cargo feature `wamr`"),
        "{errors:?}"
    );
}

#[tokio::test]
async fn a_default_can_be_chosen_for_plugins_that_name_none() {
    for runtime in RUNTIMES.iter().copied() {
        let (_, short) = runtime.rsplit_once('.').unwrap();
        for name in [runtime, short] {
            let server = Server::start_with(&config(&[nameless()], &[], false), &["--default-runtime", name]);
            assert!(adds(&server).await);
            assert_eq!(server.stat(&format!("wasm.{runtime}.active")), 2);
        }
    }
    // It is no more than a default.
    let other = RUNTIMES.first().unwrap();
    let config = config(&[Plugin::new(other, "add_header")], &[], false);
    let server = Server::start_with(&config, &["--default-runtime", any_runtime()]);
    assert!(adds(&server).await);
    assert_ne!(server.stat(&format!("wasm.{other}.active")), 0);
}

#[tokio::test]
async fn it_holds_for_what_is_read_or_discovered_later() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.yaml");
    replace(&file, &response("\"\"", 1, &adding("hello")));
    let source = format!("{{path_config_source: {{path: {file:?}}}}}");
    let discovered = bootstrap(&[listener_with("main", &source, "")], &[], false);
    let server = Server::start_with(&discovered, &["--default-runtime", any_runtime()]);
    assert!(adds(&server).await);
    replace(&file, &response("nosuch", 2, &adding("no")));
    server
        .log_with("Failed to create Wasm VM using nosuch runtime. ")
        .await;
    assert!(adds(&server).await);

    let read = |runtime| config(&[Plugin::new(runtime, "add_header")], &[], false);
    assert!(server.change_to(&read("\"\"")).await.is_ok());
    assert!(adds(&server).await);
    assert!(server.change_to(&read("nosuch")).await.is_err());
    assert!(adds(&server).await);
}

#[test]
fn a_default_that_is_unknown_is_refused() {
    let ended = refused_with(&config(&[], &[], false), &["--default-runtime", "v9"]);
    assert_eq!(ended.code, Some(1));
    let errors = ended.errors();
    let expected = "error: --default-runtime v9: Failed to create Wasm VM using envoy.wasm.runtime.v9 runtime. Available: ";
    assert!(errors[0].starts_with(expected), "{errors:?}");
}
