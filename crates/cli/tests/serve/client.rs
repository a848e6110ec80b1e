//! A client: hyper, in either version of HTTP.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

pub(crate) type SendBody = BoxBody<Bytes, std::convert::Infallible>;

/// A connection to a server.
pub(crate) enum Client {
    Http1(http1::SendRequest<SendBody>),
    Http2(http2::SendRequest<SendBody>),
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn http1(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client::Http1(sender)
    }

    pub(crate) async fn http2(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Client::Http2(sender)
    }

    /// Sends a request and gives the response's head with the rest to come.
    pub(crate) async fn start(
        &mut self,
        mut request: Request<SendBody>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Client::Http1(sender) => {
                sender.ready().await?;
                request
                    .headers_mut()
                    .entry("host")
                    .or_insert(http::HeaderValue::from_static("test.example"));
                sender.send_request(request).await
            }
            Client::Http2(sender) => {
                let path = request.uri().path_and_query().unwrap().clone();
                *request.uri_mut() = format!("http://test.example{path}").parse().unwrap();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    pub(crate) async fn send(&mut self, request: Request<SendBody>) -> Result<Answer, hyper::Error> {
        let (head, body) = self.start(request).await?.into_parts();
        let body = body.collect().await?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes(),
        })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(get(path)).await.unwrap()
    }

    pub(crate) async fn get_with(&mut self, path: &str, name: &str, value: &str) -> Answer {
        self.send(get_with(path, name, value)).await.unwrap()
    }
}

pub(crate) fn get(path: &str) -> Request<SendBody> {
    Request::get(path).body(Empty::new().boxed()).unwrap()
}

pub(crate) fn get_with(path: &str, name: &str, value: &str) -> Request<SendBody> {
    Request::get(path)
        .header(name, value)
        .body(Empty::new().boxed())
        .unwrap()
}

pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<SendBody> {
    Request::post(path).body(Full::new(body.into()).boxed()).unwrap()
}
