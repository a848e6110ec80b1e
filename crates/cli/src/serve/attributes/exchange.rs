//! How a request is answered: by which upstream, or why by none.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enginebay::abi::{PropertyPath, Value};
use enginebay_http::{Attributes, StreamView};

use super::facts::{EndpointFacts, Facts};
use crate::serve::upstream::{Failure, Link};

/// How a request ended: Envoy's `response.code_details`, and its `response.flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) struct Outcome {
    details: &'static str,
    flags: i64,
}

impl Outcome {
    pub(in crate::serve) const DIRECT: Outcome = Outcome::new("direct_response", 0);
    pub(in crate::serve) const NO_ROUTE: Outcome = Outcome::new("route_not_found", 1 << 8);
    pub(in crate::serve) const NO_CLUSTER: Outcome = Outcome::new("cluster_not_found", 1 << 24);
    const UPSTREAM: Outcome = Outcome::new("via_upstream", 0);

    const fn new(details: &'static str, flags: i64) -> Self {
        Outcome { details, flags }
    }

    /// Without the part of the details that is behind `|` on Envoy.
    fn of(failure: Failure) -> Self {
        macro_rules! reset {
            ($reason:literal) => {
                concat!("upstream_reset_before_response_started{", $reason, "}")
            };
        }
        match failure {
            Failure::NoHost => Outcome::new("no_healthy_upstream", 1 << 1),
            Failure::Timeout => Outcome::new("upstream_response_timeout", 1 << 2),
            Failure::Connect => Outcome::new(reset!("remote_connection_failure"), 1 << 5),
            Failure::ConnectTimeout => Outcome::new(reset!("connection_timeout"), 1 << 5),
            Failure::Terminated => Outcome::new(reset!("connection_termination"), 1 << 6),
            Failure::Overflow => Outcome::new(reset!("overflow"), 1 << 7),
            Failure::Protocol => Outcome::new(reset!("protocol_error"), 1 << 23),
        }
    }

    fn write(self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
        let value: Value<'_> = match () {
            () if path.is(&["response", "code_details"]) => self.details.into(),
            () if path.is(&["response", "flags"]) => self.flags.into(),
            () => return None,
        };
        out.extend_from_slice(&value.encode());
        Some(())
    }
}

/// Of an answer without an upstream.
impl Attributes for Outcome {
    fn attribute(&self, _: &StreamView<'_>, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.write(path, out).is_some()
    }
}

/// A request on its way to an upstream and back. Made only where a plugin can ask.
pub(in crate::serve) struct Exchange {
    facts: Arc<Facts>,
    /// The cluster, by its place in the configuration.
    cluster: usize,
    host: Cell<Option<Host>>,
    started: Instant,
    /// The connection, and how long it took to have one.
    link: RefCell<Option<(Rc<Link>, Duration)>>,
    outcome: Cell<Option<Outcome>>,
    failure: Cell<Option<Failure>>,
    took: Cell<Option<Duration>>,
}

/// The host that was chosen, and which endpoint of the configuration it is of.
#[derive(Clone, Copy)]
struct Host {
    address: SocketAddr,
    endpoint: usize,
}

impl Exchange {
    pub(in crate::serve) fn new(facts: Arc<Facts>, cluster: usize) -> Self {
        Exchange {
            facts,
            cluster,
            host: Cell::new(None),
            started: Instant::now(),
            link: RefCell::new(None),
            outcome: Cell::new(None),
            failure: Cell::new(None),
            took: Cell::new(None),
        }
    }

    /// A host was chosen.
    pub(in crate::serve) fn chose(&self, address: SocketAddr, endpoint: usize) {
        self.host.set(Some(Host { address, endpoint }));
    }

    /// There is a connection for it.
    pub(in crate::serve) fn connected(&self, link: &Rc<Link>) {
        *self.link.borrow_mut() = Some((link.clone(), self.started.elapsed()));
    }

    /// The head of the response came.
    pub(in crate::serve) fn answered(&self) {
        self.outcome.set(Some(Outcome::UPSTREAM));
    }

    /// There will be no response.
    pub(in crate::serve) fn failed(&self, failure: Failure) {
        self.failure.set(Some(failure));
        self.outcome.set(Some(Outcome::of(failure)));
    }

    /// All of the response came.
    pub(in crate::serve) fn ended(&self) {
        self.took.set(Some(self.started.elapsed()));
    }

    fn find(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
        let (name, rest) = path.split_first();
        let written = match name {
            b"response" if rest?.is(&["backend_latency"]) => put(self.took.get()?.into(), out),
            b"response" => return self.outcome.get()?.write(path, out),
            b"upstream" => return self.upstream(rest?, out),
            b"upstream_host_metadata" => self.endpoint()?.metadata.write(rest, out),
            b"upstream_host_locality_metadata" => self.endpoint()?.locality_metadata.write(rest, out),
            _ => return None,
        };
        written.then_some(())
    }

    fn upstream(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
        let host = self.host.get()?;
        let (field, rest) = path.split_first();
        let written = match (field, rest) {
            (b"locality", rest) => self.endpoint()?.locality.write(rest, out),
            (b"address", None) => put(host.address.to_string().as_str().into(), out),
            (b"port", None) => put(i64::from(host.address.port()).into(), out),
            (b"local_address", None) => {
                let address = self.link.borrow().as_ref()?.0.local?;
                put(address.to_string().as_str().into(), out)
            }
            (b"tls_version", None) => put(self.link.borrow().as_ref()?.0.tls_version?.into(), out),
            (b"cx_pool_ready_duration", None) => put(self.link.borrow().as_ref()?.1.into(), out),
            (b"request_attempt_count", None) => put(1u64.into(), out),
            (b"transport_failure_reason", None) => match self.failure.get() {
                Some(Failure::Connect) => put("delayed connect error".into(), out),
                _ => true,
            },
            _ => false,
        };
        written.then_some(())
    }

    fn endpoint(&self) -> Option<&EndpointFacts> {
        let cluster = self.facts.clusters.get(self.cluster)?;
        cluster.endpoints.get(self.host.get()?.endpoint)
    }
}

fn put(value: Value<'_>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&value.encode());
    true
}

impl Attributes for Exchange {
    fn attribute(&self, _: &StreamView<'_>, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.find(path, out).is_some()
    }
}
