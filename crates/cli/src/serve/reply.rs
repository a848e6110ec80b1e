//! Responses that the server makes itself, with Envoy's texts, and the body type of all responses before the
//! filters.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use enginebay_http::BoxError;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::attributes::Exchange;
use super::upstream::UpstreamBody;

/// A body on its way to the filters.
pub(super) enum ReplyBody {
    /// All of it, or nothing.
    Whole(Bytes),
    Upstream(UpstreamBody),
    /// Of an upstream too, where somebody wants to know when it is over.
    Noted(Box<Noted>),
}

/// A body, and who wants to know.
pub(super) struct Noted {
    body: UpstreamBody,
    exchange: Rc<Exchange>,
}

impl ReplyBody {
    /// Notes that the response's head came, and when its body is over.
    pub(super) fn noted(self, exchange: Option<Rc<Exchange>>) -> Self {
        let Some(exchange) = exchange else { return self };
        exchange.answered();
        if self.is_end_stream() {
            exchange.ended();
        }
        match self {
            ReplyBody::Upstream(body) => ReplyBody::Noted(Box::new(Noted { body, exchange })),
            other => other,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            ReplyBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            ReplyBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            ReplyBody::Upstream(body) => Pin::new(body).poll_frame(context),
            ReplyBody::Noted(noted) => {
                let Noted { body, exchange } = &mut **noted;
                let polled = Pin::new(&mut *body).poll_frame(context);
                if matches!(polled, Poll::Ready(None)) || (polled.is_ready() && body.is_end_stream()) {
                    exchange.ended();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ReplyBody::Whole(bytes) => bytes.is_empty(),
            ReplyBody::Upstream(body) => body.is_end_stream(),
            ReplyBody::Noted(noted) => noted.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ReplyBody::Upstream(body) => body.size_hint(),
            ReplyBody::Noted(noted) => noted.body.size_hint(),
        }
    }
}

/// A response with a text, or without one if it is empty. `head` leaves the body out but not its length.
pub(super) fn text(status: StatusCode, body: Bytes, length: HeaderValue, head: bool) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(Bytes::new()));
    *response.status_mut() = status;
    if !body.is_empty() {
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if !head {
            *response.body_mut() = ReplyBody::Whole(body);
        }
    }
    response
}

/// [`text`] with one of the server's own texts.
pub(super) fn fixed(status: StatusCode, body: &'static str, head: bool) -> Response<ReplyBody> {
    text(
        status,
        Bytes::from_static(body.as_bytes()),
        HeaderValue::from(body.len()),
        head,
    )
}
