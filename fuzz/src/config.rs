//! The reader of configurations: YAML, JSON and messages.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use enginebay::config::proto::envoy::config::bootstrap::v3::Bootstrap;
use enginebay::config::proto::envoy::extensions::wasm::v3::PluginConfig;
use enginebay::config::{
    ConfigError, DESCRIPTORS, Outside, load_bootstrap, load_plugin, model, read_bootstrap, read_plugin_config,
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

/// A text is read as a bootstrap and as a plugin, from YAML and from JSON; bytes are taken for a message of each.
pub fn run(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        for file in ["fuzz.yaml", "fuzz.json"] {
            bootstrap(text, file);
            plugin(text, file);
        }
    }
    if let Ok(message) = Bootstrap::decode(input) {
        refused(
            model::Bootstrap::from_message(&message, "fuzz.pb", &Nowhere).err(),
            "fuzz.pb",
        );
    }
    if let Ok(message) = PluginConfig::decode(input) {
        refused(
            model::Plugin::from_message(&message, "fuzz.pb", &Nowhere).err(),
            "fuzz.pb",
        );
    }
}

/// An environment with one variable and one file.
struct Nowhere;

impl Outside for Nowhere {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home".to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some("page.html") => Ok(b"hello".to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn bootstrap(text: &str, file: &str) {
    let read = read_bootstrap(text, file);
    let loaded = load_bootstrap(text, file, &Nowhere);
    refused(loaded.as_ref().err().cloned(), file);
    match read {
        Ok(message) => {
            let checked = model::Bootstrap::from_message(&message, file, &Nowhere);
            assert_eq!(checked.is_ok(), loaded.is_ok(), "two ways to one model");
            reads_back(&message, "envoy.config.bootstrap.v3.Bootstrap", read_bootstrap);
        }
        Err(error) => {
            assert!(loaded.is_err(), "what can't be read can be loaded");
            refused(Some(error), file);
        }
    }
}

fn plugin(text: &str, file: &str) {
    let read = read_plugin_config(text, file);
    let loaded = load_plugin(text, file, &Nowhere);
    refused(loaded.as_ref().err().cloned(), file);
    match read {
        Ok(message) => {
            let checked = model::Plugin::from_message(&message, file, &Nowhere);
            assert_eq!(checked.is_ok(), loaded.is_ok(), "two ways to one model");
            reads_back(
                &message,
                "envoy.extensions.wasm.v3.PluginConfig",
                read_plugin_config,
            );
        }
        Err(error) => {
            assert!(loaded.is_err(), "what can't be read can be loaded");
            refused(Some(error), file);
        }
    }
}

/// An error says what is wrong and where: in a field, or at a place in the text, or with all of it.
fn refused(error: Option<ConfigError>, file: &str) {
    let Some(error) = error else {
        return;
    };
    assert!(!error.problems.is_empty(), "{error:?}");
    for problem in &error.problems {
        assert!(!problem.message.is_empty(), "{error:?}");
        let whole = error.problems.len() == 1;
        assert!(
            whole || !problem.path.is_empty(),
            "a problem of many is nowhere: {error:?}"
        );
        if let Some(position) = problem.position {
            assert!(position.line > 0, "{error:?}");
        }
    }
    assert!(error.to_string().starts_with(file), "{error}");
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("the build script wrote them"));

/// What was read is written as JSON by the protobuf library, and read again.
fn reads_back<T: Message>(message: &T, name: &str, read: fn(&str, &str) -> Result<T, ConfigError>) {
    // JSON has no form for some: times out of range, and types of `Any` that are not known.
    let Ok(json) = written(message, name) else {
        return;
    };
    let text = json.to_string();
    for file in ["again.json", "again.yaml"] {
        match read(&text, file) {
            // In JSON too: the bytes of a map have no order, and a NaN is not equal to itself.
            Ok(again) => assert_eq!(written(&again, name).ok(), Some(json.clone())),
            Err(error) => panic!("what was read is refused when written: {error}\n{text}"),
        }
    }
}

fn written<T: Message>(message: &T, name: &str) -> Result<serde_json::Value, serde_json::Error> {
    let kind = POOL.get_message_by_name(name).expect("a message of ours");
    let bytes = message.encode_to_vec();
    let dynamic = DynamicMessage::decode(kind, bytes.as_slice()).expect("it was just written");
    let options = SerializeOptions::new().use_proto_field_name(true);
    dynamic.serialize_with_options(serde_json::value::Serializer, &options)
}
