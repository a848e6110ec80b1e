//! Upstreams: hyper servers of this process, in either version of HTTP.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::body::{BrokenOff, Paced, Shape};
use crate::random::Random;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type ReplyBody = BoxBody<Bytes, BoxError>;

/// What the upstreams have seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) requests: AtomicU64,
    /// Requests of which the response is not at its end.
    pub(crate) active: AtomicU64,
    pub(crate) connections: AtomicU64,
}

/// A request on its way.
struct Active(Arc<Seen>);

impl Active {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.requests.fetch_add(1, Relaxed);
        seen.active.fetch_add(1, Relaxed);
        Active(seen.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

/// Starts an upstream and gives its port.
///
/// By path: `/echo` gives body and trailers back as they come; `/flood?N` sends N bytes, `/drip?N` slowly; `/delay?MS`
/// waits; `/status?CODE` has that status; `/early` does not look at the body; `/drop` ends the connection, or the
/// stream, without a response, `/reset?N` after N bytes. `/mixed` does one of these, `/late` waits for up to 200 ms. What
/// varies does so by `seed`.
pub(crate) async fn start(http2: bool, seed: u64, seen: Arc<Seen>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let io = TokioIo::new(stream);
            let all = seen.clone();
            let service = service_fn(move |request| answer(request, seed, all.clone()));
            let seen = seen.clone();
            tokio::spawn(async move {
                seen.connections.fetch_add(1, Relaxed);
                // How connections end is the load's business.
                let _ = if http2 {
                    http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, service)
                        .await
                } else {
                    http1::Builder::new().serve_connection(io, service).await
                };
                seen.connections.fetch_sub(1, Relaxed);
            });
        }
    });
    Ok(port)
}

async fn answer(
    request: Request<Incoming>,
    seed: u64,
    seen: Arc<Seen>,
) -> Result<Response<ReplyBody>, BrokenOff> {
    let active = Active::new(&seen);
    let number = request
        .uri()
        .query()
        .and_then(|query| query.parse().ok())
        .unwrap_or(0);
    let mut random = Random::new(seed, seen.requests.load(Relaxed));
    let paced = |shape| Response::new(Paced::new(shape).map_err(BoxError::from).boxed());
    let sized = |len| Shape {
        len,
        sized: true,
        ..Shape::default()
    };
    let version = request.version();
    let path = request.uri().path().to_owned();
    let path = match path.as_str() {
        "/mixed" => random.one_of([
            "/delay", "/delay", "/delay", "/delay", "/delay", "/delay", "/delay", "/flood", "/failed",
            "/drop", "/reset",
        ]),
        path => path,
    };
    // One that answers before it has read everything may lose its answer with the connection: `/early` does.
    let mut body = Some(request.into_body());
    if !matches!(path, "/echo" | "/early" | "/drop")
        && let Some(mut body) = body.take()
    {
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| BrokenOff)?;
        }
    }
    let mut response = match path {
        "/echo" => match body.take() {
            Some(body) => Response::new(body.map_err(BoxError::from).boxed()),
            None => text("echo"),
        },
        "/flood" => paced(sized(number)),
        "/drip" => paced(Shape {
            pause: Duration::from_millis(5),
            ..sized(number)
        }),
        "/reset" => paced(Shape {
            broken: true,
            ..sized(number)
        }),
        "/delay" => {
            sleep(Duration::from_millis(number as u64)).await;
            text("answered")
        }
        "/late" => {
            sleep(random.millis(200)).await;
            text("answered")
        }
        "/drop" => return Err(BrokenOff),
        "/early" => {
            let mut response = text("early");
            if version < Version::HTTP_2 {
                // hyper is about to close the connection, and a request on its way there would be lost.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert("connection", close);
            }
            response
        }
        "/status" | "/failed" => {
            let mut response = text("status");
            let code = u16::try_from(number).ok();
            let code = code.and_then(|code| StatusCode::from_u16(code).ok());
            *response.status_mut() = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response
        }
        _ => text("answered"),
    };
    let headers = response.headers_mut();
    headers.insert("x-upstream", HeaderValue::from_static("yes"));
    Ok(response.map(|body| {
        Counted {
            body,
            _active: active,
        }
        .boxed()
    }))
}

fn text(text: &'static str) -> Response<ReplyBody> {
    Response::new(Full::from(text).map_err(|never| match never {}).boxed())
}

/// A body that is counted until it is dropped.
struct Counted {
    body: ReplyBody,
    _active: Active,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
