//! The configuration of a server, for a case.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::case::{Case, Kind, Plugin};

/// What stands for something else in a case's texts.
pub(crate) struct Outside<'a> {
    /// `{runtime}`
    pub(crate) runtime: &'a str,
    /// `{upstream}` and `{upstream2}`, where the upstream listens for HTTP/1.1 and HTTP/2.
    pub(crate) upstreams: [u16; 2],
    /// Nobody listens there.
    pub(crate) dead: u16,
    /// The folder with the guests.
    pub(crate) guests: &'a Path,
    /// The folder that the server runs in.
    pub(crate) folder: &'a Path,
}

/// Writes the case's modules and gives the configuration.
///
/// # Errors
///
/// A module is not WebAssembly's text, or can't be written.
pub(crate) fn bootstrap(case: &Case, outside: &Outside<'_>) -> Result<Value> {
    let mut filters = Vec::new();
    let mut loggers = Vec::new();
    let mut services = Vec::new();
    for (index, plugin) in case.plugin.iter().enumerate() {
        let config = plugin_config(index, plugin, outside).with_context(|| plugin.name.clone())?;
        match plugin.kind {
            Kind::Filter => filters.push(json!({
                "name": format!("wasm{index}"),
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                    "config": config,
                },
            })),
            Kind::AccessLog => loggers.push(json!({
                "name": format!("wasm{index}"),
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog",
                    "config": config,
                },
            })),
            Kind::Service => services.push(json!({
                "name": "envoy.bootstrap.wasm",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.wasm.v3.WasmService",
                    "config": config,
                    "singleton": true,
                },
            })),
        }
    }
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "parity",
        "http_filters": filters,
        "access_log": loggers,
        "route_config": {"name": "routes", "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [
                {"match": {"path": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "direct"}}},
                {"match": {"prefix": "/h2/"}, "route": {"cluster": "upstream2", "prefix_rewrite": "/"}},
                {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}},
                {"name": "rest", "match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
            ],
        }]},
    });
    let [upstream, upstream2] = outside.upstreams;
    Ok(json!({
        "node": {"id": "parity-node", "cluster": "parity-cluster"},
        "admin": {"address": address(0)},
        "bootstrap_extensions": services,
        "static_resources": {
            "listeners": [{
                "name": "listener",
                "address": address(0),
                "filter_chains": [{"filters": [{
                    "name": "http",
                    "typed_config": manager,
                }]}],
            }],
            "clusters": [
                cluster("upstream", upstream, false),
                cluster("upstream2", upstream2, true),
                cluster("dead", outside.dead, false),
            ],
        },
    }))
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn cluster(name: &str, port: u16, http2: bool) -> Value {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
        },
    });
    if http2 && let Some(fields) = cluster.as_object_mut() {
        fields.insert(
            "typed_extension_protocol_options".to_owned(),
            json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }}),
        );
    }
    cluster
}

fn plugin_config(index: usize, plugin: &Plugin, outside: &Outside<'_>) -> Result<Value> {
    let code = match (&plugin.guest, &plugin.wat, &plugin.bytes, &plugin.code) {
        (Some(guest), ..) => file(&outside.guests.join("wasm").join(guest).with_extension("wasm")),
        (_, Some(wat), ..) => written(index, &wat::parse_str(wat)?, outside)?,
        (_, _, Some(bytes), _) => written(index, bytes.as_bytes(), outside)?,
        (_, _, _, Some(code)) => code.clone(),
        _ => Value::Null,
    };
    let mut vm = json!({"vm_id": plugin.vm_id, "runtime": outside.runtime, "code": code});
    let mut config = json!({"name": plugin.name, "root_id": plugin.root_id});
    put(
        &mut vm,
        "configuration",
        plugin.vm_configuration.as_ref().map(message),
    );
    plugin
        .more_vm
        .iter()
        .for_each(|(name, value)| put(&mut vm, name, Some(value.clone())));
    put(&mut config, "vm_config", Some(vm));
    put(
        &mut config,
        "configuration",
        plugin.configuration.as_ref().map(message),
    );
    plugin
        .more
        .iter()
        .for_each(|(name, value)| put(&mut config, name, Some(value.clone())));
    Ok(filled(&config, outside))
}

fn put(object: &mut Value, name: &str, value: Option<Value>) {
    if let Some((fields, value)) = object.as_object_mut().zip(value) {
        fields.insert(name.to_owned(), value);
    }
}

fn file(path: &Path) -> Value {
    json!({"local": {"filename": path}})
}

fn written(index: usize, bytes: &[u8], outside: &Outside<'_>) -> Result<Value> {
    let path = outside.folder.join(format!("module{index}.wasm"));
    fs::write(&path, bytes)?;
    Ok(file(&path))
}

/// Text as a `StringValue`.
fn message(value: &Value) -> Value {
    match value {
        Value::String(text) => json!({
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": text,
        }),
        other => other.clone(),
    }
}

/// The value with the placeholders in its texts filled in.
fn filled(value: &Value, outside: &Outside<'_>) -> Value {
    match value {
        Value::String(text) => {
            let [upstream, upstream2] = outside.upstreams;
            let text = text
                .replace("{runtime}", outside.runtime)
                .replace("{upstream}", &format!("127.0.0.1:{upstream}"))
                .replace("{upstream2}", &format!("127.0.0.1:{upstream2}"))
                .replace("{folder}", &outside.folder.to_string_lossy())
                .replace("{guests}", &outside.guests.to_string_lossy());
            Value::String(text)
        }
        Value::Array(items) => items.iter().map(|item| filled(item, outside)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), filled(value, outside)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
