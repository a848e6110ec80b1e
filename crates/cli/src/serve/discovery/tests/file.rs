//! Files with a configuration.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use enginebay::config::model::ConfigSource;
use prost::Message;
use tempfile::TempDir;

use super::{Server, Why, all_subscriptions, bootstrap, local, resource, response};
use crate::serve::discovery::check;

fn text(plugin: &str) -> String {
    format!(
        "version_info: '1'
resources:
- '@type': type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
  name: one
  typed_config:
    '@type': {}
    config: {{name: {plugin}, vm_config: {{runtime: envoy.wasm.runtime.null, code: {{local: {{inline_string: c}}}}}}}}
",
        super::WASM
    )
}

/// Puts a file there by moving it.
fn replace(path: &Path, content: impl AsRef<[u8]>) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

fn source(path: &Path, more: &str) -> String {
    format!("path_config_source: {{path: '{}'{more}}}", path.display())
}

fn watched(path: &Path, directory: &Path, more: &str) -> String {
    source(
        path,
        &format!(", watched_directory: {{path: '{}'{more}}}", directory.display()),
    )
}

fn file(name: &str) -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text("first")).unwrap();
    (directory, path)
}

/// Longer than it takes to notice a change.
const A_WHILE: Duration = Duration::from_millis(2500);

#[test]
fn a_file_is_read_again_when_another_is_moved_over_it() {
    local(async {
        let (_directory, path) = file("ecds.yaml");
        let mut server = Server::start(1, &source(&path, ""), "0s");
        let update = server.update().await;
        assert_eq!(
            (
                update.resource.version.as_str(),
                update.resource.plugin.name.as_str()
            ),
            ("1", "first")
        );
        update.verdict.accept();
        replace(&path, text("second"));
        assert_eq!(server.accept().await, "second");
        // Writing to it is not moving.
        fs::write(&path, text("third")).unwrap();
        assert!(server.is_silent(A_WHILE).await);
        // The same is nothing new.
        replace(&path, text("second"));
        assert!(server.is_silent(A_WHILE).await);
        fs::remove_file(&path).unwrap();
        assert!(server.is_silent(A_WHILE).await);
        replace(&path, text("fourth"));
        assert_eq!(server.accept().await, "fourth");
    });
}

#[test]
fn a_bad_file_changes_nothing() {
    local(async {
        let (_directory, path) = file("ecds.yaml");
        let mut server = Server::start(1, &source(&path, ""), "0s");
        server.accept().await;
        for bad in [
            "resources: [",
            "resources: []",
            "\u{0}",
            &text("x").replace("name: one", "name: two"),
        ] {
            replace(&path, bad);
            assert!(server.is_silent(Duration::from_millis(1500)).await, "{bad}");
        }
        replace(&path, text("second"));
        server.update().await.verdict.refuse("it does not start");
        replace(&path, text("third"));
        assert_eq!(server.accept().await, "third");
    });
}

#[test]
fn a_file_that_was_not_all_there_is_read_when_it_is() {
    local(async {
        let (_directory, path) = file("ecds.yaml");
        let mut server = Server::start(1, &source(&path, ""), "0s");
        server.accept().await;
        let whole = text("second");
        replace(&path, &whole[..60]);
        assert!(server.is_silent(A_WHILE).await);
        fs::write(&path, whole).unwrap();
        assert_eq!(server.accept().await, "second");
    });
}

#[test]
fn nobody_waits_for_a_file_that_is_no_good() {
    local(async {
        let (_directory, path) = file("ecds.yaml");
        fs::write(&path, "resources: []").unwrap();
        let mut server = Server::start(1, &source(&path, ""), "0s");
        assert_eq!(server.goes_on().await, Why::Refused);
        replace(&path, text("good"));
        assert_eq!(server.accept().await, "good");
    });
}

#[test]
fn links_are_swapped_as_kubernetes_does() {
    for watching in [true, false] {
        local(async move {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path();
            for (version, plugin) in [("v1", "first"), ("v2", "second")] {
                fs::create_dir(root.join(version)).unwrap();
                fs::write(root.join(version).join("ecds.yaml"), text(plugin)).unwrap();
            }
            symlink("v1", root.join("..data")).unwrap();
            let path = root.join("ecds.yaml");
            symlink("..data/ecds.yaml", &path).unwrap();
            let source = match watching {
                true => watched(&path, root, ""),
                false => source(&path, ""),
            };
            let mut server = Server::start(1, &source, "0s");
            assert_eq!(server.accept().await, "first");
            symlink("v2", root.join("..new")).unwrap();
            fs::rename(root.join("..new"), root.join("..data")).unwrap();
            assert_eq!(server.accept().await, "second");
        });
    }
}

#[test]
fn a_move_into_the_watched_directory_counts() {
    local(async {
        let (_directory, path) = file("ecds.yaml");
        let other = tempfile::tempdir().unwrap();
        let mut server = Server::start(1, &watched(&path, other.path(), ""), "0s");
        server.accept().await;
        fs::write(&path, text("second")).unwrap();
        assert!(server.is_silent(A_WHILE).await);
        replace(&other.path().join("ready"), "");
        assert_eq!(server.accept().await, "second");
    });
}

#[test]
fn writing_counts_if_asked_for() {
    local(async {
        let (directory, path) = file("ecds.yaml");
        let source = watched(&path, directory.path(), ", watch_modify: true");
        let mut server = Server::start(1, &source, "0s");
        server.accept().await;
        fs::write(&path, text("second")).unwrap();
        assert_eq!(server.accept().await, "second");
    });
}

#[test]
fn a_file_can_be_read_by_the_clock() {
    local(async {
        let (_directory, path) = file("ecds.yaml");
        let mut server = Server::start(1, &source(&path, ", poll_interval: 0.05s"), "0s");
        server.update().await.verdict.refuse("no");
        assert_eq!(server.goes_on().await, Why::Refused);
        // It is not refused twenty times in a second.
        assert!(server.is_silent(Duration::from_millis(300)).await);
        fs::write(&path, text("second")).unwrap();
        assert_eq!(server.accept().await, "second");
    });
}

#[test]
fn a_file_can_hold_the_message_itself_or_json() {
    local(async {
        let (_directory, path) = file("ecds.pb");
        fs::write(
            &path,
            response("7", vec![resource("one", "bytes")]).encode_to_vec(),
        )
        .unwrap();
        assert_eq!(Server::start(1, &source(&path, ""), "0s").accept().await, "bytes");
        let (_directory, path) = file("ecds.json");
        let json = r#"{"resources": [{"@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "name": "one",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": {"name": "json",
            "vm_config": {"runtime": "envoy.wasm.runtime.null", "code": {"local": {"inline_string": "c"}}}}}}]}"#;
        fs::write(&path, json).unwrap();
        assert_eq!(Server::start(1, &source(&path, ""), "0s").accept().await, "json");
    });
}

#[test]
fn files_and_directories_are_there_at_the_start() {
    let (directory, path) = file("ecds.yaml");
    let checked = |source: &str| check(&source_of(source));
    assert_eq!(checked(&source(&path, "")), Ok(()));
    let none = directory.path().join("none");
    let expected = format!(
        "paths must refer to an existing path in the system: '{}' does not exist",
        none.display()
    );
    assert_eq!(checked(&source(&none, "")), Err(expected.clone()));
    assert_eq!(checked(&watched(&path, &none, "")), Err(expected));
    assert_eq!(checked(super::GRPC), Ok(()));
}

fn source_of(text: &str) -> ConfigSource {
    let subscriptions = all_subscriptions(&bootstrap(1, text, "0s"));
    subscriptions[0].source.clone()
}
