//! A listener with one configuration, as one worker sees it.

use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model::Codec;
use enginebay_http::{Attributes, LocalService, LocalVms};
use http::HeaderValue;

use super::attributes::ListenerAttributes;
use super::plan::{ListenerPlan, Plan};
use super::router::Router;
use super::tcp;
use super::upstream::Clusters;

/// What serves the connections of a listener until another configuration does.
pub(super) struct Serving {
    plan: Arc<Plan>,
    listener: usize,
    server_name: HeaderValue,
    service: LocalService<Router>,
    uses_properties: bool,
    /// For a TCP listener; then the service is not used.
    tcp: Option<tcp::Proxy>,
    attributes: Arc<dyn Attributes + Send + Sync>,
}

impl Serving {
    /// Starts the plugins of a listener, as far as they are not there already.
    ///
    /// # Errors
    /// One of them can't be started.
    pub(super) fn start(
        plan: &Arc<Plan>,
        listener: usize,
        vms: &LocalVms,
        clusters: &Rc<Clusters>,
    ) -> Result<Rc<Self>, String> {
        let planned = &plan.listeners[listener];
        let chain = vms.start(&planned.chain).map_err(|failure| failure.to_string())?;
        let http = planned.listener.http();
        let server_name = http.and_then(|http| http.server_name.as_deref());
        let tcp = planned.listener.tcp().and_then(|tcp| {
            // One that is not there was refused with the configuration.
            Some(tcp::Proxy::new(
                tcp,
                &chain,
                clusters.named(&tcp.cluster)?.clone(),
            ))
        });
        let router = Router::new(plan.clone(), listener, clusters.clone());
        Ok(Rc::new(Serving {
            plan: plan.clone(),
            listener,
            server_name: server_name
                .and_then(|name| HeaderValue::from_str(name).ok())
                .unwrap_or(const { HeaderValue::from_static("enginebay") }),
            service: chain.service(router),
            uses_properties: chain.uses_properties(),
            attributes: Arc::new(ListenerAttributes::new(plan.clone(), listener)),
            tcp,
        }))
    }

    pub(super) fn planned(&self) -> &ListenerPlan {
        &self.plan.listeners[self.listener]
    }

    pub(super) fn codec(&self) -> Codec {
        self.planned()
            .listener
            .http()
            .map_or_else(Codec::default, |http| http.codec)
    }

    /// How it serves TCP, if it does.
    #[inline]
    pub(super) fn tcp(&self) -> Option<&tcp::Proxy> {
        self.tcp.as_ref()
    }

    #[inline]
    pub(super) fn server_name(&self) -> HeaderValue {
        self.server_name.clone()
    }

    /// Whether plugins can look at what is known of a connection.
    pub(super) fn tells_of_connections(&self) -> bool {
        self.uses_properties
    }

    pub(super) fn service(&self) -> LocalService<Router> {
        self.service.clone()
    }

    /// What plugins can learn of all its requests.
    pub(super) fn attributes(&self) -> Arc<dyn Attributes + Send + Sync> {
        self.attributes.clone()
    }
}
