//! From text to messages, and from messages to the plain types.

use std::collections::HashMap;

use prost::Message;

use crate::error::{ConfigError, Position, Problem};
use crate::model;
use crate::node::{Node, Value};
use crate::outside::Outside;
use crate::proto::envoy::config::bootstrap::v3::Bootstrap;
use crate::proto::envoy::extensions::wasm::v3::PluginConfig;
use crate::proto::envoy::service::discovery::v3::DiscoveryResponse;
use crate::validate::Check;
use crate::walk::Walk;
use crate::{descriptors, json, path, yaml};

const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";
const DISCOVERY_RESPONSE: &str = "envoy.service.discovery.v3.DiscoveryResponse";
const PLUGIN_CONFIG: &str = "envoy.extensions.wasm.v3.PluginConfig";

/// Reads a `Bootstrap` from YAML or JSON, without looking at what it says: see [`load_bootstrap`] for that.
///
/// `file` is the name for messages; one that ends in `.json` is read as JSON only.
///
/// # Errors
///
/// Text that is neither; keys that are there twice; fields that are unknown, of the wrong type or given twice.
pub fn read_bootstrap(text: &str, file: &str) -> Result<Bootstrap, ConfigError> {
    read(text, file, BOOTSTRAP).map(|(message, _)| message)
}

/// Reads a `PluginConfig` from YAML or JSON, without looking at what it says: see [`load_plugin`] for that.
///
/// `file` is the name for messages; one that ends in `.json` is read as JSON only.
///
/// # Errors
///
/// As [`read_bootstrap`].
pub fn read_plugin_config(text: &str, file: &str) -> Result<PluginConfig, ConfigError> {
    read(text, file, PLUGIN_CONFIG).map(|(message, _)| message)
}

/// Reads and checks a server's whole configuration, a `Bootstrap` in YAML or JSON.
///
/// Variables and the files of direct responses are taken from `outside`; the files of plugins are not looked at.
///
/// # Errors
///
/// As [`read_bootstrap`], and everything a server could not do.
pub fn load_bootstrap(
    text: &str,
    file: &str,
    outside: &dyn Outside,
) -> Result<model::Bootstrap, ConfigError> {
    let (message, positions) = read(text, file, BOOTSTRAP)?;
    let mut check = Check::new(outside);
    let bootstrap = check.bootstrap(&message);
    finish(Some(bootstrap), check, file, outside, &positions)
}

/// Reads and checks a plugin's configuration, a `PluginConfig` in YAML or JSON.
///
/// Variables are taken from `outside`; the plugin's file is not looked at.
///
/// # Errors
///
/// As [`read_plugin_config`], and what makes a plugin impossible.
pub fn load_plugin(text: &str, file: &str, outside: &dyn Outside) -> Result<model::Plugin, ConfigError> {
    let (message, positions) = read(text, file, PLUGIN_CONFIG)?;
    let mut check = Check::new(outside);
    let plugin = check.plugin(&message, "");
    finish(plugin, check, file, outside, &positions)
}

/// Reads a `DiscoveryResponse` from YAML or JSON: what stands in the file of a `path_config_source`.
/// [`model::Plugin::from_discovery`] says what is in it.
///
/// `file` is the name for messages; one that ends in `.json` is read as JSON only.
///
/// # Errors
///
/// As [`read_bootstrap`].
pub fn read_discovery_response(text: &str, file: &str) -> Result<DiscoveryResponse, ConfigError> {
    read(text, file, DISCOVERY_RESPONSE).map(|(message, _)| message)
}

impl model::Bootstrap {
    /// Checks a message; `file` is the name for messages of problems.
    ///
    /// # Errors
    ///
    /// Everything a server could not do.
    pub fn from_message(message: &Bootstrap, file: &str, outside: &dyn Outside) -> Result<Self, ConfigError> {
        let mut check = Check::new(outside);
        let bootstrap = check.bootstrap(message);
        finish(Some(bootstrap), check, file, outside, &Positions::new())
    }
}

impl model::Plugin {
    /// Checks a message; `file` is the name for messages of problems.
    ///
    /// # Errors
    ///
    /// What makes a plugin impossible: no runtime or an unknown one, no code, variables that contradict each other.
    pub fn from_message(
        message: &PluginConfig,
        file: &str,
        outside: &dyn Outside,
    ) -> Result<Self, ConfigError> {
        let mut check = Check::new(outside);
        let plugin = check.plugin(message, "");
        finish(plugin, check, file, outside, &Positions::new())
    }

    /// The plugin that a control plane or a file sent for a discovered filter; `filter` is the filter's name, and
    /// `clusters` are those of the server. `source` is the name for messages, such as that of the file.
    ///
    /// What this refuses is to be answered with a NACK, whose `error_detail` has the error's text.
    ///
    /// # Errors
    ///
    /// Anything but one resource, another name, a type that is not allowed; and as [`model::Plugin::from_message`].
    pub fn from_discovery(
        response: &DiscoveryResponse,
        filter: &str,
        discovery: &model::Discovery,
        clusters: &[model::Cluster],
        source: &str,
        outside: &dyn Outside,
    ) -> Result<Self, ConfigError> {
        let names = clusters.iter().map(|cluster| cluster.name.as_str());
        let mut check = Check::new(outside).with_clusters(names);
        let plugin = check.discovered_plugin(response, filter, discovery);
        finish(plugin, check, source, outside, &Positions::new())
    }
}

impl model::Plugin {
    /// The plugin in the resource at `index` of a response, where the others are not for this filter: a control plane may
    /// send more resources than it was asked for. Else as [`model::Plugin::from_discovery`].
    ///
    /// # Errors
    ///
    /// There is no such resource; and as [`model::Plugin::from_discovery`].
    pub fn from_discovered_resource(
        response: &DiscoveryResponse,
        index: usize,
        filter: &str,
        discovery: &model::Discovery,
        clusters: &[model::Cluster],
        source: &str,
        outside: &dyn Outside,
    ) -> Result<Self, ConfigError> {
        let names = clusters.iter().map(|cluster| cluster.name.as_str());
        let mut check = Check::new(outside).with_clusters(names);
        let path = path::index("resources", index);
        let plugin = match response.resources.get(index) {
            Some(any) => check.discovered_resource(any, path, filter, discovery),
            None => {
                check.problem(path, "there is no such resource");
                None
            }
        };
        finish(plugin, check, source, outside, &Positions::new())
    }
}

/// What a check found: the value and warnings, or problems.
fn finish<T>(
    value: Option<T>,
    check: Check<'_>,
    file: &str,
    outside: &dyn Outside,
    positions: &Positions,
) -> Result<T, ConfigError> {
    let Check {
        mut problems,
        mut warnings,
        ..
    } = check;
    locate(&mut warnings, positions);
    for warning in &warnings {
        outside.warn(file, warning);
    }
    locate(&mut problems, positions);
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        None if problems.is_empty() => Err(ConfigError::new(file, "cannot be understood")),
        _ => Err(ConfigError::from_problems(file, problems)),
    }
}

type Positions = HashMap<String, Position>;

fn read<T: Message + Default>(text: &str, file: &str, name: &str) -> Result<(T, Positions), ConfigError> {
    let node = parse(text, file).map_err(|problem| ConfigError::from_problems(file, vec![problem]))?;
    if node.value == Value::Null {
        return Err(ConfigError::new(file, "there is nothing in it"));
    }
    let unknown = || ConfigError::new(file, format!("the message {name} is not known"));
    let kind = descriptors::message(name).ok_or_else(unknown)?;
    let mut walk = Walk::default();
    let message = walk.message(&node, &kind, "");
    let Some(message) = message.filter(|_| walk.problems.is_empty()) else {
        return Err(ConfigError::from_problems(file, walk.problems));
    };
    let message = message
        .transcode_to()
        .map_err(|error| ConfigError::new(file, error.to_string()))?;
    Ok((message, walk.positions))
}

fn parse(text: &str, file: &str) -> Result<Node, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if file.ends_with(".json") {
        return json::read(text);
    }
    // JSON is YAML but for a few of its escapes and a rule for its numbers.
    if text.trim_start().starts_with('{')
        && let Ok(node) = json::read(text)
    {
        return Ok(node);
    }
    yaml::read(text)
}

/// Adds to each problem where it is: its field or, if that is missing, what should have it.
fn locate(problems: &mut [Problem], positions: &Positions) {
    for problem in problems {
        let mut paths = std::iter::successors(Some(problem.path.as_str()), |path| path::parent(path));
        problem.position = paths.find_map(|path| positions.get(path)).copied();
    }
}
