//! Clusters of one host each, asked with hyper.

use std::collections::HashMap;
use std::net::SocketAddr;

use enginebay_code::{BoxError, Fetch, FetchBody, FetchFuture};
use http::header::HOST;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

#[derive(Default)]
pub(crate) struct Clusters {
    /// By name.
    pub(crate) addresses: HashMap<String, SocketAddr>,
    /// Names by host and port.
    pub(crate) hosts: HashMap<String, String>,
}

impl Clusters {
    pub(crate) fn of(name: &str, address: SocketAddr) -> Clusters {
        Clusters {
            addresses: HashMap::from([(name.to_owned(), address)]),
            hosts: HashMap::new(),
        }
    }
}

impl Fetch for Clusters {
    fn get(&self, cluster: &str, request: Request<()>) -> Option<FetchFuture> {
        let address = *self.addresses.get(cluster)?;
        Some(Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::task::spawn_local(connection);
            let mut request = request.map(|()| Empty::<bytes::Bytes>::new());
            let host = request.uri().authority().map_or("", |at| at.as_str());
            let host = HeaderValue::from_str(host)?;
            request.headers_mut().insert(HOST, host);
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() = path.parse()?;
            let response = sender.send_request(request).await?;
            Ok(response.map(|body| -> FetchBody { Box::pin(body.map_err(BoxError::from)) }))
        }))
    }

    fn cluster_of(&self, uri: &Uri) -> Option<String> {
        self.hosts.get(uri.authority()?.as_str()).cloned()
    }
}
