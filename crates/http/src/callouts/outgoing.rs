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
pub(super) struct Outgoing {
    messages: mpsc::UnboundedSender<Item>,
    /// Bytes that wait to be sent.
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

enum Item {
    Message(Bytes),
    End,
}

/// A stream of messages, of which at most `limit` bytes wait to be sent.
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
    pub(super) fn send(&self, message: &Bytes, end: bool) -> Result<(), CalloutError> {
        let framed = messages::frame(message).ok_or(CalloutError::Failed)?;
        // Only this thread adds to it.
        if self.waiting.load(Relaxed).saturating_add(framed.len()) > self.limit {
            return Err(CalloutError::Failed);
        }
        self.waiting.fetch_add(framed.len(), Relaxed);
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
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.messages.poll_recv(task)) {
            Some(Item::Message(message)) => {
                self.waiting.fetch_sub(message.len(), Relaxed);
                Poll::Ready(Some(Ok(Frame::data(message))))
            }
            Some(Item::End) | None => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
