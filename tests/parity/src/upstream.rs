//! The upstream that the harness runs: it answers as the path says, and keeps what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::answer::body_line;
use crate::body::{Body, in_pieces, whole};
use crate::headers;

/// What was asked, in the order in which heads came. Shared by the tasks of one case, which is on one thread.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Asked>>>);

/// One request: its first line, and what came behind it.
type Asked = (String, Vec<String>);

impl Seen {
    fn with<T>(&self, with: impl FnOnce(&mut Vec<Asked>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All that was asked.
    pub(crate) fn lines(&self, sorted: bool) -> Vec<String> {
        let mut asked = self.with(|asked| asked.clone());
        if sorted {
            asked.sort();
        }
        asked
            .into_iter()
            .flat_map(|(first, rest)| std::iter::once(first).chain(rest))
            .collect()
    }
}

/// Starts the upstream for one version of HTTP, and gives its port.
///
/// By path: `/echo` gives the body back, with `x-echo: LENGTH`; `/status/CODE` has that status; `/delay/MS` waits;
/// `/pieces/N` is N pieces in frames of their own; `/trailers` has trailers; `/large/N` is N bytes; `/headers` has headers of
/// several kinds; `/never` does not answer. `/test.Echo/METHOD` is gRPC that gives the message back, or for `Fail` a status.
pub(crate) async fn start(http2: bool, seen: Seen) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let io = TokioIo::new(stream);
            let seen = seen.clone();
            let service = service_fn(move |request| answer(request, seen.clone()));
            // How connections end is the server's business.
            tokio::spawn(async move {
                let _ = if http2 {
                    http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, service)
                        .await
                } else {
                    http1::Builder::new().serve_connection(io, service).await
                };
            });
        }
    });
    Ok(port)
}

async fn answer(request: Request<Incoming>, seen: Seen) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let mut lines = Vec::new();
    if let Some(authority) = head.uri.authority() {
        lines.push(format!("authority {authority}"));
    }
    lines.extend(headers::lines("header", &head.headers));
    let path = head.uri.path().to_owned();
    let target = head
        .uri
        .path_and_query()
        .map_or(path.as_str(), |target| target.as_str());
    let first = format!("{} {target}", head.method);
    let index = seen.with(|asked| {
        asked.push((first, lines));
        asked.len() - 1
    });
    let add = |lines: Vec<String>| seen.with(|asked| asked[index].1.extend(lines));
    let bytes = match body.collect().await {
        Ok(body) => {
            let trailers = body
                .trailers()
                .map(|trailers| headers::lines("trailer", trailers));
            let bytes = body.to_bytes();
            if !bytes.is_empty() {
                add(vec![body_line(&bytes)]);
            }
            add(trailers.unwrap_or_default());
            bytes
        }
        Err(_) => {
            add(vec!["broken off".to_owned()]);
            Bytes::new()
        }
    };
    let (kind, argument) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let number: u64 = argument.parse().unwrap_or(0);
    let mut response = match kind {
        "echo" => {
            let mut response = Response::new(whole(bytes.clone()));
            response.headers_mut().insert("x-echo", bytes.len().into());
            response
        }
        "status" => {
            let mut response = text(format!("status {argument}"));
            *response.status_mut() = u16::try_from(number)
                .ok()
                .and_then(|number| StatusCode::from_u16(number).ok())
                .unwrap_or(StatusCode::BAD_REQUEST);
            response
        }
        "delay" => {
            sleep(Duration::from_millis(number.min(10_000))).await;
            text(format!("after {argument} ms"))
        }
        "absent" => {
            sleep(Duration::from_millis(number.min(10_000))).await;
            let mut response = text("status 404".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        "pieces" => {
            let pieces = (1..=number.min(100)).map(|piece| Bytes::from(format!("piece {piece};")));
            Response::new(in_pieces(pieces.collect(), Duration::from_millis(60), None))
        }
        "trailers" => Response::new(in_pieces(
            vec!["with trailers".into()],
            Duration::ZERO,
            Some(map(&[("x-trailer-a", "1"), ("x-trailer-b", "2")])),
        )),
        "large" => Response::new(whole(vec![b'x'; number.min(1 << 24) as usize].into())),
        "headers" => {
            let mut response = text("with headers".to_owned());
            response.headers_mut().extend(map(&[
                ("x-one", "1"),
                ("x-two", "first"),
                ("x-two", "second"),
                ("x-empty", ""),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
            ]));
            response
        }
        "never" => std::future::pending().await,
        "test.Echo" => grpc(argument, bytes),
        _ => text(format!("upstream {path}")),
    };
    response
        .headers_mut()
        .entry("x-upstream")
        .or_insert(http::HeaderValue::from_static("yes"));
    Ok(response)
}

fn text(text: String) -> Response<Body> {
    Response::new(whole(text.into()))
}

fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn grpc(method: &str, message: Bytes) -> Response<Body> {
    let (message, trailers) = match method {
        "Fail" => (
            Bytes::new(),
            map(&[("grpc-status", "7"), ("grpc-message", "not allowed")]),
        ),
        _ => (message, map(&[("grpc-status", "0")])),
    };
    let mut response = Response::new(in_pieces(vec![message], Duration::ZERO, Some(trailers)));
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/grpc"));
    response
}
