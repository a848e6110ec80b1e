//! `/config_dump`: the configuration that is served.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use enginebay::config;
use enginebay::config::proto::envoy::config::bootstrap::v3::Bootstrap;
use enginebay::config::proto::envoy::config::core::v3::TypedExtensionConfig;
use serde_json::{Value, json};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Parts of the configuration, each with the time when it came to be served. Secrets are not in it:
/// see [`config::redacted_json`].
#[derive(Default)]
pub(super) struct ConfigDump(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    bootstrap: Option<Value>,
    /// By the name of the filter.
    discovered: BTreeMap<String, Value>,
}

impl ConfigDump {
    /// This bootstrap is served now.
    pub(super) fn set_bootstrap(&self, bootstrap: &Bootstrap) {
        self.parts().bootstrap = Some(json!({
            "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
            "bootstrap": config::redacted_json(bootstrap, "envoy.config.bootstrap.v3.Bootstrap"),
            "last_updated": now(),
        }));
    }

    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "no filter is discovered yet")
    )]
    /// A filter that is discovered has this configuration now; none if it was removed.
    pub(super) fn set_discovered(&self, name: &str, version: &str, filter: Option<&TypedExtensionConfig>) {
        const KIND: &str = "envoy.config.core.v3.TypedExtensionConfig";
        let mut parts = self.parts();
        let Some(filter) = filter else {
            parts.discovered.remove(name);
            return;
        };
        let mut shown = config::redacted_json(filter, KIND);
        if let Value::Object(fields) = &mut shown {
            fields.insert("@type".to_owned(), format!("type.googleapis.com/{KIND}").into());
        }
        let entry = json!({"version_info": version, "ecds_filter": shown, "last_updated": now()});
        parts.discovered.insert(name.to_owned(), entry);
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

/// As RFC 3339 has it.
fn now() -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovered_filters_come_after_the_bootstrap_and_go() {
        let dump = ConfigDump::default();
        let read = || serde_json::from_str::<Value>(&dump.json()).unwrap();
        assert_eq!(read(), json!({"configs": []}));
        dump.set_bootstrap(&Bootstrap::default());
        let filter = TypedExtensionConfig {
            name: "f".to_owned(),
            typed_config: None,
        };
        dump.set_discovered("f", "7", Some(&filter));
        let both = read();
        assert_eq!(
            both["configs"][0]["@type"],
            "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"
        );
        let ecds = &both["configs"][1]["ecds_filters"][0];
        assert_eq!((&ecds["version_info"], &ecds["ecds_filter"]["name"]), (&json!("7"), &json!("f")));
        let time = ecds["last_updated"].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        dump.set_discovered("f", "8", None);
        assert_eq!(read()["configs"].as_array().map(Vec::len), Some(1));
    }
}
