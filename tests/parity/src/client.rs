//! The client: one connection for each request.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::body_line;
use crate::body::{Body, in_pieces, whole};
use crate::case::Step;
use crate::headers;

/// Only a server that hangs takes that long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends the request and gives the lines of the answer.
///
/// # Errors
///
/// The case has a request that is none, or there is no connection.
pub(crate) async fn send(address: SocketAddr, line: &str, step: &Step) -> Result<Vec<String>> {
    let request = request(line, step)?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let io = TokioIo::new(stream);
    // Dropped at the end, and with it the connection.
    let mut driver = JoinSet::new();
    if step.http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        driver.spawn(async { drop(connection.await) });
        Ok(outcome(sender.send_request(request), step.leave).await)
    } else {
        let (mut sender, connection) = http1::handshake(io).await?;
        driver.spawn(async { drop(connection.await) });
        Ok(outcome(sender.send_request(request), step.leave).await)
    }
}

/// The body of an answer with status 200.
///
/// # Errors
///
/// There is no such answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let io = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = http1::handshake(io).await?;
    let mut driver = JoinSet::new();
    driver.spawn(async { drop(connection.await) });
    let request = Request::get(path)
        .header("host", "admin")
        .body(whole(Bytes::new()))?;
    let response = timeout(PATIENCE, sender.send_request(request)).await??;
    ensure!(response.status() == 200, "{path}: {}", response.status());
    let body = timeout(PATIENCE, response.into_body().collect()).await??;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

fn request(line: &str, step: &Step) -> Result<Request<Body>> {
    let (method, path) = line.split_once(' ').context("a request is METHOD PATH")?;
    let path = match step.http2 {
        true => format!("http://parity.example{path}"),
        false => path.to_owned(),
    };
    let mut request = Request::builder().method(method).uri(path);
    if let Some(fields) = request.headers_mut() {
        if !step.http2 {
            fields.insert("host", http::HeaderValue::from_static("parity.example"));
        }
        // One of the same name takes the place of ours.
        let own = headers::parsed(&step.headers);
        for name in own.keys() {
            fields.remove(name);
        }
        for (name, value) in &own {
            fields.append(name, value.clone());
        }
    }
    let pieces: Vec<Bytes> = step
        .body
        .iter()
        .map(|piece| piece.repeat(step.times).into())
        .collect();
    let trailers = (!step.trailers.is_empty()).then(|| headers::parsed(&step.trailers));
    let body = match pieces.as_slice() {
        [] if trailers.is_none() => whole(Bytes::new()),
        [one] if trailers.is_none() => whole(one.clone()),
        _ => in_pieces(pieces, Duration::from_millis(step.pause_ms), trailers),
    };
    Ok(request.body(body)?)
}

/// What came, as far as it came.
async fn outcome(sent: impl Future<Output = hyper::Result<Response<Incoming>>>, leave: bool) -> Vec<String> {
    let limit = if leave {
        Duration::from_millis(200)
    } else {
        PATIENCE
    };
    let response = match timeout(limit, sent).await {
        Err(_) if leave => return vec!["left".to_owned()],
        Err(_) => return vec!["no answer".to_owned()],
        Ok(Err(_)) => return vec!["cut off".to_owned()],
        Ok(Ok(response)) => response,
    };
    let (head, mut body) = response.into_parts();
    let mut lines = vec![format!("status {}", head.status.as_u16())];
    lines.extend(headers::lines("header", &head.headers));
    let mut bytes = Vec::new();
    let mut trailers = Vec::new();
    let end = loop {
        match timeout(limit, body.frame()).await {
            Err(_) => break Some("no end"),
            Ok(None) => break None,
            Ok(Some(Err(_))) => break Some("cut off"),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => {
                    trailers.extend(
                        frame
                            .trailers_ref()
                            .into_iter()
                            .flat_map(|map| headers::lines("trailer", map)),
                    );
                }
            },
        }
    };
    if !bytes.is_empty() {
        lines.push(body_line(&bytes));
    }
    lines.extend(trailers);
    lines.extend(end.map(str::to_owned));
    lines
}
