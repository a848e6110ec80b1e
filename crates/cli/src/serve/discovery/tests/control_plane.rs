//! A control plane, whose every word the test says.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use enginebay::config::proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use http::{HeaderMap, Request};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::Grpc;
use tonic::{Response, Status, Streaming};
use tower_service::Service;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct ControlPlane {
    pub(super) port: u16,
    streams: mpsc::UnboundedReceiver<Stream>,
    serving: AbortHandle,
}

/// A stream that a client opened. Dropped, it ends.
pub(super) struct Stream {
    pub(super) headers: HeaderMap,
    requests: mpsc::UnboundedReceiver<DiscoveryRequest>,
    responses: mpsc::UnboundedSender<Result<DiscoveryResponse, Status>>,
}

impl ControlPlane {
    pub(super) async fn start() -> Self {
        Self::on(0).await
    }

    pub(super) async fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (opened, streams) = mpsc::unbounded_channel();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let opened = opened.clone();
                let service = service_fn(move |request| answer(opened.clone(), request));
                let io = TokioIo::new(stream);
                connections.spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
            }
        });
        ControlPlane {
            port,
            streams,
            serving: serving.abort_handle(),
        }
    }

    /// The next stream.
    pub(super) async fn stream(&mut self) -> Stream {
        timeout(PATIENCE, self.next_stream()).await.unwrap()
    }

    /// The next stream, whenever it comes.
    pub(super) async fn next_stream(&mut self) -> Stream {
        self.streams.recv().await.unwrap()
    }

    /// Goes away, with all its connections.
    pub(super) async fn stop(self) {
        self.serving.abort();
        // The port is free once the task is gone.
        while !self.serving.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Stream {
    pub(super) async fn request(&mut self) -> DiscoveryRequest {
        timeout(PATIENCE, self.next_request()).await.unwrap().unwrap()
    }

    /// The next request, whenever it comes. None at the end.
    pub(super) async fn next_request(&mut self) -> Option<DiscoveryRequest> {
        self.requests.recv().await
    }

    /// Whether nothing more was asked for a moment.
    pub(super) async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(200), self.requests.recv())
            .await
            .is_err()
    }

    /// Waits until the client ends the stream.
    pub(super) async fn closed(&mut self) {
        let last = timeout(PATIENCE, self.requests.recv()).await.unwrap();
        assert!(last.is_none(), "{last:?}");
    }

    pub(super) fn send(&self, response: DiscoveryResponse) {
        self.responses.send(Ok(response)).unwrap();
    }

    pub(super) fn close(self, status: Status) {
        self.responses.send(Err(status)).unwrap();
    }
}

async fn answer(
    opened: mpsc::UnboundedSender<Stream>,
    request: Request<Incoming>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    let path = "/envoy.service.extension.v3.ExtensionConfigDiscoveryService/StreamExtensionConfigs";
    assert_eq!(request.uri().path(), path);
    let mut headers = request.headers().clone();
    let authority = request.uri().authority().unwrap().as_str();
    headers.insert("x-authority", authority.parse().unwrap());
    let mut grpc = Grpc::new(Messages(PhantomData)).max_decoding_message_size(usize::MAX);
    Ok(grpc.streaming(Open { opened, headers }, request).await)
}

struct Open {
    opened: mpsc::UnboundedSender<Stream>,
    headers: HeaderMap,
}

impl Service<tonic::Request<Streaming<DiscoveryRequest>>> for Open {
    type Response = Response<Responses>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<DiscoveryRequest>>) -> Self::Future {
        let (asked, requests) = mpsc::unbounded_channel();
        let (responses, answers) = mpsc::unbounded_channel();
        let mut messages = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(message)) = messages.message().await {
                if asked.send(message).is_err() {
                    return;
                }
            }
        });
        let stream = Stream {
            headers: self.headers.clone(),
            requests,
            responses,
        };
        let _ = self.opened.send(stream);
        ready(Ok(Response::new(Responses(answers))))
    }
}

struct Responses(mpsc::UnboundedReceiver<Result<DiscoveryResponse, Status>>);

impl tokio_stream::Stream for Responses {
    type Item = Result<DiscoveryResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

#[derive(Clone, Copy)]
struct Messages<T>(PhantomData<T>);

impl Codec for Messages<()> {
    type Encode = DiscoveryResponse;
    type Decode = DiscoveryRequest;
    type Encoder = Messages<DiscoveryResponse>;
    type Decoder = Messages<DiscoveryRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        Messages(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Messages(PhantomData)
    }
}

impl<T: Message + 'static> Encoder for Messages<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl<T: Message + Default + 'static> Decoder for Messages<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let message = T::decode(bytes);
        message
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
