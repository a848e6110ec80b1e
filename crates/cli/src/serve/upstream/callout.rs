//! Requests that do not come from a client: what plugins send themselves.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use enginebay_http::BoxError;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The body of a request that a plugin sends.
pub(in crate::serve) enum CalloutBody {
    /// All of it is there.
    Whole {
        data: Bytes,
        trailers: Option<HeaderMap>,
    },
    /// It comes piece by piece, from a [`CalloutSender`].
    Stream(Rc<RefCell<Channel>>),
}

/// The pieces on their way.
#[derive(Default)]
pub(in crate::serve) struct Channel {
    frames: VecDeque<Frame<Bytes>>,
    /// What `frames` cost, see [`cost`].
    waiting: usize,
    limit: usize,
    end: End,
    /// Nobody reads any more: the request is over.
    gone: bool,
    reader: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Finished,
    /// The sender is gone without having finished.
    Broken,
}

/// What a waiting piece counts for: more than its bytes, so that many small ones have a bound too.
fn cost(data: &Bytes) -> usize {
    data.len().saturating_add(size_of::<Frame<Bytes>>())
}

/// Why a piece was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Refused {
    /// More bytes than the limit would wait to be sent.
    Full,
    /// The request is over.
    Gone,
}

/// Sends a body piece by piece. Dropped before [`finish`](CalloutSender::finish), it ends the request with an error: the
/// connection is closed in HTTP/1.1, the stream is reset in HTTP/2.
#[cfg_attr(not(test), allow(dead_code, reason = "for gRPC callouts"))]
pub(in crate::serve) struct CalloutSender(Rc<RefCell<Channel>>);

#[cfg_attr(not(test), allow(dead_code, reason = "for callouts"))]
impl CalloutBody {
    /// A body that is there, with the trailers after it.
    pub(in crate::serve) fn whole(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        CalloutBody::Whole { data, trailers }
    }

    /// A body that comes piece by piece. At most `limit` bytes wait to be sent, where each piece counts for some more
    /// than it has.
    pub(in crate::serve) fn stream(limit: usize) -> (CalloutSender, Self) {
        let channel = Rc::new(RefCell::new(Channel {
            limit,
            ..Channel::default()
        }));
        (CalloutSender(channel.clone()), CalloutBody::Stream(channel))
    }
}

#[cfg_attr(not(test), allow(dead_code, reason = "for gRPC callouts"))]
impl CalloutSender {
    /// Sends a piece.
    ///
    /// # Errors
    /// When too much is waiting, or nobody reads any more; the piece is dropped then.
    pub(in crate::serve) fn send(&self, data: Bytes) -> Result<(), Refused> {
        let mut channel = self.0.borrow_mut();
        if channel.gone || channel.end != End::Open {
            return Err(Refused::Gone);
        }
        let waiting = channel.waiting.saturating_add(cost(&data));
        if waiting > channel.limit {
            return Err(Refused::Full);
        }
        // Nothing to send, and a frame that no bound counts.
        if data.is_empty() {
            return Ok(());
        }
        channel.waiting = waiting;
        channel.push(Frame::data(data));
        Ok(())
    }

    /// Ends the body. Pieces sent before still go out.
    pub(in crate::serve) fn finish(self, trailers: Option<HeaderMap>) {
        let mut channel = self.0.borrow_mut();
        if let Some(trailers) = trailers {
            channel.push(Frame::trailers(trailers));
        }
        channel.end = End::Finished;
        channel.wake();
    }
}

impl Drop for CalloutSender {
    fn drop(&mut self) {
        let mut channel = self.0.borrow_mut();
        if channel.end == End::Open {
            channel.end = End::Broken;
            channel.wake();
        }
    }
}

impl Channel {
    fn push(&mut self, frame: Frame<Bytes>) {
        self.frames.push_back(frame);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.end == End::Broken {
            return Poll::Ready(Some(Err("the request was cancelled".into())));
        }
        if let Some(frame) = self.frames.pop_front() {
            self.waiting -= frame.data_ref().map_or(0, cost);
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.end == End::Finished {
            return Poll::Ready(None);
        }
        self.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Body for CalloutBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            CalloutBody::Whole { data, trailers } => {
                let frame = if data.is_empty() {
                    trailers.take().map(Frame::trailers)
                } else {
                    Some(Frame::data(std::mem::take(data)))
                };
                Poll::Ready(frame.map(Ok))
            }
            CalloutBody::Stream(channel) => channel.borrow_mut().poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            CalloutBody::Whole { data, trailers } => data.is_empty() && trailers.is_none(),
            CalloutBody::Stream(channel) => {
                let channel = channel.borrow();
                channel.end == End::Finished && channel.frames.is_empty()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // A length would leave no room for trailers in HTTP/1.1.
            CalloutBody::Whole { data, trailers: None } => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for CalloutBody {
    fn drop(&mut self) {
        if let CalloutBody::Stream(channel) = self {
            let mut channel = channel.borrow_mut();
            channel.gone = true;
            channel.frames.clear();
            channel.waiting = 0;
        }
    }
}
