//! `CapabilityRestrictionConfig`.

use std::collections::BTreeSet;

use enginebay_abi::callbacks::Callback;
use enginebay_abi::functions::HostFunction;

use super::Check;
use crate::model::Capabilities;
use crate::proto::envoy::extensions::wasm::v3 as wasm;
use crate::{path, suggest};

impl Check<'_> {
    /// As in Envoy, that of the VM counts if it is given at all, be it empty.
    pub(super) fn capabilities(
        &mut self,
        plugin: &wasm::PluginConfig,
        vm: &wasm::VmConfig,
        path: &str,
        vm_path: &str,
    ) -> Capabilities {
        const FIELD: &str = "capability_restriction_config";
        let of_plugin = plugin.capability_restriction_config.as_ref();
        let of_vm = vm.capability_restriction_config.as_ref();
        if of_plugin.is_some() && of_vm.is_some() {
            self.warning(
                path::field(path, FIELD),
                format!("has no effect, as {} is given", path::field(vm_path, FIELD)),
            );
        }
        let (config, path) = match (of_vm, of_plugin) {
            (Some(config), _) => (config, path::field(vm_path, FIELD)),
            (None, Some(config)) => (config, path::field(path, FIELD)),
            (None, None) => return Capabilities::All,
        };
        let path = path::field(&path, "allowed_capabilities");
        for name in config.allowed_capabilities.keys() {
            if names().any(|known| known == name) {
                continue;
            }
            let hint = match suggest::nearest(name, names()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            self.warning(
                path::key(&path, name),
                format!("allows nothing: there is no such capability{hint}"),
            );
        }
        let allowed: BTreeSet<String> = config.allowed_capabilities.keys().cloned().collect();
        if allowed.is_empty() {
            Capabilities::All
        } else {
            Capabilities::Only(allowed)
        }
    }
}

/// The names that can be allowed.
fn names() -> impl Iterator<Item = &'static str> {
    let functions = HostFunction::TABLE.iter().filter_map(|def| def.capability());
    functions.chain(Callback::ALL.iter().map(|callback| callback.name()))
}
