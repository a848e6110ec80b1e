//! Bodies before they meet a plugin.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::BoxError;

/// Where a direction's body comes from.
pub(crate) enum Source<B> {
    Body(B),
    Bytes(Bytes),
    End,
}

impl<B> Source<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// The next frame, for a body that no plugin sees.
    pub(crate) fn poll_frame(
        &mut self,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Source::End => Poll::Ready(None),
            Source::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Source::End;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Source::Body(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
        }
    }

    /// Whether there is nothing more, as far as is known.
    pub(crate) fn is_end(&self) -> bool {
        match self {
            Source::End => true,
            Source::Bytes(bytes) => bytes.is_empty(),
            Source::Body(body) => body.is_end_stream(),
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Source::End => SizeHint::with_exact(0),
            Source::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Body(body) => body.size_hint(),
        }
    }
}
