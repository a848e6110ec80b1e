//! What follows from the configuration of a listener and from where a request goes.

use std::sync::Arc;

use enginebay::abi::{PropertyPath, Value};
use enginebay_http::{Attributes, StreamView};

use super::facts::ClusterFacts;
use crate::serve::plan::Plan;
use crate::serve::routes::{Action, Found};

/// The attributes of all requests of a listener.
///
/// The route is looked for when a plugin asks, for the headers as they are then: that costs requests nothing whose
/// plugins don't ask, and there is nothing to forget when a plugin changes a header.
pub(in crate::serve) struct ListenerAttributes {
    plan: Arc<Plan>,
    listener: usize,
}

impl ListenerAttributes {
    pub(in crate::serve) fn new(plan: Arc<Plan>, listener: usize) -> Self {
        ListenerAttributes { plan, listener }
    }

    fn route(&self, stream: &StreamView<'_>) -> Option<Found<'_>> {
        let header = |name| std::str::from_utf8(stream.request_header(name)?).ok();
        let path = header(":path")?;
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let routes = &self.plan.listeners.get(self.listener)?.routes;
        routes.look_up(header(":authority").unwrap_or_default(), path)
    }

    fn cluster(&self, stream: &StreamView<'_>) -> Option<&ClusterFacts> {
        match self.route(stream)?.action {
            Action::Forward(to) => self.plan.facts.clusters.get(to.cluster?),
            Action::Direct(_) => None,
        }
    }

    fn find(&self, stream: &StreamView<'_>, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<bool> {
        let (name, rest) = path.split_first();
        let listener = self.plan.facts.listeners.get(self.listener)?;
        let mut put = |value: Value<'_>| {
            if rest.is_none() {
                out.extend_from_slice(&value.encode());
            }
            Some(rest.is_none())
        };
        match name {
            b"listener_direction" => put(listener.direction.into()),
            b"filter_chain_name" => put(listener.filter_chain.as_str().into()),
            b"route_name" => put(self.route(stream)?.name.into()),
            b"virtual_host_name" => put(self.route(stream)?.host_name.into()),
            b"cluster_name" => put(self.cluster(stream)?.name.as_str().into()),
            b"listener_metadata" => Some(listener.metadata.write(rest, out)),
            b"route_metadata" => Some(self.route(stream)?.metadata.write(rest, out)),
            b"virtual_host_metadata" => Some(self.route(stream)?.host_metadata.write(rest, out)),
            b"cluster_metadata" => Some(self.cluster(stream)?.metadata.write(rest, out)),
            b"upstream" if rest?.is(&["num_endpoints"]) => {
                let count = self.cluster(stream)?.endpoints.len() as u64;
                out.extend_from_slice(&Value::Uint(count).encode());
                Some(true)
            }
            _ => None,
        }
    }
}

impl Attributes for ListenerAttributes {
    fn attribute(&self, stream: &StreamView<'_>, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.find(stream, path, out).unwrap_or(false)
    }
}
