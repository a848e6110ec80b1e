//! Bodies behind a chain.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};

use crate::context::{EndGuard, StreamCx};
use crate::lane::{Lane, LaneError, Source};
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

/// A body on its way through a chain, or one that the chain made itself. It stays on its thread.
///
/// Ends with an error if a plugin cuts the stream.
pub struct LocalBody<B> {
    dir: Dir,
    lane: Lane<B>,
    cx: Option<StreamCx>,
    /// On the response: the stream is over when its body is.
    guard: Option<EndGuard>,
    /// What `content-length` says, and how much of it went out.
    declared: Option<u64>,
    sent: u64,
    /// The body ended with this error, or will.
    failed: Option<BoxError>,
    done: bool,
}

impl<B> LocalBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// A body that no plugin sees.
    pub(crate) fn plain(dir: Dir, source: Source<B>) -> Self {
        LocalBody {
            dir,
            lane: Lane::bypass(dir, source),
            cx: None,
            guard: None,
            declared: None,
            sent: 0,
            failed: None,
            done: false,
        }
    }

    /// A body that no plugin sees, on a stream that ends with it.
    pub(crate) fn last(source: Source<B>, guard: EndGuard) -> Self {
        LocalBody {
            guard: Some(guard),
            ..LocalBody::plain(Dir::Response, source)
        }
    }

    /// A body that starts on its way through the plugins.
    #[inline]
    pub(crate) fn new(dir: Dir, source: Source<B>, cx: StreamCx) -> Self {
        LocalBody {
            dir,
            lane: Lane::new(dir, source),
            cx: Some(cx),
            guard: None,
            declared: None,
            sent: 0,
            failed: None,
            done: false,
        }
    }

    pub(crate) fn lane(&mut self) -> &mut Lane<B> {
        &mut self.lane
    }

    /// Whether a plugin can ask for attributes of the stream. Only then is there a use for
    /// [`LocalBody::set_attributes`].
    pub fn wants_attributes(&self) -> bool {
        self.cx.as_ref().is_some_and(|cx| cx.chain.asks_properties)
    }

    /// Tells the plugins of the stream what the service knows of it, such as the upstream it chose. Of a request's body;
    /// what was told before is forgotten.
    pub fn set_attributes(&self, attributes: Rc<dyn Attributes>) {
        if let Some(cx) = &self.cx {
            cx.stream.state().noted = Some(attributes);
        }
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

    /// The body as it came and what ends the stream, if no plugin can have a say in the body.
    #[allow(clippy::result_large_err, reason = "it is the body again")]
    pub(crate) fn into_untouched(self) -> Result<(Source<B>, Option<EndGuard>), Self> {
        if self.failed.is_some() || self.done {
            return Err(self);
        }
        let lane = match &self.cx {
            None => self.lane.into_source(),
            Some(cx) => match self.lane.into_untouched(cx) {
                Ok(source) => source,
                Err(lane) => return Err(LocalBody { lane, ..self }),
            },
        };
        Ok((lane, self.guard))
    }

    /// Moves the plugins along as far as there is something ready, so that what they do to the body is known
    /// before the head is sent.
    pub(crate) fn look_ahead(&mut self, task: &mut Context<'_>) {
        if let Some(cx) = &self.cx
            && let Poll::Ready(Err(error)) = self.lane.poll_output(cx, task)
        {
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
}

fn into_error(error: LaneError) -> BoxError {
    match error {
        LaneError::Stopped => Cut::Stopped.into(),
        LaneError::Source(error) => error,
    }
}

impl<B> http_body::Body for LocalBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(None);
        }
        let Some(cx) = &this.cx else {
            let frame = ready!(this.lane.poll_plain(task));
            if !matches!(frame, Some(Ok(_))) {
                this.end();
            }
            return Poll::Ready(frame);
        };
        loop {
            if let Some(data) = this.lane.take_data() {
                this.sent += data.len() as u64;
                if this.dir == Dir::Response {
                    cx.stream.state().facts.sent = this.sent;
                }
                if !this.fits(this.sent) {
                    return this.end_with(Cut::Length.into());
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if let Some(error) = this.failed.take() {
                return this.end_with(error);
            }
            if this.lane.take_trailers() {
                return Poll::Ready(Some(Ok(this.lane.trailers_frame(cx))));
            }
            if this.lane.is_finished() {
                if this.lane.resized() && this.declared.is_some_and(|declared| declared != this.sent) {
                    return this.end_with(Cut::Length.into());
                }
                this.end();
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(this.lane.poll_output(cx, task)) {
                return this.end_with(into_error(error));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        if self.failed.is_some() {
            return false;
        }
        if self.done {
            return true;
        }
        match &self.cx {
            None => self.lane.plain_is_end(),
            Some(_) => {
                let short =
                    self.lane.resized() && self.declared.is_some_and(|declared| declared != self.sent);
                self.lane.is_finished() && !short
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.cx {
            _ if self.done => SizeHint::with_exact(0),
            _ if self.failed.is_some() => SizeHint::default(),
            None => self.lane.plain_size_hint(),
            Some(cx) => self.lane.size_hint(cx),
        }
    }
}

impl<B> fmt::Debug for LocalBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBody")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}
