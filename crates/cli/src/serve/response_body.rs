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
        match &mut self.source {
            Source::Own(body) => Pin::new(body).poll_frame(context),
            Source::Chain(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(body) => body.is_end_stream(),
            Source::Chain(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Chain(body) => body.size_hint(),
        }
    }
}
