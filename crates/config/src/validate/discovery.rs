//! `ExtensionConfigSource`: filters whose configuration comes later.

use prost_types::Any;

use super::{Check, REQUIRED};
use crate::descriptors::{RESOURCE, TYPED_EXTENSION_CONFIG, type_name};
use crate::model::{DefaultPlugin, Discovery, Plugin, PluginSource, WasmFilter};
use crate::path;
use crate::proto::envoy::config::core::v3 as core;
use crate::proto::envoy::extensions::filters::http::wasm::v3::Wasm;
use crate::proto::envoy::service::discovery::v3::{DiscoveryResponse, Resource};

impl Check<'_> {
    /// A filter that is a plugin of the type `plugin_type`, which is that of the chain.
    pub(super) fn discovered(
        &mut self,
        name: String,
        message: &core::ExtensionConfigSource,
        plugin_type: &'static str,
        path: String,
    ) -> Option<WasmFilter> {
        let types_path = path::field(&path, "type_urls");
        let type_names: Vec<String> = message
            .type_urls
            .iter()
            .map(|url| full_name(url).to_owned())
            .collect();
        if type_names.is_empty() {
            self.problem(types_path, REQUIRED);
        } else if !type_names.iter().any(|name| name == plugin_type) {
            self.problem(
                types_path,
                format!("none of them is supported here; supported: {plugin_type}"),
            );
        }
        let default = match &message.default_config {
            Some(any) => self.default_plugin(any, &type_names, plugin_type, &path),
            None => None,
        };
        if message.apply_default_config_without_warming && message.default_config.is_none() {
            self.problem(
                path::field(&path, "apply_default_config_without_warming"),
                format!("Error: filter config {name} applied without warming but has no default config."),
            );
        }
        let source_path = path::field(&path, "config_source");
        let Some(config_source) = &message.config_source else {
            self.problem(source_path, REQUIRED);
            return None;
        };
        let (source, initial_fetch_timeout) = self.config_source(config_source, &source_path);
        let discovery = Discovery {
            source: source?,
            initial_fetch_timeout,
            default,
            default_without_warming: message.apply_default_config_without_warming,
            type_names,
            plugin_type,
        };
        let source = PluginSource::Discovered(discovery);
        Some(WasmFilter { name, path, source })
    }

    fn default_plugin(
        &mut self,
        any: &Any,
        type_names: &[String],
        plugin_type: &'static str,
        path: &str,
    ) -> Option<DefaultPlugin> {
        let path = path::field(path, "default_config");
        self.expected_type(any, type_names, &path)?;
        // Both kinds of filters have the same one field.
        let wasm: Wasm = self.unpack(any, &[plugin_type], &path)?;
        let (path, plugin) = self.plugin_of(wasm.config.as_ref(), &path)?;
        Some(DefaultPlugin { path, plugin })
    }

    /// Whether `any` is of one of the types that `type_urls` has.
    fn expected_type(&mut self, any: &Any, type_names: &[String], path: &str) -> Option<()> {
        let given = type_name(&any.type_url);
        if type_names.iter().any(|name| name == given) {
            return Some(());
        }
        let expected = type_names.join(", ");
        self.problem(
            path::field(path, "@type"),
            format!("Error: filter config has type URL {given} but expect {expected}."),
        );
        None
    }

    /// The plugin that a response has for the filter `name`.
    pub(crate) fn discovered_plugin(
        &mut self,
        response: &DiscoveryResponse,
        name: &str,
        discovery: &Discovery,
    ) -> Option<Plugin> {
        let [any] = response.resources.as_slice() else {
            let count = response.resources.len();
            self.problem(
                "resources",
                format!("Unexpected number of resources in ExtensionConfigDS response: {count}"),
            );
            return None;
        };
        self.discovered_resource(any, path::index("resources", 0), name, discovery)
    }

    /// The plugin that the resource at `path` has for the filter `name`.
    pub(crate) fn discovered_resource(
        &mut self,
        any: &Any,
        mut path: String,
        name: &str,
        discovery: &Discovery,
    ) -> Option<Plugin> {
        let extension: core::TypedExtensionConfig = if type_name(&any.type_url) == RESOURCE {
            let resource: Resource = self.unpack(any, &[RESOURCE], &path)?;
            path = path::field(&path, "resource");
            let Some(any) = &resource.resource else {
                self.problem(path, REQUIRED);
                return None;
            };
            self.unpack(any, &[TYPED_EXTENSION_CONFIG], &path)?
        } else {
            self.unpack(any, &[TYPED_EXTENSION_CONFIG, RESOURCE], &path)?
        };
        if extension.name != name {
            self.problem(
                path::field(&path, "name"),
                format!(
                    "Unexpected resource name in ExtensionConfigDS response: {}",
                    extension.name
                ),
            );
            return None;
        }
        let path = path::field(&path, "typed_config");
        let Some(any) = &extension.typed_config else {
            self.problem(path, REQUIRED);
            return None;
        };
        self.expected_type(any, &discovery.type_names, &path)?;
        let wasm: Wasm = self.unpack(any, &[discovery.plugin_type], &path)?;
        self.plugin_of(wasm.config.as_ref(), &path)
            .map(|(_, plugin)| plugin)
    }
}

/// As Envoy reads a type URL in a list of them, where the part up to the slash may be missing.
fn full_name(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or(type_url)
}
