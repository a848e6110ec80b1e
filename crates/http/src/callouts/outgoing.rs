//! Bodies of requests.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use enginebay::host::CalloutError;
use http_body::Frame;
use tokio::sync::mpsc;

use super::messages;
use crate::BoxError;

/// All of a body, with trailers.
pub(super) struct Whole {
    data: Option<Bytes>,
    trailers: Option<http::HeaderMap>,
}

impl Whole {
    pub(super) fn new(data: Bytes, trailers: http::HeaderMap) -> Self {
        Whole {
            data: Some(data).filter(|data| !data.is_empty()),
            trailers: Some(trailers),
        }
    }
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.take() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }
}

/// The sending end of a gRPC stream.
pub(crate) struct Outgoing {
    messages: mpsc::UnboundedSender<Item>,
    /// What waits to be sent, see [`cost`].
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

/// What a waiting message counts for: more than its bytes, so that many small ones have a bound too.
fn cost(framed: &Bytes) -> usize {
    framed.len() + 64
}

enum Item {
    Message(Bytes),
    End,
}

/// A stream of messages, of which at most `limit` bytes wait to be sent, where each message counts for some more than it
/// has.
pub(super) fn stream(limit: usize) -> (Outgoing, Messages) {
    let (messages, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let outgoing = Outgoing {
        messages,
        waiting: waiting.clone(),
        limit,
    };
    let body = Messages {
        messages: receiver,
        waiting,
        ended: false,
    };
    (outgoing, body)
}

impl Outgoing {
    pub(crate) fn send(&self, message: &Bytes, end: bool) -> Result<(), CalloutError> {
        let framed = messages::frame(message).ok_or(CalloutError::Failed)?;
        // Only this thread adds to it.
        if self.waiting.load(Relaxed).saturating_add(cost(&framed)) > self.limit {
            return Err(CalloutError::Failed);
        }
        self.waiting.fetch_add(cost(&framed), Relaxed);
        // Nobody takes it any more where the stream is over.
        let _ = self.messages.send(Item::Message(framed));
        if end {
            self.end();
        }
        Ok(())
    }

    pub(super) fn end(&self) {
        let _ = self.messages.send(Item::End);
    }
}

/// The messages of a gRPC stream, as a body.
pub(super) struct Messages {
    messages: mpsc::UnboundedReceiver<Item>,
    waiting: Arc<AtomicUsize>,
    ended: bool,
}

impl http_body::Body for Messages {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.messages.poll_recv(task)) {
            Some(Item::Message(message)) => {
                self.waiting.fetch_sub(cost(&message), Relaxed);
                Poll::Ready(Some(Ok(Frame::data(message))))
            }
            Some(Item::End) => {
                self.ended = true;
                Poll::Ready(None)
            }
            // What was broken off must not look as if it was all there.
            None => Poll::Ready(Some(Err("the stream was cancelled".into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
