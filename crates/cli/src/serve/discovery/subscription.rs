//! What is asked for.

use std::sync::Arc;
use std::time::Duration;

use enginebay::config::ConfigError;
use enginebay::config::model::{ConfigSource, Discovery, Plugin};

/// One configuration from one source, for all filters that have its name and that source.
#[derive(Debug)]
pub(in crate::serve) struct Subscription {
    /// The name of the resource, which is that of the filters.
    pub(in crate::serve) name: String,
    /// Where it comes from.
    pub(in crate::serve) source: ConfigSource,
    /// The filters, as they were counted by [`subscriptions`].
    pub(in crate::serve) filters: Vec<usize>,
    pub(super) initial_fetch_timeout: Option<Duration>,
    /// Of each filter: a configuration must be one that all of them may have.
    discoveries: Vec<Discovery>,
}

/// What is to be asked for so that each of these filters gets its configuration: those of `Bootstrap::discoveries`, by name.
pub(in crate::serve) fn subscriptions<'a>(
    filters: impl IntoIterator<Item = (&'a str, &'a Discovery)>,
) -> Vec<Arc<Subscription>> {
    let mut all: Vec<Subscription> = Vec::new();
    for (at, (name, discovery)) in filters.into_iter().enumerate() {
        let same = all.iter_mut().find(|one| {
            one.name == name
                && one.source == discovery.source
                && one.initial_fetch_timeout == discovery.initial_fetch_timeout
        });
        match same {
            Some(subscription) => {
                subscription.filters.push(at);
                subscription.discoveries.push(discovery.clone());
            }
            None => all.push(Subscription {
                name: name.to_owned(),
                source: discovery.source.clone(),
                filters: vec![at],
                initial_fetch_timeout: discovery.initial_fetch_timeout,
                discoveries: vec![discovery.clone()],
            }),
        }
    }
    all.into_iter().map(Arc::new).collect()
}

/// Whether a source's file and directory are there, which they must be at the start.
///
/// # Errors
/// What is not there, in Envoy's words.
pub(in crate::serve) fn check(source: &ConfigSource) -> Result<(), String> {
    let ConfigSource::File(file) = source else {
        return Ok(());
    };
    match std::iter::once(&file.path)
        .chain(&file.watched_directory)
        .find(|path| !path.exists())
    {
        Some(path) => Err(format!(
            "paths must refer to an existing path in the system: '{}' does not exist",
            path.display()
        )),
        None => Ok(()),
    }
}

impl Subscription {
    /// The plugin, if it is one for all filters.
    pub(super) fn plugin(
        &self,
        read: impl Fn(&Discovery) -> Result<Plugin, ConfigError>,
    ) -> Result<Arc<Plugin>, String> {
        let mut plugin = Err("nobody asked for it".to_owned());
        for discovery in &self.discoveries {
            plugin = Ok(read(discovery).map_err(|error| error.to_string())?);
        }
        plugin.map(Arc::new)
    }
}
