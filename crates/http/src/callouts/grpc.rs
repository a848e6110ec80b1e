//! gRPC calls and streams, over what sends HTTP requests.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use enginebay::HeaderMap;
use enginebay::abi::GrpcStatus;
use enginebay::host::{CalloutError, GrpcTarget};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, TE};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::http_call::{self, from_http, text};
use super::messages::{self, Decoder};
use super::outgoing::Messages;
use super::upstreams::{LocalBoxBody, UpstreamFuture, Upstreams};
use crate::{Body, BoxError, fields};

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Bytes of a response that is not gRPC that are taken for its message.
const MAX_TEXT: usize = 1 << 10;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Status {
    fn new(code: GrpcStatus, message: impl Into<String>) -> Self {
        Status {
            code: code.as_u32(),
            message: message.into(),
        }
    }

    /// What `grpc-status` and `grpc-message` say, if they are there.
    fn read(headers: &http::HeaderMap) -> Option<Self> {
        let code = headers.get(&GRPC_STATUS)?;
        let code = code.to_str().ok().and_then(|code| code.parse().ok());
        let message = headers.get(&GRPC_MESSAGE).map(HeaderValue::as_bytes);
        Some(Status {
            code: code.unwrap_or(GrpcStatus::Unknown.as_u32()),
            message: percent_decode(message.unwrap_or_default()),
        })
    }
}

/// Starts a call with one message each way. The future gives the answer, or how else the call ended.
pub(super) fn call(
    upstreams: &dyn Upstreams,
    target: GrpcTarget,
    message: &[u8],
    limit: usize,
) -> Result<impl Future<Output = Result<Bytes, Status>> + use<>, CalloutError> {
    let body = Body::from(messages::frame(message).ok_or(CalloutError::Failed)?);
    let mut events = start(upstreams, target, body, limit)?;
    Ok(async move {
        let mut answer = None;
        loop {
            match events.next().await {
                Event::InitialMetadata(_) | Event::TrailingMetadata(_) => {}
                Event::Message(message) => answer = Some(message),
                Event::Close(status) if status.code == 0 => {
                    return answer.ok_or_else(|| Status::new(GrpcStatus::Internal, ""));
                }
                Event::Close(status) => return Err(status),
            }
        }
    })
}

/// Opens a stream.
pub(super) fn stream(
    upstreams: &dyn Upstreams,
    target: GrpcTarget,
    body: Messages,
    limit: usize,
) -> Result<Events, CalloutError> {
    start(upstreams, target, Body::new(body), limit)
}

/// What Envoy says when it took too long.
fn timed_out() -> Status {
    Status::new(GrpcStatus::Unavailable, "upstream request timeout")
}

fn start(
    upstreams: &dyn Upstreams,
    target: GrpcTarget,
    body: Body,
    limit: usize,
) -> Result<Events, CalloutError> {
    let request = request(&target, body)?;
    let deadline = target
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    let sending = upstreams
        .send(&target.upstream, request)
        .ok_or(CalloutError::UnknownUpstream)?;
    Ok(Events {
        stage: Stage::Sending(sending),
        next: VecDeque::new(),
        deadline,
        decoder: Decoder::new(limit),
    })
}

fn request(target: &GrpcTarget, body: Body) -> Result<Request<Body>, CalloutError> {
    // As Envoy: the name of the cluster, if nothing else was said.
    let authority = target.authority.as_deref().unwrap_or(&target.upstream);
    let path = format!("/{}/{}", target.service, target.method);
    let mut request = http_call::request(
        Method::POST,
        Scheme::HTTP,
        authority.as_bytes(),
        path.as_bytes(),
        &target.initial_metadata,
        body,
    )?;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if let Some(timeout) = target.timeout.and_then(grpc_timeout) {
        headers.insert(&GRPC_TIMEOUT, timeout);
    }
    Ok(request)
}

/// At most eight digits and a unit.
fn grpc_timeout(timeout: Duration) -> Option<HeaderValue> {
    const MAX: u128 = 99_999_999;
    let milliseconds = timeout.as_millis();
    let text = match milliseconds <= MAX {
        true => format!("{milliseconds}m"),
        false => format!("{}S", (milliseconds / 1000).min(MAX)),
    };
    HeaderValue::try_from(text).ok()
}

/// What a server sends, in order. [`Event::Close`] is the last.
pub(crate) struct Events {
    stage: Stage,
    /// What is to be told before anything more is read.
    next: VecDeque<Event>,
    deadline: Option<Instant>,
    decoder: Decoder,
}

enum Stage {
    Sending(UpstreamFuture),
    Receiving(LocalBoxBody),
    Over,
}

#[derive(Debug)]
pub(crate) enum Event {
    InitialMetadata(HeaderMap),
    Message(Bytes),
    TrailingMetadata(HeaderMap),
    Close(Status),
}

impl Events {
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.next.pop_front() {
                return event;
            }
            let in_time = match self.deadline {
                Some(deadline) => timeout_at(deadline, self.advance()).await.is_ok(),
                None => {
                    self.advance().await;
                    true
                }
            };
            if !in_time {
                self.close(timed_out());
            }
        }
    }

    fn close(&mut self, status: Status) {
        self.stage = Stage::Over;
        self.next.push_back(Event::Close(status));
    }

    /// Waits for the next thing to come.
    async fn advance(&mut self) {
        match &mut self.stage {
            Stage::Sending(sending) => match Pin::new(sending).await {
                Ok(response) => self.head(response).await,
                Err(error) => self.close(unavailable(&error)),
            },
            Stage::Receiving(body) => match body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.data(&data),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.trailers(&trailers);
                        }
                    }
                },
                Some(Err(error)) => self.close(unavailable(&error)),
                None => {
                    let status = match self.decoder.has_rest() {
                        true => Status::new(GrpcStatus::Internal, "the stream ended within a message"),
                        false => Status::new(GrpcStatus::Unknown, ""),
                    };
                    self.close(status);
                }
            },
            // Nothing is asked for after the end, and it would get the end again.
            Stage::Over => self.close(Status::new(GrpcStatus::Unknown, "")),
        }
    }

    async fn head(&mut self, response: Response<LocalBoxBody>) {
        let status = response.status();
        let headers = response.headers();
        if let Some(end) = Status::read(headers) {
            // Headers that are trailers at once.
            let mut metadata = HeaderMap::new();
            fields::add_all(&mut metadata, headers, None);
            self.next.push_back(Event::TrailingMetadata(metadata));
            self.close(end);
        } else if status == StatusCode::OK {
            self.next
                .push_back(Event::InitialMetadata(from_http(status, headers)));
            self.stage = Stage::Receiving(response.into_body());
        } else {
            let message = text(response, MAX_TEXT).await;
            self.close(Status::new(
                GrpcStatus::from_http(status.as_u16().into()),
                message,
            ));
        }
    }

    fn data(&mut self, data: &[u8]) {
        self.decoder.push(data);
        loop {
            match self.decoder.next() {
                Ok(Some(message)) => self.next.push_back(Event::Message(message)),
                Ok(None) => return,
                Err(error) => return self.close(Status::new(GrpcStatus::Internal, error.to_string())),
            }
        }
    }

    fn trailers(&mut self, trailers: &http::HeaderMap) {
        let status = Status::read(trailers).unwrap_or_else(|| Status::new(GrpcStatus::Unknown, ""));
        let mut metadata = HeaderMap::new();
        fields::add_all(&mut metadata, trailers, None);
        self.next.push_back(Event::TrailingMetadata(metadata));
        self.close(status);
    }
}

fn unavailable(error: &BoxError) -> Status {
    Status::new(GrpcStatus::Unavailable, error.to_string())
}

/// `%XX` as bytes; what is no such thing stays.
fn percent_decode(message: &[u8]) -> String {
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let escaped = || u8::try_from(digit(0)? << 4 | digit(1)?).ok();
        match (*first == b'%').then(escaped).flatten() {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_statuses_are_decoded() {
        assert_eq!(
            percent_decode(b"50%25 %C3%A9 %zz %+1 %2"),
            "50% \u{e9} %zz %+1 %2"
        );
    }

    #[test]
    fn timeouts_fit_into_eight_digits() {
        let text = |timeout| grpc_timeout(timeout).unwrap().to_str().unwrap().to_owned();
        assert_eq!(text(Duration::from_millis(250)), "250m");
        assert_eq!(text(Duration::from_secs(100_000)), "100000S");
    }
}
