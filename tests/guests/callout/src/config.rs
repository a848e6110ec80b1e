//! The plugin configuration.

use std::time::Duration;

use miniserde::Deserialize;

/// What to call.
#[derive(Debug)]
pub struct Config {
    /// The cluster that both calls go to.
    pub cluster: String,
    /// The `:authority` of both calls.
    pub authority: String,
    /// The `:path` of each call.
    pub paths: [String; 2],
    /// How long each call may take.
    pub timeout: Duration,
    /// Whether to panic when a call was answered.
    pub trap: bool,
}

#[derive(Deserialize)]
struct Json {
    cluster: Option<String>,
    authority: Option<String>,
    paths: Option<Vec<String>>,
    timeout_ms: Option<u32>,
    trap: Option<bool>,
}

impl Config {
    /// Reads JSON such as `{"cluster": "auth", "paths": ["/a", "/b"], "timeout_ms": 100}`. What is left out has its
    /// default: cluster `callout`, the cluster's name as authority, paths `/1` and `/2`, one second.
    ///
    /// # Errors
    ///
    /// The text is not JSON of this shape, or there are not two paths.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "not UTF-8")?.trim();
        let text = if text.is_empty() { "{}" } else { text };
        let json: Json = miniserde::json::from_str(text).map_err(|_| "not JSON as it is expected")?;
        let cluster = json.cluster.unwrap_or_else(|| "callout".to_owned());
        let paths = json
            .paths
            .unwrap_or_else(|| vec!["/1".to_owned(), "/2".to_owned()]);
        Ok(Self {
            authority: json.authority.unwrap_or_else(|| cluster.clone()),
            cluster,
            paths: paths.try_into().map_err(|_| "there must be two paths")?,
            timeout: Duration::from_millis(json.timeout_ms.unwrap_or(1000).into()),
            trap: json.trap.unwrap_or(false),
        })
    }
}
