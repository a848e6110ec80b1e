//! The state of the world, from an xDS server.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use enginebay::HeaderMap;
use enginebay::abi::GrpcStatus;
use enginebay::config::model::{BackOff as Intervals, GrpcSource, Node};
use enginebay::config::proto::envoy::config::core::v3 as core;
use enginebay::config::proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use enginebay::config::proto::google::rpc::Status;
use enginebay::host::GrpcTarget;
use enginebay_code::BackOff;
use enginebay_http::GrpcStream;
use prost::Message;
use tokio::time::{Instant, sleep};
use tracing::Level;

use super::closes::{Closes, End};
use super::feed::Feed;
use super::response::{self, Found};

/// The type of the resources.
pub(super) const TYPE_URL: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

const SERVICE: &str = "envoy.service.extension.v3.ExtensionConfigDiscoveryService";
const METHOD: &str = "StreamExtensionConfigs";
/// Waits before a stream is opened again, as in Envoy: any time below an interval that grows from the first to the second.
const MIN_BACK_OFF: Duration = Duration::from_millis(500);
pub(super) const MAX_BACK_OFF: Duration = Duration::from_secs(30);
/// The largest response, unless the configuration says otherwise: plugins may be sent with their code in it.
pub(super) const MAX_MESSAGE: usize = 64 << 20;
/// Requests that wait to be sent. There is one for each response.
const MAX_WAITING: usize = 1 << 20;
/// Bytes of the text of a NACK, as in Envoy: it must fit into what servers take for a header.
const MAX_DETAIL: usize = 4096;

/// Asks for the subscription's resource, again and again.
pub(super) async fn follow(feed: &Feed, source: &GrpcSource) -> Infallible {
    let mut talk = Talk {
        feed,
        source,
        node: node(&feed.setting.node),
        accepted: String::new(),
        control_plane: String::new(),
        back_off: back_off(),
        closes: Closes::default(),
    };
    loop {
        let end = talk.stream().await;
        match talk
            .closes
            .line(end, &source.cluster, Instant::now(), MAX_BACK_OFF)
        {
            (Level::WARN, line) => tracing::warn!("{line}"),
            (_, line) => tracing::debug!("{line}"),
        }
        sleep(talk.back_off.wait()).await;
    }
}

fn back_off() -> BackOff {
    let mut intervals = Intervals::default();
    intervals.base_interval = MIN_BACK_OFF;
    intervals.max_interval = MAX_BACK_OFF;
    BackOff::new(&intervals)
}

/// The bootstrap's node, with the name and version of this program where it has none.
fn node(node: &Node) -> core::Node {
    use core::node::UserAgentVersionType::UserAgentVersion;
    // It was encoded by the configuration.
    let mut message = core::Node::decode(node.message.as_slice()).unwrap_or_default();
    if message.user_agent_name.is_empty() {
        message.user_agent_name = "enginebay".to_owned();
    }
    if message.user_agent_version_type.is_none() {
        message.user_agent_version_type = Some(UserAgentVersion(env!("CARGO_PKG_VERSION").to_owned()));
    }
    message
}

/// What lasts longer than a stream.
struct Talk<'a> {
    feed: &'a Feed,
    source: &'a GrpcSource,
    node: core::Node,
    /// The version of the last response that was accepted.
    accepted: String,
    /// Who answers, as it says itself.
    control_plane: String,
    back_off: BackOff,
    closes: Closes,
}

impl Talk<'_> {
    /// Talks over one stream, to its end.
    async fn stream(&mut self) -> End {
        match self.open() {
            Err(end) => end,
            Ok(mut stream) => match self.talk(&mut stream).await {
                Err(end) => end,
                Ok(never) => match never {},
            },
        }
    }

    fn open(&self) -> Result<GrpcStream, End> {
        let source = self.source;
        let mut initial_metadata = HeaderMap::new();
        for (name, value) in &source.initial_metadata {
            initial_metadata
                .add(name, value)
                .map_err(|error| internal(format!("initial_metadata: {name}: {error}")))?;
        }
        let target = GrpcTarget {
            upstream: source.cluster.clone(),
            authority: Some(source.authority.clone()),
            service: SERVICE.to_owned(),
            method: METHOD.to_owned(),
            initial_metadata,
            // As in Envoy, where `timeout` is for other calls: it would cut the stream again and again.
            timeout: None,
        };
        let max_message = source.max_receive_message_length;
        let max_message = max_message.map_or(MAX_MESSAGE, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let upstreams = &*self.feed.setting.upstreams;
        GrpcStream::open(upstreams, target, MAX_WAITING, max_message)
            .map_err(|error| internal(error.to_string()))
    }

    async fn talk(&mut self, stream: &mut GrpcStream) -> Result<Infallible, End> {
        send(stream, &self.request(None))?;
        loop {
            let message = stream.message().await.map_err(|end| End {
                code: end.code,
                message: end.message,
            })?;
            self.back_off = back_off();
            self.closes.clear();
            let response = DiscoveryResponse::decode(message)
                .map_err(|error| internal(format!("a response that can't be read: {error}")))?;
            if let Some(request) = self.answer(&response).await {
                send(stream, &request)?;
            }
        }
    }

    /// Uses a response, or not, and says so.
    async fn answer(&mut self, response: &DiscoveryResponse) -> Option<DiscoveryRequest> {
        let DiscoveryResponse {
            type_url,
            version_info,
            ..
        } = response;
        tracing::debug!("Received gRPC message for {type_url} at version {version_info}");
        if type_url != TYPE_URL {
            tracing::warn!("Ignoring the message for type URL {type_url} as it has no current subscribers.");
            return None;
        }
        self.note_control_plane(response);
        let name = &self.feed.subscription.name;
        let error_detail = match self.take(response).await {
            Ok(()) => {
                tracing::debug!("gRPC config for {TYPE_URL} accepted with version {version_info} ({name})");
                self.accepted.clone_from(version_info);
                None
            }
            Err(why) => {
                tracing::warn!("gRPC config for {TYPE_URL} rejected: {why} ({name}, version {version_info})");
                self.feed.refused().await;
                Some(Status {
                    code: i32::try_from(GrpcStatus::Internal.as_u32()).unwrap_or_default(),
                    message: shortened(why),
                    details: Vec::new(),
                })
            }
        };
        let mut request = self.request(Some(&response.nonce));
        request.error_detail = error_detail;
        Some(request)
    }

    async fn take(&self, response: &DiscoveryResponse) -> Result<(), String> {
        let feed = self.feed;
        let subscription = &feed.subscription;
        let after = |ttl: Option<Duration>| ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        match response::find(response, &subscription.name, &self.accepted)? {
            Found::Nothing => Ok(()),
            Found::Heartbeat { ttl } => {
                feed.set_expiry(after(ttl));
                Ok(())
            }
            Found::Resource { index, ttl } => {
                let expiry = after(ttl);
                // Until it is judged, what is there stays.
                feed.set_expiry(None);
                let setting = &feed.setting;
                let plugin = subscription.plugin(|discovery| {
                    enginebay::config::model::Plugin::from_discovered_resource(
                        response,
                        index,
                        &subscription.name,
                        discovery,
                        &setting.clusters,
                        &format!("filter {}", subscription.name),
                        &*setting.outside,
                    )
                });
                let outcome = match plugin {
                    Ok(plugin) => feed.offer(response, index, plugin).await,
                    Err(why) => Err(why),
                };
                feed.set_expiry(expiry);
                outcome
            }
        }
    }

    fn note_control_plane(&mut self, response: &DiscoveryResponse) {
        let Some(control_plane) = &response.control_plane else {
            return;
        };
        if control_plane.identifier != self.control_plane {
            self.control_plane.clone_from(&control_plane.identifier);
            tracing::debug!(
                "Receiving gRPC updates for {TYPE_URL} from {}",
                self.control_plane
            );
        }
    }

    /// What is asked for: at first without a nonce, then in answer to the response with this one.
    fn request(&self, nonce: Option<&str>) -> DiscoveryRequest {
        let with_node = nonce.is_none() || !self.source.node_on_first_message_only;
        DiscoveryRequest {
            version_info: self.accepted.clone(),
            node: with_node.then(|| self.node.clone()),
            resource_names: vec![self.feed.subscription.name.clone()],
            type_url: TYPE_URL.to_owned(),
            response_nonce: nonce.unwrap_or_default().to_owned(),
            error_detail: None,
        }
    }
}

fn send(stream: &GrpcStream, request: &DiscoveryRequest) -> Result<(), End> {
    stream
        .send(&Bytes::from(request.encode_to_vec()))
        .map_err(|error| internal(error.to_string()))
}

fn internal(message: String) -> End {
    End {
        code: GrpcStatus::Internal.as_u32(),
        message,
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_DETAIL {
        text.truncate(text.floor_char_boundary(MAX_DETAIL));
        text.push_str("...(truncated)");
    }
    text
}
