//! Upstreams: hyper servers in the test's process.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

type ReplyBody = BoxBody<Bytes, hyper::Error>;

/// Starts an upstream called `name` and gives its port. By path: `/echo` gives the request's body and trailers
/// back as they come, `/flood?N` sends N bytes, `/slow` waits for two seconds; others describe the request.
pub(crate) async fn start(name: &'static str, version: Version) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let io = TokioIo::new(stream);
            let service = service_fn(move |request| answer(name, request));
            if version == Version::HTTP_2 {
                tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
            } else {
                tokio::spawn(http1::Builder::new().serve_connection(io, service));
            }
        }
    });
    port
}

/// What a server of [`start_tls`] knows of a handshake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handshake {
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Option<String>,
    /// Whether the client showed a certificate.
    pub(crate) certificate: bool,
}

/// [`start`] behind TLS; also the handshakes that succeeded. What speaks HTTP/2 is told by ALPN.
pub(crate) async fn start_tls(name: &'static str, tls: ServerConfig) -> (u16, Arc<Mutex<Vec<Handshake>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let handshakes = Arc::new(Mutex::new(Vec::new()));
    let seen = handshakes.clone();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let (_, connection) = stream.get_ref();
            let alpn = connection.alpn_protocol();
            let http2 = alpn == Some(b"h2");
            seen.lock().unwrap().push(Handshake {
                sni: connection.server_name().map(str::to_owned),
                alpn: alpn.map(|name| String::from_utf8(name.to_vec()).unwrap()),
                certificate: connection.peer_certificates().is_some(),
            });
            let io = TokioIo::new(stream);
            let service = service_fn(move |request| answer(name, request));
            if http2 {
                tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
            } else {
                tokio::spawn(http1::Builder::new().serve_connection(io, service));
            }
        }
    });
    (port, handshakes)
}

async fn answer(name: &'static str, request: Request<Incoming>) -> Result<Response<ReplyBody>, Infallible> {
    let path = request.uri().path().to_owned();
    let mut response = match path.as_str() {
        "/echo" => Response::new(request.into_body().boxed()),
        "/flood" => {
            let size = request.uri().query().unwrap().parse().unwrap();
            Response::new(Flood { left: size }.boxed())
        }
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Response::new(whole("slow"))
        }
        "/trailers" => Response::new(with_trailers(request).await),
        _ => {
            let description = describe(&request);
            Response::new(whole(description))
        }
    };
    response
        .headers_mut()
        .insert("x-upstream", HeaderValue::from_static(name));
    Ok(response)
}

fn whole(text: impl Into<Bytes>) -> ReplyBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// The request's line and headers, sorted.
fn describe(request: &Request<Incoming>) -> String {
    let mut lines: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    lines.sort();
    format!("{} {}\n{}", request.method(), request.uri(), lines.concat())
}

/// Sends `data` and the request's trailers, with two more.
async fn with_trailers(request: Request<Incoming>) -> ReplyBody {
    let trailers = request.into_body().collect().await.unwrap().trailers().cloned();
    let (sender, receiver) = mpsc::channel(2);
    sender
        .send(Frame::data(Bytes::from_static(b"data")))
        .await
        .unwrap();
    let mut all: HeaderMap = trailers.unwrap_or_default();
    all.insert("x-own", HeaderValue::from_static("1"));
    all.append("x-remove", HeaderValue::from_static("upstream"));
    sender.send(Frame::trailers(all)).await.unwrap();
    Frames(receiver).boxed()
}

/// Frames that a channel brings.
struct Frames(mpsc::Receiver<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

/// So many bytes, in pieces of 16 KiB.
struct Flood {
    left: usize,
}

impl Body for Flood {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        static PIECE: [u8; 16 << 10] = [b'x'; 16 << 10];
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = self.left.min(PIECE.len());
        self.left -= size;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&PIECE[..size])))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
