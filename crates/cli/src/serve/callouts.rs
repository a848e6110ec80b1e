//! Where plugins' callouts go: the clusters of the configuration.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use enginebay_http::{Body, BoxError, LocalBoxBody, UpstreamFuture, Upstreams};
use http::{Request, Version};

use super::reply::ReplyBody;
use super::upstream::Clusters;

/// The clusters of a thread, for its plugins: those of the configuration that holds now.
#[derive(Clone, Default)]
pub(super) struct ClusterUpstreams(Rc<RefCell<Rc<Clusters>>>);

impl ClusterUpstreams {
    pub(super) fn get(&self) -> Rc<Clusters> {
        self.0.borrow().clone()
    }

    pub(super) fn set(&self, clusters: Rc<Clusters>) {
        let old = self.0.replace(clusters);
        drop(old);
    }
}

impl Upstreams for ClusterUpstreams {
    fn send(&self, upstream: &str, request: Request<Body>) -> Option<UpstreamFuture> {
        let cluster = self.get().named(upstream)?.clone();
        Some(Box::pin(async move {
            if request.version() == Version::HTTP_2 && !cluster.http2() {
                let name = cluster.name();
                return Err(BoxError::from(format!(
                    "cluster {name} does not speak HTTP/2, which gRPC takes: give it http2_protocol_options"
                )));
            }
            // As in Envoy, plugins are told of what could not be sent as clients are.
            let response = match cluster.send(request).await {
                Ok(response) => response.map(ReplyBody::Upstream),
                Err(failure) => failure.response(false),
            };
            Ok(response.map(|body| Box::pin(body) as LocalBoxBody))
        }))
    }
}

/// The clusters while plugins are proved: those names are there, and nothing is sent to them.
pub(super) struct SilentUpstreams(pub(super) HashSet<String>);

impl Upstreams for SilentUpstreams {
    fn send(&self, upstream: &str, _: Request<Body>) -> Option<UpstreamFuture> {
        self.0
            .contains(upstream)
            .then(|| Box::pin(std::future::pending()) as UpstreamFuture)
    }
}
