//! Bodies behind a chain.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::context::EndGuard;
use crate::filtered::Filtered;
use crate::source::Source;
use crate::{Attributes, BoxError};

/// A body on its way through a chain, or one that the chain made itself. It stays on its thread.
///
/// Ends with an error if a plugin cuts the stream.
pub struct LocalBody<B>(Kind<B>);

enum Kind<B> {
    /// No plugin sees it. The stream is over when it is, if there is one.
    Plain {
        source: Source<B>,
        guard: Option<EndGuard>,
    },
    Filtered(Box<Filtered<B>>),
}

impl<B> LocalBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// A body where there are no plugins.
    #[inline]
    pub(crate) fn plain(body: B) -> Self {
        LocalBody(Kind::Plain {
            source: Source::Body(body),
            guard: None,
        })
    }

    /// A body that no plugin sees, on a stream that ends with it.
    pub(crate) fn last(body: Bytes, guard: EndGuard) -> Self {
        LocalBody(Kind::Plain {
            source: Source::Bytes(body),
            guard: Some(guard),
        })
    }

    #[inline]
    pub(crate) fn filtered(body: Box<Filtered<B>>) -> Self {
        LocalBody(Kind::Filtered(body))
    }

    /// Whether a plugin can ask for attributes of the stream. Only then is there a use for
    /// [`LocalBody::set_attributes`].
    pub fn wants_attributes(&self) -> bool {
        match &self.0 {
            Kind::Plain { .. } => false,
            Kind::Filtered(body) => body.wants_attributes(),
        }
    }

    /// Tells the plugins of the stream what the service knows of it, such as the upstream it chose. Of a request's body;
    /// what was told before is forgotten.
    pub fn set_attributes(&self, attributes: Rc<dyn Attributes>) {
        if let Kind::Filtered(body) = &self.0 {
            body.set_attributes(attributes);
        }
    }

    /// What ends the stream, instead of the body.
    pub(crate) fn into_guard(self) -> Option<EndGuard> {
        match self.0 {
            Kind::Plain { guard, .. } => guard,
            Kind::Filtered(body) => body.into_guard(),
        }
    }

    /// The body as it came and what ends the stream, if no plugin can have a say in the body.
    pub(crate) fn into_untouched(self) -> Result<(Source<B>, Option<EndGuard>), Self> {
        match self.0 {
            Kind::Plain { source, guard } => Ok((source, guard)),
            Kind::Filtered(body) if body.is_untouched() => Ok(body.into_source()),
            kind => Err(LocalBody(kind)),
        }
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
        match &mut self.get_mut().0 {
            Kind::Plain { source, guard } => {
                let polled = source.poll_frame(task);
                if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
                    *source = Source::End;
                    *guard = None;
                }
                polled
            }
            Kind::Filtered(body) => body.poll_frame(task),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Plain { source, .. } => source.is_end(),
            Kind::Filtered(body) => body.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Plain { source, .. } => source.size_hint(),
            Kind::Filtered(body) => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for LocalBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBody").finish_non_exhaustive()
    }
}
