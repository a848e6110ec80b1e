//! Plugins whose configuration comes while the server runs: from a control plane (ECDS over gRPC) or from a file of its
//! own (`path_config_source`). `docs/discovery.md` says what users see of it.
//!
//! [`subscriptions`] says what is to be asked for, and [`run`] asks for one of them until nobody listens any more. It tells
//! [`Event`]s, and the control plane gets the server's [`Verdict`] on each configuration as ACK or NACK. As in Envoy (1.40,
//! asked), each filter has a stream of its own, so that a configuration that is refused for one filter holds up no other.

mod closes;
mod event;
mod feed;
mod file;
mod grpc;
mod response;
mod subscription;
#[cfg(test)]
mod tests;
pub(in crate::serve) mod watch;

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::Outside;
use enginebay::config::model::{Cluster, ConfigSource, Node};
use enginebay_http::Upstreams;
use tokio::sync::mpsc;

pub(in crate::serve) use event::{Event, Resource, What};
#[cfg(test)]
use event::{Update, Why};
use feed::Feed;
pub(in crate::serve) use subscription::{Subscription, check, subscriptions};

/// What all subscriptions have in common.
pub(in crate::serve) struct Setting {
    /// Who asks: the bootstrap's node.
    pub(in crate::serve) node: Node,
    /// The server's clusters, from which plugins may fetch their code.
    pub(in crate::serve) clusters: Vec<Cluster>,
    /// Where variables, files and the names of the runtimes come from.
    pub(in crate::serve) outside: Box<dyn Outside>,
    /// Sends requests to clusters.
    pub(in crate::serve) upstreams: Rc<dyn Upstreams>,
}

/// Asks for a configuration, and tells `events` what comes. Ends when their receiver is gone.
///
/// To be run on the thread that the setting's clusters belong to. Nothing else comes from the source while the server has
/// not given its verdict.
pub(in crate::serve) async fn run(
    subscription: Arc<Subscription>,
    setting: Rc<Setting>,
    events: mpsc::Sender<Event>,
) {
    let feed = Feed::new(subscription.clone(), setting, events.clone());
    tokio::select! {
        () = events.closed() => {}
        never = follow(&subscription, &feed) => match never {},
        never = feed.keep_time() => match never {},
    }
}

async fn follow(subscription: &Subscription, feed: &Feed) -> Infallible {
    match &subscription.source {
        ConfigSource::Grpc(source) => grpc::follow(feed, source).await,
        ConfigSource::File(source) => file::follow(feed, source).await,
        // There is no other kind, and one that is added is refused where the configuration is read.
        _ => std::future::pending().await,
    }
}
