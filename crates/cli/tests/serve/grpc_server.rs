//! A gRPC server: tonic, with messages as bytes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::Grpc;
use tonic::{Response, Status, Streaming};
use tower_service::Service;

/// What a server has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Calls that came.
    pub(crate) calls: AtomicUsize,
    /// Streams whose client went away before their end.
    pub(crate) broken: AtomicUsize,
}

/// Starts a server and gives its port. `test.Echo/Unary` gives the message back, `/Stream` each message and then how many
/// there were; `/Refuse` refuses, `/Never` does not answer.
pub(crate) async fn start() -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let all = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = all.clone();
            let service = service_fn(move |request| answer(seen.clone(), request));
            let io = TokioIo::new(stream);
            tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
        }
    });
    (port, seen)
}

async fn answer(
    seen: Arc<Seen>,
    request: Request<Incoming>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    seen.calls.fetch_add(1, Relaxed);
    assert_eq!(request.headers()["x-from"], "grpc_callout");
    let mut grpc = Grpc::new(BytesCodec);
    Ok(match request.uri().path() {
        "/test.Echo/Stream" => grpc.streaming(Stream(seen), request).await,
        path => grpc.unary(Unary(path.to_owned()), request).await,
    })
}

type Future<T> = Pin<Box<dyn std::future::Future<Output = Result<Response<T>, Status>> + Send>>;

struct Unary(String);

impl Service<tonic::Request<Bytes>> for Unary {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Future<Bytes>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move {
            match path.as_str() {
                "/test.Echo/Unary" => Ok(Response::new(request.into_inner())),
                "/test.Echo/Refuse" => Err(Status::permission_denied("not for you")),
                "/test.Echo/Never" => {
                    tokio::time::sleep(Duration::from_secs(600)).await;
                    Err(Status::internal("too late"))
                }
                _ => Err(Status::unimplemented("no such method")),
            }
        })
    }
}

struct Stream(Arc<Seen>);

impl Service<tonic::Request<Streaming<Bytes>>> for Stream {
    type Response = Response<Answers>;
    type Error = Status;
    type Future = Future<Answers>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let mut messages = request.into_inner();
        let seen = self.0.clone();
        let (sender, answers) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut count = 0u32;
            loop {
                match messages.message().await {
                    Ok(Some(message)) => {
                        count += 1;
                        let _ = sender.send(Ok(message)).await;
                    }
                    Ok(None) => {
                        let _ = sender.send(Ok(Bytes::from(count.to_string()))).await;
                        return;
                    }
                    Err(_) => {
                        seen.broken.fetch_add(1, Relaxed);
                        return;
                    }
                }
            }
        });
        Box::pin(async move {
            let mut response = Response::new(Answers(answers));
            response.metadata_mut().insert("x-to", "plugin".parse().unwrap());
            Ok(response)
        })
    }
}

struct Answers(mpsc::Receiver<Result<Bytes, Status>>);

impl tokio_stream::Stream for Answers {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Messages that are bytes.
#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        BytesCodec
    }

    fn decoder(&mut self) -> Self {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(len)))
    }
}
