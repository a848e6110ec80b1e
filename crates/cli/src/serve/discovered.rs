//! The configurations that come while the server runs, as the main thread keeps them.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model::{Bootstrap, Plugin};
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::callouts::ClusterUpstreams;
use super::discovery::{self, Event, Setting, Subscription};
use super::plan::Outside;

/// Events that wait: the control plane waits for its verdict anyhow.
const WAITING: usize = 16;

/// What is asked for, and what came.
#[derive(Default)]
pub(super) struct Discovered {
    subscriptions: Vec<Arc<Subscription>>,
    /// Those of which something was heard, or that need not be waited for.
    heard: Vec<bool>,
    /// Dropped, nothing more is asked for.
    events: Option<mpsc::Receiver<Event>>,
    /// By the filter's place in the configuration.
    plugins: HashMap<usize, Arc<Plugin>>,
}

impl Discovered {
    /// Asks for everything that a configuration wants.
    ///
    /// # Errors
    /// A file that is not there.
    pub(super) fn subscribe(
        bootstrap: &Bootstrap,
        upstreams: &ClusterUpstreams,
        outside: &Outside,
    ) -> Result<Self, String> {
        let filters = bootstrap
            .discoveries()
            .map(|(_, filter, discovery)| (filter.name.as_str(), discovery));
        let subscriptions = discovery::subscriptions(filters);
        for subscription in &subscriptions {
            discovery::check(&subscription.source)?;
        }
        let without_warming: Vec<bool> = bootstrap
            .discoveries()
            .map(|(_, _, discovery)| discovery.default_without_warming)
            .collect();
        let at_once = |subscription: &Arc<Subscription>| {
            subscription
                .filters
                .iter()
                .all(|place| without_warming.get(*place) == Some(&true))
        };
        let (sender, events) = mpsc::channel(WAITING);
        let setting = Rc::new(Setting {
            node: bootstrap.node.clone(),
            clusters: bootstrap.clusters.clone(),
            outside: Box::new(outside.clone()),
            upstreams: Rc::new(upstreams.clone()),
        });
        for subscription in &subscriptions {
            spawn_local(discovery::run(
                subscription.clone(),
                setting.clone(),
                sender.clone(),
            ));
        }
        Ok(Discovered {
            heard: subscriptions.iter().map(at_once).collect(),
            events: (!subscriptions.is_empty()).then_some(events),
            subscriptions,
            plugins: HashMap::new(),
        })
    }

    /// What came so far.
    pub(super) fn plugins(&self) -> &HashMap<usize, Arc<Plugin>> {
        &self.plugins
    }

    /// Whether nothing has to be waited for before anything is served.
    pub(super) fn is_warm(&self) -> bool {
        self.heard.iter().all(|heard| *heard)
    }

    /// The next event. Never, where nothing is asked for.
    pub(super) async fn next(&mut self) -> Event {
        let event = match &mut self.events {
            Some(events) => events.recv().await,
            None => None,
        };
        let Some(event) = event else {
            return std::future::pending().await;
        };
        let places = self.subscriptions.iter().zip(&mut self.heard);
        for (subscription, heard) in places {
            *heard |= Arc::ptr_eq(subscription, &event.subscription);
        }
        event
    }

    /// Gives the filters of a subscription a plugin, or takes it away. What they had.
    pub(super) fn set(&mut self, subscription: &Subscription, plugin: Option<Arc<Plugin>>) -> Before {
        let places = subscription.filters.iter();
        let before = places.map(|place| {
            let old = match &plugin {
                Some(plugin) => self.plugins.insert(*place, plugin.clone()),
                None => self.plugins.remove(place),
            };
            (*place, old)
        });
        Before(before.collect())
    }

    /// Undoes that.
    pub(super) fn restore(&mut self, before: Before) {
        for (place, plugin) in before.0 {
            match plugin {
                Some(plugin) => self.plugins.insert(place, plugin),
                None => self.plugins.remove(&place),
            };
        }
    }
}

/// What filters had before.
pub(super) struct Before(Vec<(usize, Option<Arc<Plugin>>)>);
