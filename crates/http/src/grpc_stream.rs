//! gRPC streams of the embedder's own.

use bytes::Bytes;
use enginebay::host::{CalloutError, GrpcTarget};

use crate::callouts::{Events, GrpcEvent, Outgoing, Upstreams};

/// A gRPC stream that no plugin opened: what the program itself asks of an upstream, over the same connections that
/// callouts use.
///
/// Dropped, the stream is broken off.
pub struct GrpcStream {
    outgoing: Outgoing,
    events: Events,
}

/// How a gRPC stream ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}, {message}")]
#[non_exhaustive]
pub struct GrpcEnd {
    /// The status code: 0 is no error. 14 if the upstream could not be reached, 13 if what it sent is not gRPC or a message
    /// is too large.
    pub code: u32,
    /// What was said of it.
    pub message: String,
}

impl GrpcStream {
    /// Opens a stream. Nothing is sent before [`GrpcStream::message`] is called.
    ///
    /// At most `max_waiting` bytes wait to be sent, where each message counts for 64 more than it has; a message that comes
    /// has at most `max_message` bytes.
    ///
    /// # Errors
    ///
    /// There is no such upstream, or the target's names or headers can't be sent.
    pub fn open(
        upstreams: &dyn Upstreams,
        target: GrpcTarget,
        max_waiting: usize,
        max_message: usize,
    ) -> Result<Self, CalloutError> {
        let (outgoing, events) = crate::callouts::grpc_stream(upstreams, target, max_waiting, max_message)?;
        Ok(GrpcStream { outgoing, events })
    }

    /// Sends a message, or keeps it until it can be sent. Where the stream is over it goes nowhere.
    ///
    /// # Errors
    ///
    /// Too much waits to be sent.
    pub fn send(&self, message: &Bytes) -> Result<(), CalloutError> {
        self.outgoing.send(message, false)
    }

    /// Waits for the next message. Headers and trailers are passed over.
    ///
    /// The future is to be run to its end, or dropped together with the stream: a message or the head of the response can
    /// else be lost.
    ///
    /// # Errors
    ///
    /// The stream is over. It is the same ever after, but for what was said of it.
    pub async fn message(&mut self) -> Result<Bytes, GrpcEnd> {
        loop {
            match self.events.next().await {
                GrpcEvent::Message(message) => return Ok(message),
                GrpcEvent::Close(status) => {
                    return Err(GrpcEnd {
                        code: status.code,
                        message: status.message,
                    });
                }
                GrpcEvent::InitialMetadata(_) | GrpcEvent::TrailingMetadata(_) => {}
            }
        }
    }
}
