//! `/config_dump`: the configuration that is served.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use enginebay::config;
use serde_json::{Value, json};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::discovery::{Resource, Subscription};

/// Parts of the configuration, each with the time when it came to be served. Secrets are not in it:
/// see [`config::redacted_json`].
#[derive(Default)]
pub(super) struct ConfigDump(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    bootstrap: Option<Value>,
    /// By the name of the resource and the first filter that has it.
    discovered: BTreeMap<(String, Option<usize>), Value>,
}

impl ConfigDump {
    /// A bootstrap is served now; this was the text of its file.
    pub(super) fn set_bootstrap(&self, path: &Path, text: &str) {
        // It was read before, so it can be.
        let Ok(message) = config::read_bootstrap(text, &path.to_string_lossy()) else {
            return;
        };
        self.parts().bootstrap = Some(json!({
            "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
            "bootstrap": config::redacted_json(&message, "envoy.config.bootstrap.v3.Bootstrap"),
            "last_updated": now(),
        }));
    }

    /// A discovered configuration is served now.
    pub(super) fn set_discovered(&self, subscription: &Subscription, resource: &Resource) {
        let shown = resource.message.as_ref().map(|message| {
            let mut shown = config::redacted_json(message, "google.protobuf.Any");
            // As Envoy, without what it was wrapped in.
            match shown.get_mut("resource") {
                Some(inner) => inner.take(),
                None => shown,
            }
        });
        let entry = json!({
            "version_info": resource.version,
            "ecds_filter": shown,
            "last_updated": now(),
        });
        self.parts().discovered.insert(key(subscription), entry);
    }

    /// That configuration is served no more.
    pub(super) fn remove_discovered(&self, subscription: &Subscription) {
        self.parts().discovered.remove(&key(subscription));
    }

    /// Nothing that was discovered before is.
    pub(super) fn forget_discovered(&self) {
        self.parts().discovered.clear();
    }

    /// In the form of Envoy's `envoy.admin.v3.ConfigDump`.
    pub(super) fn json(&self) -> String {
        let parts = self.parts();
        let mut configs: Vec<Value> = parts.bootstrap.iter().cloned().collect();
        if !parts.discovered.is_empty() {
            let filters: Vec<&Value> = parts.discovered.values().collect();
            configs.push(json!({
                "@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump",
                "ecds_filters": filters,
            }));
        }
        let mut text = format!("{:#}", json!({"configs": configs}));
        text.push('\n');
        text
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(subscription: &Subscription) -> (String, Option<usize>) {
    let first = subscription.filters.first().copied();
    (subscription.name.clone(), first)
}

/// As RFC 3339 has it.
fn now() -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}
