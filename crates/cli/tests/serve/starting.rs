//! What keeps the server from starting: exit code 1 and a line that says what and where.

use crate::config::{Plugin, config};
use crate::runtimes::any_runtime;
use crate::server::{Server, refused};

/// The one line of a refusal.
fn refusal(config: &str) -> String {
    let ended = refused(config);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let errors = ended.errors();
    assert_eq!(errors.len(), 1, "{}", ended.stderr);
    // A panic of the server's own; plugins may panic too.
    assert!(!ended.stderr.contains("thread '"), "{}", ended.stderr);
    errors[0].to_owned()
}

pub(crate) fn refusal_of(plugin: Plugin) -> String {
    refusal(&config(&[plugin], &[], false))
}

#[test]
fn a_typo_is_named_with_its_path() {
    let line = refusal(&config(&[], &[], false).replace("stat_prefix", "stat_prefx"));
    assert!(
        line.starts_with("error: server.yaml: static_resources.listeners[0]."),
        "{line}"
    );
    assert!(line.contains("stat_prefx: unknown field"), "{line}");
    let line = refusal("admin: [");
    assert!(line.starts_with("error: server.yaml: "), "{line}");
}

#[test]
fn code_that_cannot_be_loaded_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut plugin = Plugin::new(any_runtime(), "noop");
    let whole = std::fs::read(&plugin.file).unwrap();
    plugin.file = folder.path().join("module.wasm");

    let line = refusal_of(plugin.clone());
    assert!(
        line.contains("Unable to create Wasm plugin noop: Invalid path: "),
        "{line}"
    );

    std::fs::write(&plugin.file, &whole[..whole.len() / 2]).unwrap();
    let line = refusal_of(plugin.clone());
    assert!(line.contains("Failed to parse corrupted Wasm module"), "{line}");

    std::fs::write(&plugin.file, b"\0asm\x01\0\0\0").unwrap();
    let line = refusal_of(plugin);
    assert!(
        line.contains("Missing or unknown Proxy-Wasm ABI version"),
        "{line}"
    );
}

#[test]
fn a_plugin_that_refuses_its_configuration_is_not_served() {
    let mut plugin = Plugin::new(any_runtime(), "add_header");
    plugin.configuration = "no JSON";
    let line = refusal_of(plugin);
    assert!(
        line.contains("Unable to create Wasm plugin add_header: Plugin add_header failed to load: "),
        "{line}"
    );
    assert!(line.contains("Failed to configure base Wasm plugin"), "{line}");

    let mut plugin = Plugin::new(any_runtime(), "crash");
    plugin.configuration = "panic_configure";
    let line = refusal_of(plugin);
    assert!(
        line.contains("Failed to configure base Wasm plugin: Function: proxy_on_configure failed"),
        "{line}"
    );
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = config(&[], &[], false);
    let (admin, rest) = config.split_once("static_resources").unwrap();
    let port = format!("port_value: {}", address.port());
    let rest = rest.replacen("port_value: 0", &port, 1);
    let line = refusal(&format!("{admin}static_resources{rest}"));
    assert!(
        line.contains(&format!("listener main: can't listen on {address}: ")),
        "{line}"
    );
}

#[test]
fn the_admin_interface_tells_what_there_is() {
    let server = Server::start(&config(&[], &[], false));
    assert_eq!(server.admin("/nosuch").0, 404);
    assert_eq!(server.admin("/stats?filter=(").0, 400);
    let (status, text) = server.admin("/stats?filter=^server%5C.(live|concurrency)");
    assert_eq!(
        (status, text.as_str()),
        (200, "server.concurrency: 2\nserver.live: 1\n")
    );
    let (_, runtimes) = server.admin("/runtimes");
    let runtimes: serde_json::Value = serde_json::from_str(&runtimes).unwrap();
    let names: Vec<&str> = runtimes
        .as_array()
        .unwrap()
        .iter()
        .map(|runtime| runtime["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&any_runtime()), "{names:?}");
    assert!(
        server.log().contains("listening on 127.0.0.1:"),
        "{}",
        server.log()
    );
}

#[test]
#[cfg(feature = "wasmtime")]
fn the_examples_are_valid() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in ["examples/configs/add_header.yaml", "examples/configs/tcp.yaml"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_enginebay"))
            .args(["serve", "-c", file, "--mode", "validate"])
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("configuration '{file}' OK\n")
        );
    }
}
