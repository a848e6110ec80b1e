//! How remote code is fetched: through the clusters of the configuration.

use enginebay_code::{BoxError, Fetch, FetchBody, FetchFuture};
use enginebay_http::Body;
use http::{Request, Uri};
use http_body_util::BodyExt;

use super::callouts::ClusterUpstreams;
use super::reply::ReplyBody;

/// Fetches through the clusters of the main thread.
pub(super) struct ClusterFetch(pub(super) ClusterUpstreams);

impl Fetch for ClusterFetch {
    /// The first cluster with an endpoint of that host and port, over TLS or not as the URI has it.
    fn cluster_of(&self, uri: &Uri) -> Option<String> {
        let clusters = self.0.get();
        Some(clusters.for_host(uri)?.name().to_owned())
    }

    fn get(&self, cluster: &str, request: Request<()>) -> Option<FetchFuture> {
        let cluster = self.0.get().named(cluster)?.clone();
        Some(Box::pin(async move {
            // As in Envoy, what could not be sent is a response too.
            let response = match cluster.send(request.map(|()| Body::empty())).await {
                Ok(response) => response.map(ReplyBody::Upstream),
                Err(failure) => failure.response(false),
            };
            Ok(response.map(|body| Box::pin(body.map_err(BoxError::from)) as FetchBody))
        }))
    }
}
