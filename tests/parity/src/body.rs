//! Bodies in pieces, with pauses.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

/// A body of any kind.
pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A body whose length is known.
pub(crate) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).boxed()
}

/// The pieces in frames of their own, with a pause before each, and trailers.
pub(crate) fn in_pieces(pieces: Vec<Bytes>, pause: Duration, trailers: Option<HeaderMap>) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let pieces = pieces.into_iter().map(Frame::data);
        for frame in pieces.chain(trailers.map(Frame::trailers)) {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            // Nobody reads any more.
            if sender.send(Ok(frame)).await.is_err() {
                return;
            }
        }
    });
    StreamBody::new(ReceiverStream::new(receiver)).boxed()
}
