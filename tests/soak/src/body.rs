//! Bodies that take their time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::pattern;

/// What a body is to be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) len: usize,
    /// Waited before each piece.
    pub(crate) pause: Duration,
    pub(crate) trailers: bool,
    /// Whether the length is said before.
    pub(crate) sized: bool,
    /// Whether it ends with an error.
    pub(crate) broken: bool,
}

/// A body of the pattern.
pub(crate) struct Paced {
    shape: Shape,
    sent: usize,
    waiting: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

/// Why a body broke off: it was told to.
#[derive(Debug)]
pub(crate) struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the body breaks off")
    }
}

impl std::error::Error for BrokenOff {}

pub(crate) fn trailers() -> HeaderMap {
    let fields = [("x-end", "1"), ("x-remove", "1"), ("x-replace", "1")];
    let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    fields.map(field).into_iter().collect()
}

impl Paced {
    pub(crate) fn new(shape: Shape) -> Self {
        Paced {
            shape,
            sent: 0,
            waiting: None,
            ended: false,
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.shape.pause.is_zero() {
            let pause = self.shape.pause;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        }
        if self.sent < self.shape.len {
            let piece = pattern::piece(self.sent, self.shape.len - self.sent);
            self.sent += piece.len();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        self.ended = true;
        Poll::Ready(if self.shape.broken {
            Some(Err(BrokenOff))
        } else if self.shape.trailers {
            Some(Ok(Frame::trailers(trailers())))
        } else {
            None
        })
    }

    fn is_end_stream(&self) -> bool {
        let Shape {
            len,
            trailers,
            broken,
            ..
        } = self.shape;
        self.ended || (self.sent == len && !trailers && !broken)
    }

    fn size_hint(&self) -> SizeHint {
        let Shape {
            len, sized, trailers, ..
        } = self.shape;
        if sized && !trailers {
            // One that breaks off is longer than what comes.
            SizeHint::with_exact((len - self.sent + usize::from(self.shape.broken)) as u64)
        } else {
            SizeHint::default()
        }
    }
}
