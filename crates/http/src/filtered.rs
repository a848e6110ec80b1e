//! Bodies on their way through plugins.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};

use crate::context::{EndGuard, StreamCx};
use crate::lane::{Lane, LaneError};
use crate::source::Source;
use crate::state::Dir;
use crate::{Attributes, BoxError};

/// Why a body ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    /// The stream is over or answered otherwise.
    #[error("the stream was ended by a plugin, or is over")]
    Stopped,
    /// Nothing else keeps the message intact.
    #[error("a plugin changed the body's length and left content-length as it was")]
    Length,
    /// The sending side is gone.
    #[error("the worker of this stream is gone")]
    Gone,
}

/// A body on its way through the plugins of a stream.
pub(crate) struct Filtered<B> {
    dir: Dir,
    lane: Lane<B>,
    cx: StreamCx,
    /// On the response: the stream is over when its body is.
    guard: Option<EndGuard>,
    /// What `content-length` says, and how much of it went out.
    declared: Option<u64>,
    sent: u64,
    /// The body ended with this error, or will.
    failed: Option<BoxError>,
    done: bool,
}

impl<B> Filtered<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// A body that starts on its way. In a box: it is large, and moved several times.
    #[inline]
    pub(crate) fn new(dir: Dir, source: Source<B>, cx: StreamCx) -> Box<Self> {
        Box::write(
            Box::new_uninit(),
            Filtered {
                dir,
                lane: Lane::new(dir, source),
                cx,
                guard: None,
                declared: None,
                sent: 0,
                failed: None,
                done: false,
            },
        )
    }

    pub(crate) fn lane(&mut self) -> &mut Lane<B> {
        &mut self.lane
    }

    pub(crate) fn wants_attributes(&self) -> bool {
        self.cx.chain.asks_properties
    }

    pub(crate) fn set_attributes(&self, attributes: Rc<dyn Attributes>) {
        self.cx.stream.state().noted = Some(attributes);
    }

    /// Has the head announce no length that a plugin changed, and remembers what it announces.
    pub(crate) fn declare(&mut self, headers: &mut http::HeaderMap) {
        if self.lane.resized() {
            headers.remove(CONTENT_LENGTH);
        } else if !self.lane.is_done() {
            // What comes yet may be another length.
            self.declared = headers
                .get(CONTENT_LENGTH)
                .and_then(|value| value.to_str().ok()?.parse().ok());
        }
    }

    /// What ends the stream, instead of the body.
    pub(crate) fn into_guard(self) -> Option<EndGuard> {
        self.guard
    }

    /// Has the stream end with this body.
    pub(crate) fn guard(&mut self, guard: EndGuard) {
        self.guard = Some(guard);
    }

    /// Whether it is as it came and no plugin can have a say in it.
    pub(crate) fn is_untouched(&self) -> bool {
        self.failed.is_none() && !self.done && self.lane.is_untouched(&self.cx)
    }

    /// The body as it came and what ends the stream.
    pub(crate) fn into_source(self) -> (Source<B>, Option<EndGuard>) {
        (self.lane.into_source(), self.guard)
    }

    /// Moves the plugins along as far as there is something ready, so that what they do to the body is known
    /// before the head is sent.
    pub(crate) fn look_ahead(&mut self, task: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.lane.poll_output(&self.cx, task) {
            self.failed = Some(into_error(error));
        }
    }

    fn end(&mut self) {
        self.done = true;
        self.guard = None;
    }

    fn end_with(&mut self, error: BoxError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.end();
        Poll::Ready(Some(Err(error)))
    }

    /// Whether so much fits what the head announced.
    fn fits(&self, len: u64) -> bool {
        match self.declared {
            Some(declared) if self.lane.resized() => len <= declared,
            _ => true,
        }
    }

    /// Whether what went out, if that was all, is not what the head announced.
    fn is_short(&self) -> bool {
        self.lane.resized() && self.declared.is_some_and(|declared| declared != self.sent)
    }

    pub(crate) fn poll_frame(
        &mut self,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        loop {
            if let Some(data) = self.lane.take_data() {
                self.sent += data.len() as u64;
                if self.dir == Dir::Response {
                    self.cx.stream.state().facts.sent = self.sent;
                }
                if !self.fits(self.sent) {
                    return self.end_with(Cut::Length.into());
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if let Some(error) = self.failed.take() {
                return self.end_with(error);
            }
            if self.lane.take_trailers() {
                return Poll::Ready(Some(Ok(self.lane.trailers_frame(&self.cx))));
            }
            if self.lane.is_finished() {
                if self.is_short() {
                    return self.end_with(Cut::Length.into());
                }
                self.end();
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(self.lane.poll_output(&self.cx, task)) {
                return self.end_with(into_error(error));
            }
        }
    }

    pub(crate) fn is_end(&self) -> bool {
        if self.failed.is_some() {
            return false;
        }
        self.done || self.lane.is_finished() && !self.is_short()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            _ if self.done => SizeHint::with_exact(0),
            _ if self.failed.is_some() => SizeHint::default(),
            _ => self.lane.size_hint(&self.cx),
        }
    }
}

fn into_error(error: LaneError) -> BoxError {
    match error {
        LaneError::Stopped => Cut::Stopped.into(),
        LaneError::Source(error) => error,
    }
}
