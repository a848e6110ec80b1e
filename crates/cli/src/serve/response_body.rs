//! The body of a response as it leaves the server.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use enginebay_http::{BoxError, LocalBody};
use http_body::{Body, Frame, SizeHint};

use super::connection::Active;
use super::reply::ReplyBody;

/// A body; the request counts as on its way until it is dropped.
pub(super) struct ResponseBody {
    source: Source,
    _active: Active,
}

pub(super) enum Source {
    /// Of an answer that no filter sees.
    Own(ReplyBody),
    Chain(LocalBody<ReplyBody>),
    /// It broke off, which is yet to be said.
    Broken(Option<BoxError>),
}

impl ResponseBody {
    pub(super) fn new(source: Source, active: Active) -> Self {
        ResponseBody {
            source,
            _active: active,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = match &mut self.source {
            Source::Own(body) => Pin::new(body).poll_frame(context),
            Source::Chain(body) => Pin::new(body).poll_frame(context),
            Source::Broken(error) => return Poll::Ready(error.take().map(Err)),
        };
        match polled {
            Poll::Ready(Some(Err(error))) => {
                // As on Envoy, clients see what came before, if only the head: hyper sends it while it waits.
                self.source = Source::Broken(Some(error));
                context.waker().wake_by_ref();
                Poll::Pending
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(body) => body.is_end_stream(),
            Source::Chain(body) => body.is_end_stream(),
            Source::Broken(error) => error.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Chain(body) => body.size_hint(),
            Source::Broken(_) => SizeHint::default(),
        }
    }
}
